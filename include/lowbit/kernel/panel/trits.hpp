// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lowbit/kernel/panel/codes.hpp"
#include "lowbit/kernel/simd/indices.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

/// Five trits to a byte of a panel, 1.6 bits each.
///
/// A byte is s = round(256·v / 243) of v = Σ t_n·3^(4−n), t ∈ {−1, 0, 1}: v as a fraction of a turn, −127 … 127 in two's
/// complement. The first trit says which third of the turn s is in, and 3s modulo the turn is the fraction of the others:
///
///   t_n = 1 where s > 42, −1 where s < −42, otherwise 0;  s ← 3s mod 256
///
/// The rounding of s, at most 1/2, grows to 81/2 at the fifth trit, which 256/6 allows. −s holds the opposite trits, so
/// tables of 128 bytes are enough for those who have them.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Trits as codes 0, 1, 2 for s = 0 … 127: entry [n][s] is t_n + 1.
alignas(64) inline constexpr auto trit_tables = [] {
  std::array<std::array<std::uint8_t, 128>, 5> all{};
  for (int first = 0; first < 128; ++first)
    for (int n = 0, s = first; n < 5; ++n) {
      const int t = (s > 42) - (s < -42);
      all[static_cast<std::size_t>(n)][static_cast<std::size_t>(first)] = static_cast<std::uint8_t>(t + 1);
      s = 3 * s - 256 * t;
    }
  return all;
}();

/// Codes 0, 1, 2 of the first trits of the bytes s.
template <class V>
LOWBIT_ALWAYS_INLINE typename V::Bytes first_trits(typename V::Bytes s) noexcept {
#if LOWBIT_HAS_AVX512
  if constexpr (sizeof(s) == 64) {
    const __m512i one = V::splat(1);
    const __mmask64 positive = _mm512_cmpgt_epi8_mask(s, V::splat(42)), other = _mm512_cmpgt_epi8_mask(s, V::splat(-43));
    return _mm512_mask_add_epi8(_mm512_maskz_mov_epi8(other, one), positive, one, one);
  }
#endif
#if LOWBIT_HAS_AVX2
  if constexpr (sizeof(s) == 32)
    return V::minus(V::plus(V::splat(1), _mm256_cmpgt_epi8(V::splat(-42), s)), _mm256_cmpgt_epi8(s, V::splat(42)));
#endif
  const typename V::Bytes from_zero = V::differ(s, V::splat(0x80));
  return V::minus(V::minus(V::splat(0), V::at_least(from_zero, 128 - 42)), V::at_least(from_zero, 128 + 43));
}

/// The trits of a register of bytes, one after the other.
template <class V>
struct TritBlock {
  typename V::Bytes s[5];
  LOWBIT_ALWAYS_INLINE explicit TritBlock(const std::uint8_t* block) noexcept {
    s[0] = V::load(block);
    for_each_index<4>([&](auto n) LOWBIT_INLINE_LAMBDA { s[n + 1] = V::plus(s[n], V::plus(s[n], s[n])); });
  }
  template <std::size_t N>
  LOWBIT_ALWAYS_INLINE typename V::Bytes operand() const noexcept {
    return first_trits<V>(s[N]);
  }
};
#if LOWBIT_HAS_AVX512_VBMI
/// With vpermi2b every trit is a table's, of |s|.
template <class V>
  requires requires { V::has_tables_of_128; }
struct TritBlock<V> {
  __m512i magnitude;
  __mmask64 negative;
  LOWBIT_ALWAYS_INLINE explicit TritBlock(const std::uint8_t* block) noexcept {
    const __m512i s = V::load(block);
    magnitude = _mm512_abs_epi8(s);
    negative = _mm512_movepi8_mask(s);
  }
  template <std::size_t N>
  LOWBIT_ALWAYS_INLINE __m512i operand() const noexcept {
    const std::uint8_t* const table = trit_tables[N].data();
    const __m512i found =
        _mm512_permutex2var_epi8(_mm512_load_si512(table), magnitude, _mm512_load_si512(table + 64));
    return _mm512_mask_sub_epi8(found, negative, V::splat(2), found);
  }
};
#endif

/// The twin of PanelCodes for codes 0, 1, 2: a block is one word of 20 columns, byte 4r + b of it the trits of columns b,
/// 4 + b, … 16 + b of row r. Padding is trit 0. Bytes −128 are never written.
struct PanelTrits {
  static constexpr std::size_t columns = 20, words = 1, operands = 5;

  template <class V, std::size_t Lane>
  using Block = TritBlock<V>;

  static unsigned get(const std::uint8_t* block, std::size_t row, std::size_t column) noexcept {
    int s = static_cast<std::int8_t>(block[4 * row + column % 4]);
    const unsigned sign = s < 0 ? 2u : 0u;
    const unsigned code = trit_tables[column / 4][static_cast<std::size_t>(s < 0 ? -s : s) & 127u];
    return sign != 0 ? sign - code : code;
  }
  /// Sets a code in a place that holds trit 0.
  static void put(std::uint8_t* block, std::size_t row, std::size_t column, unsigned code) noexcept {
    constexpr int powers[] = {81, 27, 9, 3, 1};
    std::uint8_t& byte = block[4 * row + column % 4];
    const int v = nearest(243 * static_cast<std::int8_t>(byte), 256) + (static_cast<int>(code) - 1) * powers[column / 4];
    byte = static_cast<std::uint8_t>(nearest(256 * v, 243));
  }

 private:
  static constexpr int nearest(int a, int b) noexcept { return (2 * a + (a < 0 ? -b : b)) / (2 * b); }
};

/// Layouts that spend less than two bits on a trit.
template <class Layout>
concept dense_trits = 8 * Layout::bytes_per_block < 2 * Layout::codes_per_block;

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
