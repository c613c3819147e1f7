// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/ptq/grid.hpp"
#include "lowbit/quantizer/codebook/generator.hpp"

namespace lowbit::ptq::detail {

/// Rows of weights on the lattices of a Glvq whose `blocks` are set. An error metric M = L·Lᵀ turns the search for G·z near v
/// into one for Lᵀ·G·z near Lᵀ·v, unless weights are companded, where it is left aside. The lattice of a block of columns is
/// prepared once for all rows: of one object, only one thread may ask.
template <class Q>
class GlvqGrid final : public Grid {
 public:
  /// scales: one per row.
  GlvqGrid(const Q& q, std::vector<float> scales) : q_(q), scales_(std::move(scales)) {}

  Index width() const override { return d; }
  Index dim() const override { return d; }
  bool weighs_blocks() const override { return true; }
  void nearest_block(Index row, Index position, const float* x, const double* metric, float* values,
                     std::uint64_t* codes) const override {
    const auto point = q_.sub({scales_[static_cast<std::size_t>(row)]}, static_cast<std::size_t>(position) / Q::sub_group);
    typename Q::code_type code = Q::zero_code();
    if (point.scale > 0.0f) {
      const bool companded = point.block[Q::dim * Q::dim] > 0.0f;
      prepare(position, point.block, companded ? nullptr : metric);
      std::array<double, Q::dim> v = Q::companded(x, Q::dim, point), z;
      if (weighted_) v = turned(v);
      lattice_->template encode<typename Q::format_type>(v, q_.search, z);
      code = Q::format_type::join(z.data());
    }
    q_.dequantize(code, point, std::span<float, Q::dim>(values, Q::dim));
    *codes = code;
  }
  bool fit(Index, Index, std::span<const float>, const FitContext&) override { return true; }

 private:
  static constexpr Index d = static_cast<Index>(Q::dim);

  void prepare(Index position, const float* block, const double* metric) const {
    const std::size_t size = metric == nullptr ? 0 : Q::dim * Q::dim;
    if (lattice_ && position == position_ && std::equal(metric_.begin(), metric_.end(), metric, metric + size)) return;
    position_ = position;
    metric_.assign(metric, metric + size);
    weighted_ = false;
    MatrixD G(d, d);
    for (Index i = 0; i < d * d; ++i) G(i / d, i % d) = static_cast<double>(block[i]);
    if (size != 0) {
      std::optional<MatrixD> L = linalg::cholesky(Eigen::Map<const MatrixD>(metric, d, d));
      if (L) {
        turn_ = L->transpose();
        G = (turn_ * G).eval();
        weighted_ = true;
      }
    }
    lattice_.emplace(std::span<const double>(G.data(), Q::dim * Q::dim));
  }
  std::array<double, Q::dim> turned(const std::array<double, Q::dim>& v) const {
    std::array<double, Q::dim> out{};
    for (std::size_t i = 0; i < Q::dim; ++i)
      for (std::size_t k = i; k < Q::dim; ++k) out[i] += turn_(static_cast<Index>(i), static_cast<Index>(k)) * v[k];
    return out;
  }

  Q q_;
  std::vector<float> scales_;
  mutable Index position_ = -1;
  mutable std::vector<double> metric_;
  mutable MatrixD turn_;
  mutable bool weighted_ = false;
  mutable std::optional<codebook::Generator<Q::dim>> lattice_;
};

}  // namespace lowbit::ptq::detail
