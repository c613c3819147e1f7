// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "lowbit/core/float16.hpp"
#include "lowbit/format/trellis/one_mad.hpp"
#include "lowbit/format/trellis/trellis_format.hpp"
#include "lowbit/pack/bitshift_tile.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/declared.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/scaled.hpp"
#include "lowbit/quantizer/trellis/tile.hpp"

namespace lowbit {

/// Trellis-coded quantization: ŵ = s · C(state), the states of a 16 × 16 tile found together, by a tail-biting Viterbi search
/// for the least Σ (w − ŵ)² over the tile, every row counted in its own scale.
///
///   C     what states mean: trellis::OneMad, ThreeInst, Hyb, LookUp
///   L, K  bits of a state; bits per weight, 1 … 4
///   Shift bits a step: K·dim, or for codes of pairs one more: K + ½ bits per weight
///
/// s brings the group's root mean square to TrellisTile::data_rms. A group of
/// zeros, or one whose scale underflows, has s = 0. Groups hold a multiple of 16 columns; the natural choice after an
/// incoherence transform is one scale per matrix (default_group). Tiles past the last row or column are stored whole.
///
/// Bits per weight: Shift / dim + (bits of s) / group. Cost of encoding: 2^L distances per weight; decoding does not depend on L.
/// Source: Tseng et al., "QTIP", arXiv:2406.11235. Ours scales by the group where QTIP has one scale per matrix.
template <trellis::Code C, int L, int K, class Scale, std::size_t GroupSize, int Shift>
struct TrellisScaled : detail::GroupSize<GroupSize> {
  using tile = TrellisTile<C, L, K, Shift>;
  using format_type = typename tile::format_type;
  using layout_type = pack::BitshiftTile<L, Shift, static_cast<int>(C::dim)>;
  using stored_type = Scale;
  static_assert(GroupSize == dynamic_group || GroupSize >= per_tensor || GroupSize % 16 == 0,
                "Groups of trellis-coded weights hold whole tiles of 16 columns.");

  static constexpr unsigned zero_bits = 0;
  static constexpr std::size_t default_group = per_tensor;

  struct params_type {
    float scale = 0.0f;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  params_type fit(std::span<const float> group) const noexcept {
    double sum = 0.0;
    for (const float x : group) sum += static_cast<double>(x) * static_cast<double>(x);
    const double rms = group.empty() ? 0.0 : std::sqrt(sum / static_cast<double>(group.size()));
    const float scale = static_cast<float>(Scale(static_cast<float>(rms / static_cast<double>(tile::data_rms))));
    return {std::isfinite(1.0f / scale) ? scale : 0.0f};
  }

  /// The nearest state, as if it could be chosen alone.
  std::uint16_t quantize(std::span<const float, C::dim> x, params_type p) const noexcept {
    float y[C::dim];
    for (std::size_t v = 0; v < C::dim; ++v) y[v] = p.scale > 0.0f ? x[v] / p.scale : 0.0f;
    return format_type{}.encode(std::span<const float, C::dim>(y));
  }

  /// x: 16 × 16 weights row by row; params: one entry per row. See TileQuantizer.
  void quantize_tile(std::span<const float> x, std::span<const params_type> params, std::span<std::uint16_t> states) const {
    float normalized[tile::tile_size], weights[tile::tile_size];
    bool equal = true;
    for (std::size_t r = 0; r < tile::tile_rows; ++r) {
      const float s = params[r].scale;
      equal = equal && s == params[0].scale;
      for (std::size_t c = 0; c < tile::tile_cols; ++c) {
        const std::size_t i = r * tile::tile_cols + c;
        normalized[i] = s > 0.0f ? x[i] / s : 0.0f;
        weights[i] = s * s;
      }
    }
    using Scratch = typename tile::template Scratch<>;
    thread_local const std::unique_ptr<Scratch> scratch = std::make_unique<Scratch>();
    tile::encode(std::span<const float, tile::tile_size>(normalized), equal ? std::span<const float>() : weights,
                 states.first<tile::steps>(), *scratch);
  }

  LOWBIT_ALWAYS_INLINE void dequantize(std::uint16_t state, params_type p, std::span<float, C::dim> y) const noexcept {
    C::value(state, y);
    for (float& value : y) value *= p.scale;
  }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return Scale(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {static_cast<float>(stored)};
  }

  /// "trellis_k2_l12_f16"; the code is named where it is not 1MAD, or for half bits HYB.
  static std::string storage_name() {
    constexpr bool half = Shift % C::dim != 0;
    std::string name = "trellis_k" + std::to_string(K) + (half ? ".5" : "") + "_l" + std::to_string(L);
    if (C::name != (half ? "hyb" : "1mad")) name += "_" + std::string(C::name);
    return name.append("_").append(detail::scale_name<Scale>);
  }
};

}  // namespace lowbit
