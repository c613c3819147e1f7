// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "lowbit/ptq/minifloat_search.hpp"

namespace lowbit::ptq {

/// Formats and biases of a layer's weights and of its inputs.
struct MinifloatPair {
  MinifloatChoice weights, inputs;  ///< inputs: one scale in all
  std::vector<double> errors;       ///< ‖X·Wᵀ − X̂·Ŵᵀ‖² at the start and after every half round; never rises
};

/// The (E, M, bias) of weights and inputs together, in turns: the weights' for the inputs as they are quantized by then,
/// then the inputs' for those weights, `rounds` times, minimizing ‖X·Wᵀ − X̂·Ŵᵀ‖².
///
///   W  [out × in]   X  [tokens × in] calibration inputs
///
/// Starts from the absmax choices of least squared error of W and X alone. A half round that finds nothing better keeps what
/// it had. All sums in double. Errors: not_finite, shape_mismatch, invalid_argument.
/// Cost     per half round, splits · (steps + 2) times out · in² or tokens · in².
/// Source   Liu et al., "LLM-FP4", EMNLP 2023, arXiv:2310.16836, without its per-channel biases of the inputs, which are a
///          transform. There the grid is MinifloatGrid::bias and rounds = 3.
struct MinifloatJointSearch {
  int weight_bits = 4;
  int input_bits = 4;
  int rounds = 3;
  MinifloatScales scales = MinifloatScales::per_channel;  ///< of the weights
  MinifloatGrid grid = MinifloatGrid::clip;
  int steps = 100;

  Result<MinifloatPair> run(const ConstMatrixRef& W, const ConstMatrixRef& X, Executor& executor) const {
    if (X.cols() != W.cols())
      return Error{.code = Errc::shape_mismatch,
                   .message = "W has " + std::to_string(W.cols()) + " inputs but X has " + std::to_string(X.cols())};
    LOWBIT_TRY(weights, (MinifloatSearch{weight_bits, scales, grid, {}, steps}.run(W, {}, executor)));
    LOWBIT_TRY(inputs, (MinifloatSearch{input_bits, MinifloatScales::per_tensor, grid, {}, steps}.run(X, {}, executor)));
    MinifloatPair best{std::move(weights), std::move(inputs), {}};

    const MatrixD Y = X.cast<double>() * W.cast<double>().transpose();
    MatrixD Wq = rounded(W, best.weights), Xq = rounded(X, best.inputs);
    best.errors.push_back((Y - Xq * Wq.transpose()).squaredNorm());
    const auto accept = [&](MinifloatChoice&& found, MinifloatChoice& held, MatrixD& values, MatrixD&& with) {
      const bool weights_move = &held == &best.weights;
      const double error = (weights_move ? MatrixD(Y - Xq * with.transpose()) : MatrixD(Y - with * Wq.transpose())).squaredNorm();
      if (error < best.errors.back()) {
        held = std::move(found);
        values = std::move(with);
      }
      best.errors.push_back(std::min(error, best.errors.back()));
    };
    for (int round = 0; round < rounds; ++round) {
      auto found = search(W, Xq, Y.transpose() * Xq, Y.colwise().squaredNorm().transpose(), weight_bits, scales, executor);
      MatrixD with = rounded(W, found);
      accept(std::move(found), best.weights, Wq, std::move(with));
      found = search(X, Wq, Y * Wq, Y.rowwise().squaredNorm(), input_bits, MinifloatScales::per_tensor, executor);
      with = rounded(X, found);
      accept(std::move(found), best.inputs, Xq, std::move(with));
    }
    return best;
  }
  Result<MinifloatPair> run(const ConstMatrixRef& W, const ConstMatrixRef& X) const {
    Executor alone;
    return run(W, X, alone);
  }

 private:
  static MatrixD rounded(const ConstMatrixRef& A, const MinifloatChoice& choice) {
    MatrixD out(A.rows(), A.cols());
    for (Index r = 0; r < A.rows(); ++r)
      for (Index c = 0; c < A.cols(); ++c)
        out(r, c) = static_cast<double>(choice.nearest(A(r, c), static_cast<std::size_t>(r)));
    return out;
  }
  /// Rows a of A against fixed B: ‖y − B·â‖² = ‖y‖² − 2(yᵀB)·â + âᵀ(BᵀB)â, `dots` holding the yᵀB and `energy` the ‖y‖².
  MinifloatChoice search(const ConstMatrixRef& A, const MatrixD& B, const MatrixD& dots, const VectorD& energy, int bits,
                         MinifloatScales granularity, Executor& executor) const {
    const MatrixD G = B.transpose() * B;
    return detail::choose_minifloat(A, bits, granularity, grid, steps, executor,
                                    [&](std::size_t r, std::span<const float> to) {
      const auto row = static_cast<Index>(r);
      std::vector<double> a(to.begin(), to.end()), scratch(to.size());
      double dot = 0.0;
      for (std::size_t j = 0; j < a.size(); ++j) dot += dots(row, static_cast<Index>(j)) * a[j];
      return energy(row) - 2.0 * dot + detail::ordered_form(G, a, scratch);
    });
  }
};

}  // namespace lowbit::ptq
