// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>

#include "lowbit/format/d4_ball.hpp"
#include "lowbit/format/e8p.hpp"
#include "lowbit/kernel/gemm_int8.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"
#include "support/layers.hpp"

/// What the weights of panels are, in double, from the packed matrix and without the kernels.

namespace lowbit::test {

struct PanelWeight {
  double value;      ///< scale·step·(byte − offset) − m
  double magnitude;  ///< the sum of what is added with a sign in a float product
  double half_step;  ///< how far the value may lie from ŵ
  double point;      ///< ŵ, as dequantize gives it
};

template <PanelQuantizer Q>
PanelWeight panel_weight(const PackedView<Q>& w, std::size_t r, std::size_t c) {
  using Levels = kernel::PanelLevels<Q>;
  const Groups groups = w.groups();
  const std::size_t g = groups.of_column(c);
  const Q q = w.group_quantizer(r, g);
  const auto point = point_params(q, w.group_params(r, g), c - groups.begin(g));
  constexpr std::size_t dim = Q::format_type::dim;
  std::vector<typename Q::format_type::code_type> code(1);
  w.unpack(r, c / dim, code);
  float all[dim];
  q.dequantize(code[0], point, std::span<float, dim>(all));
  const float dequantized = all[c % dim];
  if constexpr (requires { Q::layout_type::tile_rows; }) {
    const double scale = static_cast<double>(point.scale) * static_cast<double>(Levels::step);
    const std::uint32_t x = code[0] * 34038481u + 76625530u;
    const auto sum = static_cast<int>((x & 255) + (x >> 8 & 255) + (x >> 16 & 255) + (x >> 24));
    const double product = scale * ((sum + 3) / 4 - 128);
    return {product, std::fabs(product), 0.5 * std::fabs(scale) * (1.0 + 0x1p-15), static_cast<double>(dequantized)};
  } else if constexpr (dim != 1) {
    if constexpr (requires { q.format; })
      q.format.decode(code[0], std::span<float, dim>(all));
    else
      typename Q::format_type{}.decode(code[0], std::span<float, dim>(all));
    const double scale = static_cast<double>(point.scale);
    if constexpr (Levels::exact) {
      const double product = scale * static_cast<double>(all[c % dim]);
      return {product, std::fabs(product), 0.0, static_cast<double>(dequantized)};
    } else {
      const kernel::PanelTable<Q> table(w.shared);
      const double step = static_cast<double>(table.step), n = std::round(static_cast<double>(all[c % dim]) / step);
      return {scale * step * n, std::fabs(scale * step * n), 0.5 * (1.0 + 0x1p-15) * std::fabs(scale) * step,
              static_cast<double>(dequantized)};
    }
  } else if constexpr (LevelQuantizer<Q>) {
    const double scale = static_cast<double>(point.scale) * static_cast<double>(Levels::step);
    const double product = scale * (static_cast<double>(Levels::bytes[code[0]]) - Levels::offset);
    double m = 0.0;
    if constexpr (has_offset<Q>) m = static_cast<double>(point.offset);
    return {product - m, std::fabs(product) + std::fabs(m), Levels::exact ? 0.0 : 0.5 * (1.0 + 0x1p-15) * std::fabs(scale),
            static_cast<double>(dequantized)};
  } else {
    const double scale = static_cast<double>(point.scale), zero = static_cast<double>(point.zero_point);
    const double product = scale * (static_cast<double>(code[0]) - zero);
    return {product, Levels::kind == kernel::PanelOffset::real ? std::fabs(scale) * (code[0] + zero) : std::fabs(product),
            0.0, static_cast<double>(dequantized)};
  }
}

namespace detail {

template <class Q>
using if_panels = std::conditional_t<PanelQuantizer<Q>, std::tuple<Q>, std::tuple<>>;
template <class List>
struct panels_of;
template <class... Qs>
struct panels_of<std::tuple<Qs...>> {
  using type = decltype(std::tuple_cat(if_panels<Qs>{}...));
};

}  // namespace detail

/// All of the lists that become panels.
using panel_quantizers =
    detail::panels_of<decltype(std::tuple_cat(uniform_quantizers{}, level_quantizers{},
                                              std::tuple<DoubleQuantized<NF4>, Grid<Int3, 16, ZeroPoint::none, ScaleStorage::f16>,
                                                         Grid<Int8, per_row, ZeroPoint::none, ScaleStorage::f16>, VectorScaled<E8P>, VectorScaled<D4Ball<8>>, VectorCodebook<4, 8>>{}))>::type;

}  // namespace lowbit::test
