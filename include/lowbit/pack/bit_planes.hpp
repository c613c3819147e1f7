// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/concept.hpp"
#include "lowbit/pack/spread.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {
namespace detail {

// Bits planes of Codes = 32 or 64 codes: plane k is Codes/8 bytes, bit i of it bit At + k of code i. Eight codes at
// a time; the wider sets take 32 or 64 codes and turn a plane into a mask of bytes and back.

template <int Bits, int At, std::size_t Codes>
LOWBIT_ALWAYS_INLINE void gather_planes(isa::scalar, const std::uint8_t* codes, std::uint8_t* planes) noexcept {
  for (std::size_t i = 0; i < Codes / 8; ++i) {
    const std::uint64_t eight = load_word<8>(codes + 8 * i);
    for (int k = 0; k < Bits; ++k)
      planes[static_cast<std::size_t>(k) * (Codes / 8) + i] =
          static_cast<std::uint8_t>(gather_from_bytes<1, isa::scalar>(eight >> (At + k)));
  }
}

template <int Bits, int At, bool Add, std::size_t Codes>
LOWBIT_ALWAYS_INLINE void spread_planes(isa::scalar, const std::uint8_t* planes, std::uint8_t* codes) noexcept {
  for (std::size_t i = 0; i < Codes / 8; ++i) {
    std::uint64_t eight = Add ? load_word<8>(codes + 8 * i) : 0;
    for (int k = 0; k < Bits; ++k)
      eight |= spread_to_bytes<1, isa::scalar>(planes[static_cast<std::size_t>(k) * (Codes / 8) + i]) << (At + k);
    std::memcpy(codes + 8 * i, &eight, 8);
  }
}

#if LOWBIT_HAS_AVX2
template <int Bits, int At, std::size_t Codes>
LOWBIT_ALWAYS_INLINE void gather_planes(isa::avx2, const std::uint8_t* codes, std::uint8_t* planes) noexcept {
  for (std::size_t i = 0; i < Codes; i += 32) {
    __m256i code_u8x32 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
    code_u8x32 = _mm256_slli_epi16(code_u8x32, 8 - At - Bits);  // the highest plane to the sign bits
    for (int k = Bits - 1; k >= 0; --k) {
      const int plane = _mm256_movemask_epi8(code_u8x32);
      std::memcpy(planes + static_cast<std::size_t>(k) * (Codes / 8) + i / 8, &plane, 4);
      code_u8x32 = _mm256_add_epi8(code_u8x32, code_u8x32);
    }
  }
}

template <int Bits, int At, bool Add, std::size_t Codes>
LOWBIT_ALWAYS_INLINE void spread_planes(isa::avx2, const std::uint8_t* planes, std::uint8_t* codes) noexcept {
  const __m256i own_byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i own_bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  for (std::size_t i = 0; i < Codes; i += 32) {
    const auto to = reinterpret_cast<__m256i*>(codes + i);
    __m256i code_u8x32 = Add ? _mm256_loadu_si256(to) : _mm256_setzero_si256();
    for (int k = 0; k < Bits; ++k) {
      int plane = 0;
      std::memcpy(&plane, planes + static_cast<std::size_t>(k) * (Codes / 8) + i / 8, 4);
      const __m256i spread = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(plane), own_byte), own_bit);
      const __m256i set = _mm256_cmpeq_epi8(spread, own_bit);
      code_u8x32 =
          _mm256_or_si256(code_u8x32, _mm256_and_si256(set, _mm256_set1_epi8(static_cast<char>(1 << (At + k)))));
    }
    _mm256_storeu_si256(to, code_u8x32);
  }
}
#endif

#if LOWBIT_HAS_AVX512
template <int Bits, int At, std::size_t Codes>
  requires(Codes == 64)
LOWBIT_ALWAYS_INLINE void gather_planes(isa::avx512, const std::uint8_t* codes, std::uint8_t* planes) noexcept {
  const __m512i code_u8x64 = _mm512_loadu_si512(codes);
  for (int k = 0; k < Bits; ++k) {
    const __mmask64 plane = _mm512_test_epi8_mask(code_u8x64, _mm512_set1_epi8(static_cast<char>(1 << (At + k))));
    std::memcpy(planes + 8 * k, &plane, 8);
  }
}

template <int Bits, int At, bool Add, std::size_t Codes>
  requires(Codes == 64)
LOWBIT_ALWAYS_INLINE void spread_planes(isa::avx512, const std::uint8_t* planes, std::uint8_t* codes) noexcept {
  __m512i code_u8x64 = Add ? _mm512_loadu_si512(codes) : _mm512_setzero_si512();
  for (int k = 0; k < Bits; ++k) {
    __mmask64 plane;
    std::memcpy(&plane, planes + 8 * k, 8);
    const __m512i bit = _mm512_set1_epi8(static_cast<char>(1 << (At + k)));
    code_u8x64 = _mm512_mask_add_epi8(code_u8x64, plane, code_u8x64, bit);  // the bit was clear
  }
  _mm512_storeu_si512(codes, code_u8x64);
}

template <int Bits, int At, bool Add, std::size_t Codes>
  requires(Codes == 32)
LOWBIT_ALWAYS_INLINE void spread_planes(isa::avx512, const std::uint8_t* planes, std::uint8_t* codes) noexcept {
  const auto to = reinterpret_cast<__m256i*>(codes);
  __m256i code_u8x32 = Add ? _mm256_loadu_si256(to) : _mm256_setzero_si256();
  for (int k = 0; k < Bits; ++k) {
    __mmask32 plane;
    std::memcpy(&plane, planes + 4 * k, 4);
    const __m256i bit = _mm256_set1_epi8(static_cast<char>(1 << (At + k)));
    code_u8x32 = _mm256_mask_add_epi8(code_u8x32, plane, code_u8x32, bit);  // the bit was clear
  }
  _mm256_storeu_si256(to, code_u8x32);
}
#endif

}  // namespace detail

/// Bit planes of blocks of 32 or 64 codes: plane k, Codes/8 bytes, holds bit k of every code of the block, code i in
/// bit i of the little-endian plane; low plane first.
///
/// Nested: the bytes of a block without its first n planes are the block of the codes shifted right by n, so a narrower
/// grid is read by skipping bytes.
template <int Bits, std::size_t Codes = 64>
struct BitPlanes {
  static_assert(Bits >= 1 && Bits <= 8, "pack::BitPlanes packs codes of 1 to 8 bits.");
  static_assert(Codes == 32 || Codes == 64, "pack::BitPlanes packs blocks of 32 or 64 codes.");
  static constexpr int bits = Bits;
  static constexpr std::size_t codes_per_block = Codes;
  static constexpr std::size_t bytes_per_block = Codes / 8 * static_cast<std::size_t>(Bits);

  /// codes: n·codes_per_block codes, of which the bits above Bits are ignored; bytes: n·bytes_per_block.
  template <class Isa = isa::native>
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    for (std::size_t c = 0, b = 0; c < codes.size(); c += codes_per_block, b += bytes_per_block)
      pack_block<0, Isa>(codes.data() + c, bytes.data() + b);
  }
  template <class Isa = isa::native>
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    for (std::size_t c = 0, b = 0; c < codes.size(); c += codes_per_block, b += bytes_per_block)
      unpack_block<0, false, Isa>(bytes.data() + b, codes.data() + c);
  }

  /// One block, of bits [At, At + Bits) of the codes. Unpacking writes the codes, or with Add adds bits that were
  /// clear.
  template <int At, class Isa>
  LOWBIT_ALWAYS_INLINE static void pack_block(const std::uint8_t* codes, std::uint8_t* bytes) noexcept {
    detail::gather_planes<Bits, At, Codes>(Isa{}, codes, bytes);
  }
  template <int At, bool Add, class Isa>
  LOWBIT_ALWAYS_INLINE static void unpack_block(const std::uint8_t* bytes, std::uint8_t* codes) noexcept {
    detail::spread_planes<Bits, At, Add, Codes>(Isa{}, bytes, codes);
  }
};

static_assert(LayoutFor<BitPlanes<4>, Int4> && LayoutFor<BitPlanes<3, 32>, Int3>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
