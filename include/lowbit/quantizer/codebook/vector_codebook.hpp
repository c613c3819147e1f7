// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/format/codebook.hpp"
#include "lowbit/pack/dense_words.hpp"
#include "lowbit/quantizer/codebook/kmeans.hpp"
#include "lowbit/quantizer/codebook/point_table.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/declared.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/scaled.hpp"
#include "lowbit/quantizer/shared_scales.hpp"

namespace lowbit {

/// 2^Bits learned points of Dim weights: x̂ = scale · point[code], one scale per group of a row, tables shared by all rows.
///
///   scale   RMS of the group, rounded to its storage type; zero for a zero group, which decodes to exact zeros
///   tables  k-means of all vectors over their scales, each weighted by scale² and, where it is known, by the importance of
///           its columns together (as in Coupled Quantization, for codes are chosen by plain distance); from at most
///           `samples` vectors per point, evenly spaced. Points are rounded to f16
///   codes   the nearest point to x / scale
///
/// Where a row ends in part of a vector, the missing weights are zeros.
/// Storage beside the codes: one scale per group, tables · 2^Bits · Dim floats of 32 bits.
/// Cost of fitting: passes · 3 · vectors · 2^Bits · Dim flops; the same once more to encode.
/// Source: vector quantization of weights by k-means as in VPTQ (Liu et al., arXiv:2409.17066) and, for groups of channels,
/// Coupled Quantization (Zhang et al., arXiv:2405.03917).
template <std::size_t Dim, int Bits, CodebookTables Tables, class Scale, std::size_t GroupSize>
struct VectorCodebook : detail::GroupSize<GroupSize> {
  static_assert(GroupSize == per_row || GroupSize == dynamic_group || GroupSize % Dim == 0,
                "A group of VectorCodebook holds whole vectors, and is not the whole matrix.");
  static_assert(GroupSize != per_tensor, "A group of VectorCodebook holds whole vectors, and is not the whole matrix.");
  using format_type = Codebook<Dim, Bits>;
  using code_type = typename format_type::code_type;
  using layout_type = pack::DenseWords<Bits, code_type>;
  using stored_type = Scale;
  static constexpr unsigned zero_bits = 0;
  static constexpr std::size_t dim = Dim, count = format_type::cardinality;

  struct params_type {
    float scale = 0.0f;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  int passes = 25;            ///< of Lloyd's iteration; not stored
  std::uint64_t seed = 1;     ///< of its start; not stored
  std::size_t samples = 128;  ///< vectors per point that are looked at; not stored
  format_type format{};       ///< with_shared sets its points

  static std::size_t shared_count(const Groups& groups) noexcept {
    const std::size_t tables = Tables == CodebookTables::one ? 1 : groups.per_row_count();
    return groups.total() == 0 ? 0 : tables * count * Dim;
  }
  void fit_shared(const SharedFitContext& context, std::span<float> shared) const {
    const std::size_t each = count * Dim;
    for (std::size_t table = 0; table * each < shared.size(); ++table)
      fit_table(context, table, shared.subspan(table * each, each));
  }
  LOWBIT_ALWAYS_INLINE VectorCodebook with_shared(std::span<const float> shared, const Groups&, std::size_t,
                                                  std::size_t g) const noexcept {
    VectorCodebook here = *this;
    here.format.points = shared.data() + (Tables == CodebookTables::one ? 0 : g * count * Dim);
    return here;
  }

  params_type fit(std::span<const float> group) const noexcept {
    double square = 0.0;
    for (const float x : group) square += static_cast<double>(x) * static_cast<double>(x);
    if (!(square > 0.0)) return {};
    const float rms = static_cast<float>(std::sqrt(square / static_cast<double>(group.size())));
    const float stored = static_cast<float>(Scale(rms));
    return {stored < 2.94e-39f ? 0.0f : stored};
  }

  code_type quantize(std::span<const float, Dim> x, params_type p) const noexcept {
    float unit[Dim];
    for (std::size_t i = 0; i < Dim; ++i) unit[i] = p.scale != 0.0f ? x[i] / p.scale : 0.0f;
    if (format.points == nullptr) return 0;
    return static_cast<code_type>(codebook::nearest_point(std::span(format.points, count * Dim), Dim, unit));
  }
  LOWBIT_ALWAYS_INLINE void dequantize(code_type code, params_type p, std::span<float, Dim> y) const noexcept {
    format.decode(code, y);
    for (std::size_t i = 0; i < Dim; ++i) y[i] = p.scale != 0.0f ? y[i] * p.scale : 0.0f;
  }
  /// The codes of `quantize` for one group, the last vector filled with zeros.
  void quantize_group(std::span<const float> group, params_type p, std::span<code_type> codes) const {
    if (format.points == nullptr) return std::fill(codes.begin(), codes.end(), code_type{0});
    const codebook::PointTable table(std::span(format.points, count * Dim), Dim);
    for (std::size_t c = 0; c < codes.size(); ++c) {
      float unit[Dim] = {};
      for (std::size_t i = 0; i < Dim && c * Dim + i < group.size(); ++i)
        unit[i] = p.scale != 0.0f ? group[c * Dim + i] / p.scale : 0.0f;
      codes[c] = static_cast<code_type>(table.nearest(unit));
    }
  }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return Scale(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {static_cast<float>(stored)};
  }

  static std::string storage_name() {
    return std::string(format_type::name)
        .append(Tables == CodebookTables::per_group ? "_grouped_" : "_")
        .append(detail::scale_name<Scale>);
  }

 private:
  void fit_table(const SharedFitContext& context, std::size_t table, std::span<float> points) const {
    const Groups& groups = context.groups;
    const std::size_t first = Tables == CodebookTables::one ? 0 : table;
    const std::size_t last = Tables == CodebookTables::one ? groups.per_row_count() : table + 1;
    std::size_t per_row_vectors = 0;
    for (std::size_t g = first; g < last; ++g) per_row_vectors += ceil_div(groups.end(g) - groups.begin(g), Dim);
    const std::size_t looked = std::max<std::size_t>(1, samples * count);
    const std::size_t stride = std::max<std::size_t>(1, context.rows * per_row_vectors / looked);
    float most = 0.0f;
    for (const float m : context.maxima) most = std::max(most, m);
    std::vector<float> vectors, weights;
    std::size_t number = 0;
    for (std::size_t r = 0; r < context.rows; ++r)
      for (std::size_t g = first; g < last; ++g) {
        const std::size_t begin = groups.begin(g), end = groups.end(g);
        const params_type p = fit(context.values.subspan(r * context.cols + begin, end - begin));
        for (std::size_t c = begin; c < end; c += Dim, ++number) {
          if (number % stride != 0 || p.scale == 0.0f || !std::isfinite(p.scale)) continue;
          const float square = (p.scale / most) * (p.scale / most);
          float importance = context.importance.empty() ? 1.0f : 0.0f;
          for (std::size_t i = 0; i < Dim; ++i) {
            const bool there = c + i < end;
            vectors.push_back(there ? context.values[r * context.cols + c + i] / p.scale : 0.0f);
            if (there && !context.importance.empty()) importance += context.importance[c + i];
          }
          weights.push_back(square * importance);
        }
      }
    codebook::kmeans(vectors, Dim, weights, points,
                     {.passes = passes,
                      .tolerance = 1e-4,
                      .seed = seed + table,
                      .dead = codebook::DeadPoints::reseed});
    for (float& v : points) v = static_cast<float>(f16(v));
  }
};

static_assert(Quantizer<VectorCodebook<8, 12>> && SharedScales<VectorCodebook<4, 8, CodebookTables::per_group, f16, 128>>);

}  // namespace lowbit
