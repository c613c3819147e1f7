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
#include <vector>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/format/integer_box.hpp"
#include "lowbit/pack/dense_words.hpp"
#include "lowbit/quantizer/codebook/generator.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/groups.hpp"
#include "lowbit/quantizer/scaled.hpp"
#include "lowbit/quantizer/shared_scales.hpp"

namespace lowbit {

/// µ-law companding, sign(x)·ln(1 + µ|x|)/ln(1 + µ), and its inverse; µ = 0 is the identity.
inline double mu_law(double x, double mu) noexcept {
  return mu > 0.0 ? std::copysign(std::log1p(mu * std::fabs(x)) / std::log1p(mu), x) : x;
}
inline double mu_law_inverse(double v, double mu) noexcept {
  return mu > 0.0 ? std::copysign(std::expm1(std::fabs(v) * std::log1p(mu)) / mu, v) : v;
}

/// What the weights of a row are divided by before they meet the lattice.
enum class GlvqRowScale : std::uint8_t {
  rms,  ///< the root of their mean square, rounded to f16
  one,  ///< nothing: the source's form, for rows of like magnitude
};

/// Grouped lattice vector quantization: Dim weights at a time as points of a lattice that is learned for every `Columns`
/// columns, all rows together:
///
///   ŵ = scale · a · F⁻¹(G·z),  z a vector of Dim integers of Bits bits
///
///   scale   f16, one per row (GlvqRowScale); zero for a zero row, which decodes to exact zeros
///   G       [Dim × Dim] generation matrix, its columns the basis
///   F       µ-law companding with parameter µ, the identity for µ = 0; a the magnitude it maps to 1
///   Half    integers plus one half: as many points on either side of zero, but none at zero. At one and two bits the better
///           choice for symmetric weights (the source: integers)
///   search  how z is chosen; by distance before companding is undone
///
/// Stored in shared floats, per block of columns: G row after row, µ, a. fit_shared chooses G among multiples of I and of
/// the Cholesky factor of the covariance of its vectors, without companding; ptq::GlvqRounding learns it.
/// Where a row ends in part of a vector, the missing weights are zeros.
///
/// Bits per weight: Bits + 16/in + 32·(Dim² + 2)/(rows · Columns): the shared floats are stored as such, where the source
/// counts 16 bits each. Decoding: Dim multiplications per weight; with companding an exponential, whose last bit is the
/// standard library's.
/// Source: Zhang et al., "Learning Grouped Lattice Vector Quantizers for Low-Bit LLM Compression" (GLVQ), arXiv:2510.20984.
/// Row scales, Half, and the refined search are ours.
template <std::size_t Dim, int Bits, bool Half = false, std::size_t Columns = 128>
struct Glvq {
  static_assert(Columns % Dim == 0, "A block of columns of Glvq holds whole vectors.");
  using format_type = IntegerBox<Dim, Bits, Half>;
  using code_type = typename format_type::code_type;
  using layout_type = pack::dense_words_for<format_type>;
  using stored_type = f16;
  static constexpr unsigned zero_bits = 0;
  static constexpr std::size_t group_size = per_row, sub_group = Columns, dim = Dim;
  static constexpr std::size_t block_floats = Dim * Dim + 2;

  struct params_type {
    float scale = 0.0f;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };
  struct point_type {
    float scale = 0.0f;
    const float* block = nullptr;  ///< G, µ, a
  };

  codebook::LatticeSearch search = codebook::LatticeSearch::refined;  ///< not stored
  GlvqRowScale row_scale = GlvqRowScale::rms;                         ///< not stored
  const float* blocks = nullptr;                                      ///< with_shared sets it

  static std::size_t shared_count(const Groups& groups) noexcept {
    return groups.total() == 0 ? 0 : ceil_div(groups.size(), Columns) * block_floats;
  }
  LOWBIT_ALWAYS_INLINE Glvq with_shared(std::span<const float> shared, const Groups&, std::size_t, std::size_t) const noexcept {
    Glvq here = *this;
    here.blocks = shared.data();
    return here;
  }
  void fit_shared(const SharedFitContext& context, std::span<float> shared) const {
    for (std::size_t s = 0; s * block_floats < shared.size(); ++s)
      initial_block(context, s, shared.subspan(s * block_floats, block_floats));
  }

  params_type fit(std::span<const float> row) const noexcept {
    double square = 0.0;
    for (const float x : row) square += static_cast<double>(x) * static_cast<double>(x);
    if (!(square > 0.0)) return {};
    if (row_scale == GlvqRowScale::one) return {1.0f};
    return {static_cast<float>(f16(static_cast<float>(std::sqrt(square / static_cast<double>(row.size())))))};
  }
  LOWBIT_ALWAYS_INLINE point_type sub(params_type p, std::size_t s) const noexcept {
    return {p.scale, blocks == nullptr ? nullptr : blocks + s * block_floats};
  }

  code_type quantize(std::span<const float, Dim> x, point_type p) const noexcept {
    if (p.block == nullptr || !(p.scale > 0.0f)) return zero_code();
    return quantize_with(codebook::Generator<Dim>(std::span<const float>(p.block, Dim * Dim)), x.data(), Dim, p);
  }
  void dequantize(code_type code, point_type p, std::span<float, Dim> y) const noexcept {
    std::fill(y.begin(), y.end(), 0.0f);
    if (p.block == nullptr || !(p.scale > 0.0f)) return;
    float z[Dim];
    format_type::split(code, z);
    const float mu = p.block[Dim * Dim], a = p.block[Dim * Dim + 1];
    for (std::size_t i = 0; i < Dim; ++i) {
      float v = 0.0f;
      for (std::size_t j = 0; j < Dim; ++j) v += p.block[i * Dim + j] * z[j];
      if (mu > 0.0f) v = static_cast<float>(mu_law_inverse(static_cast<double>(v), static_cast<double>(mu)));
      y[i] = p.scale * (a * v);
    }
  }
  /// The codes of `quantize` for one row, the last vector filled with zeros; a lattice is prepared once per block.
  void quantize_group(std::span<const float> row, params_type p, std::span<code_type> codes) const noexcept {
    for (std::size_t begin = 0, s = 0; begin < row.size(); begin += Columns, ++s) {
      const point_type point = sub(p, s);
      const std::size_t end = std::min(row.size(), begin + Columns);
      if (point.block == nullptr || !(p.scale > 0.0f)) {
        std::fill_n(codes.begin() + static_cast<std::ptrdiff_t>(begin / Dim), ceil_div(end - begin, Dim), zero_code());
        continue;
      }
      const codebook::Generator<Dim> lattice(std::span<const float>(point.block, Dim * Dim));
      for (std::size_t c = begin; c < end; c += Dim)
        codes[c / Dim] = quantize_with(lattice, row.data() + c, std::min(Dim, end - c), point);
    }
  }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return f16(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {static_cast<float>(stored)};
  }

  static std::string storage_name() {
    return "glvq_d" + std::to_string(Dim) + "_b" + std::to_string(Bits) + (Half ? "_half" : "") +
           (Columns == 128 ? "" : "_" + std::to_string(Columns));
  }

  /// The step that suits N(0, 1) at this many bits, where the search for a scale begins: about that of the best uniform
  /// quantizer.
  static double usual_step() noexcept {
    constexpr double steps[] = {1.596, 0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308};
    return steps[Bits - 1];
  }
  static code_type zero_code() noexcept {
    float z[Dim];
    for (float& v : z) v = format_type::nearest_coordinate(0.0f);
    return format_type::join(z);
  }

  /// The code of `count` weights, the others being zeros, by a lattice prepared from p.block.
  code_type quantize_with(const codebook::Generator<Dim>& lattice, const float* x, std::size_t count,
                          point_type p) const noexcept {
    std::array<double, Dim> z;
    lattice.template encode<format_type>(companded(x, count, p), search, z);
    return format_type::join(z.data());
  }
  /// `count` weights as the lattice sees them, zeros after them.
  static std::array<double, Dim> companded(const float* x, std::size_t count, point_type p) noexcept {
    std::array<double, Dim> v{};
    const double mu = static_cast<double>(p.block[Dim * Dim]), a = static_cast<double>(p.block[Dim * Dim + 1]);
    for (std::size_t i = 0; i < count; ++i) v[i] = mu_law(static_cast<double>(x[i]) / (static_cast<double>(p.scale) * a), mu);
    return v;
  }

 private:
  void initial_block(const SharedFitContext& context, std::size_t s, std::span<float> out) const {
    const std::size_t begin = s * Columns, end = std::min(context.cols, begin + Columns);
    // Whole vectors over their row's scale; a few thousand, evenly spaced, say enough about one scale.
    std::vector<std::array<double, Dim>> vectors;
    const std::size_t per_block = ceil_div(end - begin, Dim);
    const std::size_t stride = std::max<std::size_t>(1, context.rows * per_block / 2048);
    std::size_t number = 0;
    for (std::size_t r = 0; r < context.rows; ++r) {
      const auto row = context.values.subspan(r * context.cols, context.cols);
      const float scale = fit(row).scale;
      for (std::size_t c = begin; c < end; c += Dim, ++number) {
        if (number % stride != 0 || !(scale > 0.0f) || !std::isfinite(scale)) continue;
        vectors.emplace_back();
        for (std::size_t i = 0; i < Dim && c + i < end; ++i)
          vectors.back()[i] = static_cast<double>(row[c + i]) / static_cast<double>(scale);
      }
    }
    std::fill(out.begin(), out.end(), 0.0f);
    out[Dim * Dim + 1] = 1.0f;
    std::array<std::array<double, Dim>, Dim> factor{};
    double power = 0.0;
    for (const auto& v : vectors)
      for (std::size_t i = 0; i < Dim; ++i) {
        power += v[i] * v[i] / static_cast<double>(vectors.size() * Dim);
        for (std::size_t j = 0; j <= i; ++j) factor[i][j] += v[i] * v[j] / static_cast<double>(vectors.size());
      }
    const double sigma = power > 0.0 ? std::sqrt(power) : 1.0;
    for (std::size_t i = 0; i < Dim; ++i) factor[i][i] += 1e-4 * sigma * sigma;
    for (std::size_t j = 0; j < Dim; ++j)  // in place, row by row below the diagonal
      for (std::size_t i = j; i < Dim; ++i) {
        for (std::size_t k = 0; k < j; ++k) factor[i][j] -= factor[i][k] * factor[j][k];
        factor[i][j] = i == j ? std::sqrt(std::max(factor[i][j], 1e-8 * sigma * sigma)) : factor[i][j] / factor[j][j];
      }
    double least = std::numeric_limits<double>::infinity();
    for (const bool covariance : {false, true})
      for (int k = -4; k <= 6; ++k) {
        const double step = usual_step() * std::pow(1.12, k);
        std::array<float, Dim * Dim> G{};
        for (std::size_t i = 0; i < Dim; ++i)
          for (std::size_t j = 0; j <= i; ++j)
            G[i * Dim + j] = static_cast<float>(step * (covariance ? factor[i][j] : i == j ? sigma : 0.0));
        const codebook::Generator<Dim> lattice{std::span<const float>(G)};
        double error = 0.0;
        std::array<double, Dim> z;
        for (const auto& v : vectors) error += lattice.template encode<format_type>(v, search, z);
        if (!(error < least)) continue;
        least = error;
        std::copy(G.begin(), G.end(), out.begin());
      }
  }
};

static_assert(SuperBlocks<Glvq<8, 2>> && SharedScales<Glvq<8, 2>> && Quantizer<Glvq<32, 2, true>>);

}  // namespace lowbit
