// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/trellis/code.hpp"
#include "lowbit/format/trellis/trellis_format.hpp"
#include "lowbit/pack/bitshift.hpp"
#include "lowbit/quantizer/trellis/viterbi.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

namespace lowbit {

/// Trellis-coded tiles: 16 × 16 weights are one tail-biting sequence of 256, row by row, in 32·K bytes: K bits a
/// weight.
///
///   C  what states mean (trellis::OneMad, ThreeInst, Hyb, LookUp)
///   L  bits of a state; the error falls with it and the time to encode doubles. Decoding costs the same
///   K  bits a weight, 1 … 4
///   Shift  bits a step of dim weights: dim·K, or for dim = 2 one more: K + ½ bits a weight
///
/// Weights are in the code's units: divided by a scale that brings their root mean square to `data_rms`. The sixteen
/// weights of a row are 16 / V consecutive states, read from 2·K + 2 bytes without the rows before.
/// Bits per weight: K, and whatever the scale is stored in.
/// Source: Tseng et al., "QTIP", arXiv:2406.11235; ours lays tiles out by rows and bits from the top of bytes.
template <trellis::Code C, int L, int K, int Shift = K * static_cast<int>(C::dim)>
struct TrellisTile {
  static_assert(Shift == K * static_cast<int>(C::dim) || (C::dim == 2 && Shift == 2 * K + 1),
                "A step of TrellisTile stores K bits a weight, or K + 1/2.");
  using code = C;
  using format_type = TrellisFormat<C, L>;
  static constexpr std::size_t dim = C::dim;
  static constexpr std::size_t tile_rows = 16, tile_cols = 16, tile_size = tile_rows * tile_cols;
  static constexpr std::size_t steps = tile_size / dim;
  using layout_type = pack::Bitshift<L, Shift, 1, steps>;
  static constexpr std::size_t bytes_per_tile = layout_type::bytes_per_block;
  static_assert(bytes_per_tile == 32 * Shift / dim);

  /// What the root mean square of normal weights should be: within 2 % of the least error (measured, L = 12 and
  /// 16). The published factor is 0.9 for every K; it costs 1 % more error at two bits and 6 % to 8 % at one.
  static constexpr float data_rms =
      std::array{1.15f, 1.05f, 0.97f, 0.94f, 0.92f, 0.90f, 0.87f}[2 * Shift / static_cast<int>(C::dim) - 2] * C::rms;

  /// Memory of one thread's searches, reused from tile to tile; the one for outliers takes its own at its first use.
  template <class Isa = isa::native>
  struct Scratch {
    trellis::Viterbi<C, L, K, trellis::FixedMetric<C::dim>, Isa, Shift> fixed;
    trellis::Viterbi<C, L, K, trellis::FloatMetric, Isa, Shift> wide;
  };

  /// The states of a tile: the best found for Σ weights·(x − decoded)². Searched in 16-bit integers, so the same on
  /// every machine; in float where a weight is beyond FixedMetric::range root mean squares of the code. NaN counts as
  /// 0.
  ///
  ///   x        row by row, normalized as above
  ///   weights  256 non-negative factors, or empty
  template <class Isa>
  static void encode(std::span<const float, tile_size> x, std::span<const float> weights,
                     std::span<std::uint16_t, steps> states, Scratch<Isa>& scratch) {
    constexpr float range = trellis::FixedMetric<C::dim>::range * C::rms;
    if (std::any_of(x.begin(), x.end(), [](float v) { return std::fabs(v) > range; }))
      scratch.wide.tail_biting(x, weights, states);
    else
      scratch.fixed.tail_biting(x, weights, states);
  }

  /// bytes: [bytes_per_tile].
  static void pack(std::span<const std::uint16_t, steps> states, std::span<std::uint8_t> bytes) noexcept {
    layout_type::pack(states, bytes);
  }

  /// The weights of one row, 0 … 15, of a packed tile, in the code's units.
  template <class Isa = isa::native>
  static void decode(std::span<const std::uint8_t> tile_bytes, std::size_t row,
                     std::span<float, tile_cols> y) noexcept {
    decode(Isa{}, tile_bytes.data(), row * (tile_cols / dim), y);
  }

 private:
  static void decode(isa::scalar, const std::uint8_t* bytes, std::size_t first,
                     std::span<float, tile_cols> y) noexcept {
    for (std::size_t i = 0; i < tile_cols / dim; ++i)
      C::value(layout_type::state(bytes, first + i), y.subspan(dim * i).template first<dim>());
  }

#if LOWBIT_HAS_AVX2
  static void decode(isa::avx2, const std::uint8_t* bytes, std::size_t first, std::span<float, tile_cols> y) noexcept {
    __m256 v[dim];
    if constexpr (dim == 1) {
      for (std::size_t half = 0; half < 2; ++half) {
        C::values(isa::avx2{}, layout_type::eight(bytes, first + 8 * half), v);
        _mm256_storeu_ps(y.data() + 8 * half, v[0]);
      }
    } else {
      C::values(isa::avx2{}, layout_type::eight(bytes, first), v);
      const __m256 low = _mm256_unpacklo_ps(v[0], v[1]), high = _mm256_unpackhi_ps(v[0], v[1]);
      _mm256_storeu_ps(y.data(), _mm256_permute2f128_ps(low, high, 0x20));
      _mm256_storeu_ps(y.data() + 8, _mm256_permute2f128_ps(low, high, 0x31));
    }
  }
#endif
#if LOWBIT_HAS_AVX512
  static void decode(isa::avx512, const std::uint8_t* bytes, std::size_t first,
                     std::span<float, tile_cols> y) noexcept {
    if constexpr (dim == 1) {
      __m512 v[1];
      C::values(isa::avx512{}, layout_type::sixteen(bytes, first), v);
      _mm512_storeu_ps(y.data(), v[0]);
    } else {
      decode(isa::avx2{}, bytes, first, y);
    }
  }
#endif
};

}  // namespace lowbit
