// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "lowbit/core/float16.hpp"
#include "lowbit/format/power.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/scaled.hpp"
#include "lowbit/quantizer/shared_scales.hpp"

namespace lowbit {

/// Integers behind a power, x̂ = scale · sign(q)·(|q|/n)^(1/a): a scale per group, one exponent a for the matrix.
///
///   shared  a, then the points 1/n … 1 raised to 1/a, so that no reader computes powers: 1 + n floats, n = 2^(b−1) − 1
///   scale   max|x|, rounded to its storage type
///   a       of 0.25, 0.30 … 1.25 the one of least squared error, weighed by the importance of columns where it is given,
///           then once more in steps of 0.01 around it; over at most 65,536 weights, evenly taken from large matrices
///
/// A group whose stored scale is zero, or whose reciprocal overflows float, decodes to exact zeros; 0 is a point. A
/// scale too large for its storage comes out of `fit` as infinity.
///
/// Bits per weight: b + scale bits/g + 32·(1 + n)/numel.
/// Source: Yvinec et al., "PowerQuant", ICLR 2023, arXiv:2301.09858, which searches one exponent for a whole network by
/// Nelder and Mead and rounds |w|^a; here to the nearest point.
template <int Bits, class Scale = f16, std::size_t GroupSize = 128>
struct PowerScaled : detail::GroupSize<GroupSize> {
  static_assert(detail::scale_name<Scale> != nullptr, "Scales are stored as f16, bf16 or float.");
  using format_type = Power<Bits>;
  using layout_type = pack::dense_for<format_type>;
  using stored_type = Scale;
  static constexpr unsigned zero_bits = 0;
  static constexpr bool tabulated = true;  ///< kernels compute the points of a group once
  static constexpr std::size_t n = (std::size_t{1} << (Bits - 1)) - 1;
  static constexpr std::size_t most_sampled = 65536;

  struct params_type {
    float scale = 0.0f;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  const float* points = uniform.data();  ///< n positive points, ascending; with_shared sets them

  static std::size_t shared_count(const Groups& groups) noexcept { return groups.total() == 0 ? 0 : 1 + n; }
  void fit_shared(const SharedFitContext& context, std::span<float> shared) const {
    if (shared.empty()) return;
    double least = std::numeric_limits<double>::infinity();
    const auto attempt = [&](int hundredths) {
      std::array<float, n> table{};
      tabulate(hundredths, table);
      const double error = error_of(context, table);
      if (error >= least) return;
      least = error;
      shared[0] = static_cast<float>(hundredths) / 100.0f;
      std::copy(table.begin(), table.end(), shared.begin() + 1);
    };
    attempt(100);
    for (int a = 25; a <= 125; a += 5) attempt(a);
    const int around = static_cast<int>(std::lround(shared[0] * 100.0f));
    for (int a = around - 4; a <= around + 4; ++a) attempt(a);
  }
  PowerScaled with_shared(std::span<const float> shared, const Groups&, std::size_t, std::size_t) const noexcept {
    PowerScaled here = *this;
    here.points = shared.data() + 1;
    return here;
  }

  params_type fit(std::span<const float> group) const noexcept {
    float a = 0.0f;
    for (const float x : group) a = std::fabs(x) > a ? std::fabs(x) : a;
    return fit_range(-a, a);
  }
  /// Parameters for values in [lo, hi], lo ≤ 0 ≤ hi: what clip searches call with shrunken ranges.
  params_type fit_range(float lo, float hi) const noexcept {
    const auto stored = static_cast<float>(Scale(-lo > hi ? -lo : hi));
    return {stored < 2.94e-39f ? 0.0f : stored};
  }

  std::uint8_t quantize(float x, params_type p) const noexcept {
    const float a = p.scale != 0.0f ? std::fabs(x / p.scale) : 0.0f;
    const auto q = static_cast<std::uint8_t>(nearest(points, a));
    return static_cast<std::uint8_t>(std::signbit(x) ? n - q : n + q);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    if (code == n || code > 2 * n) return 0.0f;
    return code > n ? p.scale * points[code - n - 1] : -p.scale * points[n - code - 1];
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return Scale(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {static_cast<float>(stored)};
  }

  static std::string storage_name() {
    return std::string(format_type::name).append("_").append(detail::scale_name<Scale>);
  }

 private:
  static constexpr std::array<float, n> uniform = [] {
    std::array<float, n> all{};
    for (std::size_t q = 1; q <= n; ++q) all[q - 1] = static_cast<float>(q) / static_cast<float>(n);
    return all;
  }();

  static void tabulate(int hundredths, std::span<float, n> table) {
    for (std::size_t q = 1; q <= n; ++q)
      table[q - 1] = static_cast<float>(std::pow(static_cast<double>(q) / static_cast<double>(n), 100.0 / hundredths));
  }

  /// The number, from 1, of the point of the table next to a, 0 for zero; ties down. a is not negative.
  static std::size_t nearest(const float* table, float a) noexcept {
    std::size_t low = 0, high = n;  // the answer is in [low, high]
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      const float below = middle == 0 ? 0.0f : table[middle - 1];
      if (a - below > table[middle] - a)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  static double error_of(const SharedFitContext& context, const std::array<float, n>& table) {
    const std::size_t count = context.rows * context.cols, step = (count + most_sampled - 1) / most_sampled;
    double error = 0.0;
    for (std::size_t i = 0; i < count; i += step) {
      const std::size_t r = i / context.cols, c = i % context.cols;
      const float most = context.maxima[context.groups.index(r, context.groups.of_column(c))];
      if (most == 0.0f) continue;
      const float a = std::fabs(context.values[i]) / most;
      const std::size_t q = nearest(table.data(), a);
      const double d = static_cast<double>(most) * static_cast<double>(a - (q == 0 ? 0.0f : table[q - 1]));
      error += (context.importance.empty() ? 1.0 : static_cast<double>(context.importance[c])) * d * d;
    }
    return error;
  }
};

static_assert(SharedScales<PowerScaled<4>>);

}  // namespace lowbit
