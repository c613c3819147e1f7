// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/pack/concept.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The circular bit stream of a tail-biting bitshift trellis: K bits a weight, although every code is a state of L
/// bits.
///
///   L      bits of a state, 1 … 16
///   K, V   a step stores the K·V bits that it shifts in, for V weights; V 1 or 2, K·V at most 8 and L
///   Steps  states in a sequence; whole bytes, and no fewer bits than a state
///
/// Bit i of the stream is bit 7 − i mod 8 of byte i / 8. State t is the L bits from K·V·t on, the first the most
/// significant, going around at the end: overlapping windows, so any state is read without the ones before it. A block
/// is one sequence, K·V·Steps bits (64 bytes for 256 weights of two bits). States are numbered from the front of a row
/// of blocks.
///
/// Law: unpack(pack(states)) is states where they are a path that bites its tail: the low L − K·V bits of a state are
/// the high ones of the next, and of the last the first's. Of other codes only the high K·V bits survive, so this is a
/// layout for sequences that a search found, not for codes chosen one by one.
///
/// AVX2 and AVX-512 read eight and sixteen states at a time: a byte shuffle brings each window's bytes to its 32-bit
/// lane, a variable shift aligns it.
/// Source: Tseng et al., "QTIP", arXiv:2406.11235; the order of bits is ours.
template <int L, int K, int V = 1, std::size_t Steps = 256 / V>
struct Bitshift {
  static constexpr int shift = K * V;
  static_assert(L >= 1 && L <= 16 && K >= 1 && (V == 1 || V == 2) && shift <= 8 && shift <= L,
                "pack::Bitshift has states of 1 to 16 bits, 1 or 2 weights a state and 1 to 8 bits a step.");
  static_assert(Steps * shift % 8 == 0 && Steps * shift >= L, "pack::Bitshift has sequences of whole bytes.");

  static constexpr std::size_t codes_per_block = Steps;
  static constexpr std::size_t bytes_per_block = Steps * shift / 8;

  /// states: n·Steps; bytes: n·bytes_per_block.
  static void pack(std::span<const std::uint16_t> states, std::span<std::uint8_t> bytes) noexcept {
    std::uint32_t word = 0;
    int filled = 0;
    std::size_t at = 0;
    for (const std::uint16_t state : states) {
      word = word << shift | ((static_cast<std::uint32_t>(state) & mask) >> (L - shift));
      for (filled += shift; filled >= 8; filled -= 8) bytes[at++] = static_cast<std::uint8_t>(word >> (filled - 8));
    }
  }

  template <class Isa = isa::native>
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint16_t> states) noexcept {
    unpack_range<Isa>(bytes, 0, states);
  }

  /// States [first, first + states.size()) of a row of blocks; both arbitrary.
  template <class Isa = isa::native>
  static void unpack_range(std::span<const std::uint8_t> row, std::size_t first,
                           std::span<std::uint16_t> states) noexcept {
    for (std::size_t done = 0; done < states.size();) {
      const std::size_t block = (first + done) / Steps, from = (first + done) % Steps;
      const std::size_t count = std::min(states.size() - done, Steps - from);
      range(Isa{}, row.data() + block * bytes_per_block, from, states.data() + done, count);
      done += count;
    }
  }

  /// State t of the block at `bytes`.
  LOWBIT_ALWAYS_INLINE static std::uint16_t state(const std::uint8_t* bytes, std::size_t t) noexcept {
    const std::size_t bit = shift * t;
    std::uint32_t window = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      std::size_t byte = bit / 8 + i;
      while (byte >= bytes_per_block) byte -= bytes_per_block;
      window = window << 8 | bytes[byte];
    }
    return static_cast<std::uint16_t>((window >> (24 - L - bit % 8)) & mask);
  }

#if LOWBIT_HAS_AVX2
  /// States t … t + 7 of a block, in 32-bit lanes; t is a multiple of `aligned`.
  LOWBIT_ALWAYS_INLINE static __m256i eight(const std::uint8_t* bytes, std::size_t t) noexcept {
    const __m256i source = _mm256_broadcastsi128_si256(window(bytes, shift * t / 8));
    const __m256i lanes = _mm256_shuffle_epi8(source, _mm256_load_si256(reinterpret_cast<const __m256i*>(&places)));
    const __m256i shifts = _mm256_load_si256(reinterpret_cast<const __m256i*>(&downs));
    return _mm256_and_si256(_mm256_srlv_epi32(lanes, shifts), _mm256_set1_epi32(static_cast<int>(mask)));
  }
#endif
#if LOWBIT_HAS_AVX512
  /// States t … t + 15 of a block, in 32-bit lanes; t is a multiple of `aligned`, and 15·K·V + L ≤ 121.
  LOWBIT_ALWAYS_INLINE static __m512i sixteen(const std::uint8_t* bytes, std::size_t t) noexcept {
    const __m512i source = _mm512_broadcast_i32x4(window(bytes, shift * t / 8));
    const __m512i lanes = _mm512_shuffle_epi8(source, _mm512_load_si512(&places));
    return _mm512_and_si512(_mm512_srlv_epi32(lanes, _mm512_load_si512(&downs)),
                            _mm512_set1_epi32(static_cast<int>(mask)));
  }
#endif

  /// Steps between states that start on a byte.
  static constexpr std::size_t aligned = 8 / std::gcd(8, shift);

 private:
  static constexpr std::uint32_t mask = (1u << L) - 1u;

  static void range(isa::scalar, const std::uint8_t* bytes, std::size_t from, std::uint16_t* states,
                    std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) states[i] = state(bytes, from + i);
  }

#if LOWBIT_HAS_AVX2
  struct alignas(64) Places {
    std::array<std::uint8_t, 64> at;
  };
  struct alignas(64) Downs {
    std::array<std::uint32_t, 16> at;
  };
  /// For lane i, the bytes of its window from the last of four down to the first: a big-endian word.
  static constexpr Places places = [] {
    Places p{};
    for (std::size_t i = 0; i < 16; ++i)
      for (std::size_t b = 0; b < 4; ++b) p.at[4 * i + b] = static_cast<std::uint8_t>((i * shift / 8 + 3 - b) % 16);
    return p;
  }();
  static constexpr Downs downs = [] {
    Downs d{};
    for (std::size_t i = 0; i < 16; ++i) d.at[i] = static_cast<std::uint32_t>(32 - L - i * shift % 8);
    return d;
  }();

  /// Sixteen bytes from byte `at` of a block on, going around.
  LOWBIT_ALWAYS_INLINE static __m128i window(const std::uint8_t* bytes, std::size_t at) noexcept {
    if (at + 16 <= bytes_per_block) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + at));
    alignas(16) std::array<std::uint8_t, 16> around;
    for (std::uint8_t& b : around) {
      b = bytes[at];
      at = at + 1 == bytes_per_block ? 0 : at + 1;
    }
    return _mm_load_si128(reinterpret_cast<const __m128i*>(around.data()));
  }

  static void range(isa::avx2, const std::uint8_t* bytes, std::size_t from, std::uint16_t* states,
                    std::size_t count) noexcept {
    const std::size_t head = std::min(count, (aligned - from % aligned) % aligned);
    range(isa::scalar{}, bytes, from, states, head);
    std::size_t i = head;
    for (; i + 8 <= count; i += 8) {
      const __m256i lanes = eight(bytes, from + i);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(states + i),
                       _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1)));
    }
    range(isa::scalar{}, bytes, from + i, states + i, count - i);
  }
#endif
#if LOWBIT_HAS_AVX512
  static void range(isa::avx512, const std::uint8_t* bytes, std::size_t from, std::uint16_t* states,
                    std::size_t count) noexcept {
    if constexpr (15 * shift + L <= 121) {
      const std::size_t head = std::min(count, (aligned - from % aligned) % aligned);
      range(isa::scalar{}, bytes, from, states, head);
      std::size_t i = head;
      for (; i + 16 <= count; i += 16)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(states + i), _mm512_cvtepi32_epi16(sixteen(bytes, from + i)));
      range(isa::avx2{}, bytes, from + i, states + i, count - i);
    } else {
      range(isa::avx2{}, bytes, from, states, count);
    }
  }
#endif
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
