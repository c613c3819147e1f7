// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/quantizer/nearest.hpp"

namespace lowbit::ptq {

/// A sign matrix times a rank-one matrix of row and column scales, Ŵ = S ∘ (a·bᵀ), a, b ≥ 0: one term of SvidMatrix.
struct SignRankOne {
  std::vector<std::uint8_t> signs;  ///< rows · ceil(cols / 8) bytes; bit j % 8 of a row's byte j / 8 is set for +1
  std::vector<float> a, b;          ///< [rows] and [cols], as f16 gives them back where that was asked for
};

/// Sums of such terms; `Svid` makes them. Bits per weight: terms · (1 + scale bits · (rows + cols) / (rows · cols)), and up to
/// seven bits of padding per row.
class SvidMatrix {
 public:
  SvidMatrix(std::size_t rows, std::size_t cols, unsigned scale_bits, std::vector<SignRankOne> terms)
      : rows_(rows), cols_(cols), scale_bits_(scale_bits), terms_(std::move(terms)) {}

  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return cols_; }
  std::span<const SignRankOne> terms() const noexcept { return terms_; }

  /// Ŵ [rows × cols].
  Matrix dequantize() const {
    Matrix out = Matrix::Zero(static_cast<Index>(rows_), static_cast<Index>(cols_));
    for (const SignRankOne& term : terms_)
      for (std::size_t r = 0; r < rows_; ++r)
        for (std::size_t c = 0; c < cols_; ++c) {
          const float value = term.a[r] * term.b[c];
          out(static_cast<Index>(r), static_cast<Index>(c)) += positive(term, r, c) ? value : -value;
        }
    return out;
  }

  /// y = Ŵ·x: x ∘ b, additions and subtractions by sign, ∘ a. x [cols], y [rows]; sums in float, from the left.
  void multiply(std::span<const float> x, std::span<float> y) const {
    LOWBIT_EXPECTS(x.size() == cols_ && y.size() == rows_, "x has one entry per column, y one per row");
    std::fill(y.begin(), y.end(), 0.0f);
    std::vector<float> scaled(cols_);
    for (const SignRankOne& term : terms_) {
      for (std::size_t c = 0; c < cols_; ++c) scaled[c] = x[c] * term.b[c];
      for (std::size_t r = 0; r < rows_; ++r) {
        float sum = 0.0f;
        for (std::size_t c = 0; c < cols_; ++c) sum += positive(term, r, c) ? scaled[c] : -scaled[c];
        y[r] += sum * term.a[r];
      }
    }
  }

  double bits_per_weight() const noexcept {
    if (rows_ * cols_ == 0) return 0.0;
    const double bits = 8.0 * static_cast<double>(rows_ * ceil_div(cols_, 8)) +
                        static_cast<double>(scale_bits_) * static_cast<double>(rows_ + cols_);
    return static_cast<double>(terms_.size()) * bits / static_cast<double>(rows_ * cols_);
  }

 private:
  bool positive(const SignRankOne& term, std::size_t r, std::size_t c) const noexcept {
    return (term.signs[r * ceil_div(cols_, 8) + c / 8] >> (c % 8) & 1) != 0;
  }

  std::size_t rows_, cols_;
  unsigned scale_bits_;
  std::vector<SignRankOne> terms_;
};

enum class SvidScales : std::uint8_t { f16, f32 };

/// Sign-value-independent decomposition: W ≈ sign(W) ∘ (a·bᵀ), a·bᵀ the best rank-one approximation of |W|.
///
///   iterations   of the alternation a ← |W|·b / bᵀb, b ← |W|ᵀ·a / aᵀa (the power method), from b = 1. |W| is not negative,
///                so a and b are not either, and of rank one the best non-negative factors (NMF) are those of the SVD
///   terms        further ones do the same to what is left; one is OneBit, more are its residual form
///   scales       how a and b are stored; √σ goes to each, which keeps both in the range of f16
///
/// The first half iteration is binarization by row means, and none after it raises Σ(W − Ŵ)², so no row-wise binarization
/// is better, but for the rounding of scales. sign(0) = +1. Zero matrices have zero scales.
///
///   W  [rows × cols]
/// Errors   not_finite: a weight, or a scale that f16 cannot hold.   Cost  terms · (2·iterations + 1) · rows · cols, in double.
/// Source   Xu et al., "OneBit", NeurIPS 2024, arXiv:2402.11295, section 3.2; there NMF. Its LayerNorm after the product
///          belongs to training and is left out. Residual terms: Wang et al., "BitStack", arXiv:2410.23918, with k = 1.
struct Svid {
  int iterations = 20;
  int terms = 1;
  SvidScales scales = SvidScales::f16;

  Result<SvidMatrix> run(const ConstMatrixRef& W) const {
    const auto rows = static_cast<std::size_t>(W.rows()), cols = static_cast<std::size_t>(W.cols());
    if (iterations < 1 || terms < 1)
      return Error{.code = Errc::invalid_argument, .message = "SVID takes at least one iteration and one term"};
    for (Index r = 0; r < W.rows(); ++r)
      if (auto bad = find_not_finite(std::span(W.row(r).data(), cols), cols == 0 ? 1 : cols)) {
        bad->row = static_cast<std::uint64_t>(r);
        return std::move(*bad);
      }
    MatrixD left = W.cast<double>();
    std::vector<SignRankOne> found(static_cast<std::size_t>(terms));
    for (SignRankOne& term : found) {
      decompose(left, term);
      for (const auto* scale : {&term.a, &term.b})
        for (std::size_t i = 0; i < scale->size(); ++i)
          if (!std::isfinite((*scale)[i]))
            return Error{.code = Errc::not_finite,
                         .message = std::string("a ") + (scale == &term.a ? "row" : "column") +
                                    " scale overflows f16; store scales as f32",
                         .row = scale == &term.a ? i : 0,
                         .column = scale == &term.a ? 0 : i};
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c) {
          double& x = left(static_cast<Index>(r), static_cast<Index>(c));
          x -= std::copysign(static_cast<double>(term.a[r] * term.b[c]), x < 0.0 ? -1.0 : 1.0);
        }
    }
    return SvidMatrix(rows, cols, scales == SvidScales::f16 ? 16 : 32, std::move(found));
  }

 private:
  float stored(double x) const noexcept {
    return scales == SvidScales::f16 ? static_cast<float>(f16(static_cast<float>(x))) : static_cast<float>(x);
  }

  void decompose(const MatrixD& W, SignRankOne& term) const {
    const auto rows = static_cast<std::size_t>(W.rows()), cols = static_cast<std::size_t>(W.cols());
    const std::size_t row_bytes = ceil_div(cols, 8);
    term.signs.assign(rows * row_bytes, 0);
    std::vector<double> a(rows, 0.0), b(cols, 1.0);
    const auto norm = [](const std::vector<double>& v) {
      double sum = 0.0;
      for (const double x : v) sum += x * x;
      return sum;
    };
    for (int i = 0; i < iterations; ++i) {
      // Row by row in both directions: sums in one order.
      const double bb = norm(b);
      for (std::size_t r = 0; r < rows; ++r) {
        double dot = 0.0;
        for (std::size_t c = 0; c < cols; ++c) dot += std::fabs(W(static_cast<Index>(r), static_cast<Index>(c))) * b[c];
        a[r] = bb > 0.0 ? dot / bb : 0.0;
      }
      const double aa = norm(a);
      std::vector<double> next(cols, 0.0);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c) next[c] += std::fabs(W(static_cast<Index>(r), static_cast<Index>(c))) * a[r];
      for (std::size_t c = 0; c < cols; ++c) b[c] = aa > 0.0 ? next[c] / aa : 0.0;
    }
    const double na = std::sqrt(norm(a)), nb = std::sqrt(norm(b));
    const double balance = na > 0.0 && nb > 0.0 ? std::sqrt(nb / na) : 1.0;
    term.a.resize(rows);
    term.b.resize(cols);
    for (std::size_t r = 0; r < rows; ++r) term.a[r] = stored(a[r] * balance);
    for (std::size_t c = 0; c < cols; ++c) term.b[c] = stored(b[c] / balance);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < cols; ++c)
        if (!(W(static_cast<Index>(r), static_cast<Index>(c)) < 0.0))
          term.signs[r * row_bytes + c / 8] |= static_cast<std::uint8_t>(1u << (c % 8));
  }
};

}  // namespace lowbit::ptq
