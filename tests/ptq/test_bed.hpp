// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/ptq.hpp"

/// The seeded problems that the tests of rounding policies share.

namespace lowbit::test {

using Codes = ptq::detail::Codes;

/// Rounds to the bits of a per-row grid with integer zero point and scales that storage does not round.
template <int Bits, std::size_t Group = per_row>
using Grid = Uniform<Int<Bits>,
                     UniformOptions{.group_size = Group, .zero_point = ZeroPoint::integer, .scale = ScaleStorage::f32}>;

inline Matrix gaussian(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed);
  Matrix A(rows, cols);
  for (Index i = 0; i < A.size(); ++i) A.data()[i] = static_cast<float>(rng.normal());
  return A;
}

/// A layer and its inputs.
struct Problem {
  Matrix W;
  calib::Moments H;
};

inline calib::Moments moments_of(const Matrix& X) {
  calib::Moments H(X.cols(), {.fp64_products = true});
  Executor alone;
  H.add(X, alone).value();
  return H;
}

/// Inputs that are autoregressive across channels, x_j = ρ·x_(j−1) + √(1−ρ²)·e with ρ = 0.9; `unequal` multiplies
/// channel j by exp(N(0, 1)).
inline Matrix correlated_inputs(Index tokens, Index in, bool unequal, std::uint64_t seed) {
  Rng rng(seed, 1);
  Matrix X(tokens, in);
  for (Index t = 0; t < tokens; ++t) {
    double x = 0.0;
    for (Index j = 0; j < in; ++j) {
      x = j == 0 ? rng.normal() : 0.9 * x + std::sqrt(1.0 - 0.81) * rng.normal();
      X(t, j) = static_cast<float>(x);
    }
  }
  if (unequal) {
    Rng scales(seed, 2);
    for (Index j = 0; j < in; ++j) X.col(j) *= static_cast<float>(std::exp(scales.normal()));
  }
  return X;
}

/// The test bed of the specifications: 64 × 256 Gaussian weights, 1024 tokens.
inline Problem test_bed(bool unequal, std::uint64_t seed = 1) {
  return {gaussian(64, 256, 1000 + seed), moments_of(correlated_inputs(1024, 256, unequal, seed))};
}
inline Problem tb0(std::uint64_t seed = 1) { return test_bed(false, seed); }
inline Problem tb1(std::uint64_t seed = 1) { return test_bed(true, seed); }

/// A small problem with unequal inputs.
inline Problem small_problem(Index out, Index in, std::uint64_t seed) {
  return {gaussian(out, in, seed), moments_of(correlated_inputs(2 * in + 8, in, true, seed))};
}

/// Inputs of equal energy and no correlation: every policy should round to nearest.
inline calib::Moments identity_moments(Index in) { return calib::Moments::from_mean(MatrixD::Identity(in, in)); }

template <class R, class Q>
QuantizedMatrix<Q> rounded(const R& policy, const Q& q, const Problem& problem, ptq::RoundingReport* report = nullptr,
                           std::size_t threads = 1) {
  Executor executor(threads);
  return policy.round(q, problem.W, problem.H, ptq::RoundingContext{executor, report}).value();
}

template <class R, class Q>
Error rounding_error(const R& policy, const Q& q, const Problem& problem) {
  Executor alone;
  return policy.round(q, problem.W, problem.H, ptq::RoundingContext{alone}).error();
}

/// Ŵ in W's column order, from the stored matrix alone.
template <class Q>
MatrixD dequantized(const QuantizedMatrix<Q>& matrix) {
  return ptq::detail::dequantized_rows(matrix, 0, static_cast<Index>(matrix.rows()));
}

/// tr((W−Ŵ)H(W−Ŵ)ᵀ), entry by entry.
inline double proxy(const Matrix& W, const MatrixD& rounded, const MatrixD& H) {
  const MatrixD E = rounded - W.cast<double>();
  double sum = 0.0;
  for (Index r = 0; r < E.rows(); ++r)
    for (Index j = 0; j < E.cols(); ++j) {
      double gradient = 0.0;
      for (Index k = 0; k < E.cols(); ++k) gradient += H(j, k) * E(r, k);
      sum += E(r, j) * gradient;
    }
  return sum;
}

template <class Q>
double proxy(const Problem& problem, const QuantizedMatrix<Q>& matrix) {
  return proxy(problem.W, dequantized(matrix), problem.H.mean());
}

/// Same codes, parameters, zero points and column order, byte for byte.
template <class Q>
bool same_bytes(const QuantizedMatrix<Q>& a, const QuantizedMatrix<Q>& b) {
  const auto equal = [](auto x, auto y) {
    return x.size() == y.size() &&
           (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(typename decltype(x)::value_type)) == 0);
  };
  return a.rows() == b.rows() && a.cols() == b.cols() && equal(a.codes(), b.codes()) && equal(a.params(), b.params()) &&
         equal(a.zeros(), b.zeros()) && equal(a.column_order(), b.column_order());
}

/// All codes of a matrix, as stored.
template <class Q>
Codes codes_of(const QuantizedMatrix<Q>& matrix) {
  Codes codes(static_cast<Index>(matrix.rows()), static_cast<Index>(matrix.cols()));
  std::vector<std::uint8_t> row(matrix.cols());
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    matrix.row_codes(r, row);
    for (std::size_t c = 0; c < row.size(); ++c) codes(static_cast<Index>(r), static_cast<Index>(c)) = row[c];
  }
  return codes;
}

}  // namespace lowbit::test
