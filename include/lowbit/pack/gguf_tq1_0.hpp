// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/pack/lanes.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// GGUF's TQ1_0: 256 trits (codes 0, 1, 2) in qs[48] || qh[4], five trits to a byte, four in the bytes of qh.
///
///   qs[m], m < 32       codes m + 32n, n < 5
///   qs[32 + m], m < 16  codes 160 + m + 16n, n < 5
///   qh[m], m < 4        codes 240 + m + 4n, n < 4
///
/// The first trit is the highest digit of v = Σ q_n·3^(4−n) (the fifth digit of qh is 0), and the byte is ⌈v·256/243⌉:
/// v/243 as a fraction of 256, rounded up. Times 3 the integer part of that fraction is the first trit and the rest
/// holds the others, so decoding needs no division: trit n = ((byte·3ⁿ mod 256)·3) >> 8. Any byte reads as trits.
/// Source: quantize_row_tq1_0_ref and dequantize_row_tq1_0 of ggml (ggml-quants.c).
struct GgufTQ1_0 {
  static constexpr std::size_t codes_per_block = 256;
  static constexpr std::size_t bytes_per_block = 52;

  /// codes: 256n codes below 3; bytes: 52n.
  template <class Isa = isa::native>
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    for (std::size_t c = 0, b = 0; c < codes.size(); c += codes_per_block, b += bytes_per_block) {
      const std::uint8_t* from = codes.data() + c;
      std::uint8_t* to = bytes.data() + b;
      numbers<32, 5, Isa>(from, to);
      numbers<16, 5, Isa>(from + 160, to + 32);
      numbers<4, 4, Isa>(from + 240, to + 48);
      for (std::size_t i = 0; i < bytes_per_block; ++i) to[i] = static_cast<std::uint8_t>((to[i] * 256u + 242u) / 243u);
    }
  }
  template <class Isa = isa::native>
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    for (std::size_t c = 0, b = 0; c < codes.size(); c += codes_per_block, b += bytes_per_block) {
      const std::uint8_t* from = bytes.data() + b;
      std::uint8_t* to = codes.data() + c;
      trits<32, 5, Isa>(from, to);
      trits<16, 5, Isa>(from + 32, to + 160);
      trits<4, 4, Isa>(from + 48, to + 240);
    }
  }

 private:
  /// v of `Run` bytes, from Digits trits each.
  template <std::size_t Run, int Digits, class Isa>
  LOWBIT_ALWAYS_INLINE static void numbers(const std::uint8_t* codes, std::uint8_t* bytes) noexcept {
    using Lanes = detail::Lanes<Run, Isa>;
    for (std::size_t j = 0; j < Run; j += sizeof(Lanes)) {
      Lanes v = detail::load_lanes<Lanes>(codes + j);
      for (std::size_t n = 1; n < Digits; ++n)
        v = static_cast<Lanes>(v + (v << 1) + detail::load_lanes<Lanes>(codes + n * Run + j));
      if constexpr (Digits == 4) v = static_cast<Lanes>(v + (v << 1));
      detail::store_lanes(bytes + j, v);
    }
  }

  /// The trits of `Run` bytes: even and odd bytes apart, in fields of 16 bits, times 3 for every digit.
  template <std::size_t Run, int Digits, class Isa>
  LOWBIT_ALWAYS_INLINE static void trits(const std::uint8_t* bytes, std::uint8_t* codes) noexcept {
    using Lanes = detail::Lanes<Run, Isa>;
    if constexpr (sizeof(Lanes) == 1) {
      for (std::size_t j = 0; j < Run; ++j)
        for (unsigned n = 0, rest = bytes[j]; n < Digits; ++n, rest = rest * 3 & 0xff)
          codes[n * Run + j] = static_cast<std::uint8_t>(rest * 3 >> 8);
    } else {
      constexpr std::uint64_t low = 0x00ff00ff00ff00ffu;
      for (std::size_t j = 0; j < Run; j += sizeof(Lanes)) {
        const Lanes packed = detail::load_lanes<Lanes>(bytes + j);
        Lanes even = packed & low, odd = packed >> 8 & low;
        for (std::size_t n = 0; n < Digits; ++n) {
          even += even << 1;
          odd += odd << 1;
          detail::store_lanes(codes + n * Run + j, static_cast<Lanes>((even >> 8 & low) | (odd & ~low)));
          even &= low;
          odd &= low;
        }
      }
    }
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
