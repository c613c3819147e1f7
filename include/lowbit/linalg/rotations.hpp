// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/linalg/hadamard.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/orthogonal_axis.hpp"

/// Seeded orthogonal matrices R [n × n] of any size that act on rows: rotate() is x ← R·x, rotate_back() x ← Rᵀ·x, in float
/// or double, with the same bits for a row beside any other rows and with any instruction set. A rotation is a function of
/// (n, seed, stream).

namespace lowbit::linalg {

/// R = Hadamard(n) · diag(σ), σ random signs: the randomized Hadamard transform (RHT).
class RandomizedHadamard {
 public:
  RandomizedHadamard() = default;
  RandomizedHadamard(Index n, std::uint64_t seed, std::uint64_t stream)
      : hadamard_(n, seed, 2 * stream + 1), signs_(random_signs(n, seed, 2 * stream)) {}

  Index size() const noexcept { return hadamard_.size(); }
  std::string construction() const { return hadamard_.construction(); }

  void rotate(MatrixRef X) const { forward(X); }
  void rotate(MatrixDRef X) const { forward(X); }
  void rotate_back(MatrixRef X) const { backward(X); }
  void rotate_back(MatrixDRef X) const { backward(X); }

 private:
  template <class Rows>
  void flip(Rows& X) const {
    for (Index r = 0; r < X.rows(); ++r)
      X.row(r).array() *= signs_.template cast<typename Rows::Scalar>().transpose().array();
  }
  template <class Rows>
  void forward(Rows& X) const {
    LOWBIT_EXPECTS(X.cols() == size(), "a rotation of n numbers needs rows of n");
    flip(X);
    hadamard_.rotate(X);
  }
  template <class Rows>
  void backward(Rows& X) const {
    hadamard_.rotate_back(X);
    flip(X);
  }

  Hadamard hadamard_;
  Vector signs_;
};

/// R = (A ⊗ B) · P: a random permutation, then random orthogonal matrices A [a × a] and B [b × b], n = a·b with a ≤ b as near
/// √n as divisors of n allow.
///
/// A factor above largest_dense (n with a large prime factor) is a RandomizedHadamard of that size instead of a dense one,
/// whose making costs b³ and whose use b multiply-adds per number.
/// Cost per row  n·(a + b) multiply-adds.   Memory  24·(a² + b²) bytes, shared by all of one size and seed, and 4n.
/// Source  Chee et al., "QuIP", NeurIPS 2023, arXiv:2307.13304, section 4.
class KroneckerRotation {
 public:
  static constexpr std::size_t largest_dense = 256;

  KroneckerRotation() = default;
  KroneckerRotation(Index n, std::uint64_t seed, std::uint64_t stream) : n_(static_cast<std::size_t>(n)) {
    LOWBIT_EXPECTS(n >= 0, "a rotation has no negative size");
    for (std::size_t d = 1; d * d <= n_; ++d)
      if (n_ % d == 0) a_ = d;
    b_ = n_ / a_;
    order_.resize(n_);
    std::iota(order_.begin(), order_.end(), std::uint32_t{0});
    Rng rng(seed, 4 * stream);
    for (std::size_t i = n_; i > 1; --i) std::swap(order_[i - 1], order_[static_cast<std::size_t>(rng.below(i))]);
    if (n_ == 0) return;
    slow_ = OrthogonalAxis::random(a_, seed, 4 * stream + 1);  // a ≤ √n
    if (b_ <= largest_dense)
      fast_ = OrthogonalAxis::random(b_, seed, 4 * stream + 2);
    else
      wide_ = RandomizedHadamard(static_cast<Index>(b_), seed, 2 * stream + 1);
  }

  Index size() const noexcept { return static_cast<Index>(n_); }
  /// In words: "haar 64 x haar 86", "haar 1 x windows 2048 of 4093".
  std::string construction() const {
    if (n_ == 0) return "empty";
    return slow_->name() + " x " + (fast_ != nullptr ? fast_->name() : wide_.construction());
  }

  void rotate(MatrixRef X) const { rows(X, false); }
  void rotate(MatrixDRef X) const { rows(X, false); }
  void rotate_back(MatrixRef X) const { rows(X, true); }
  void rotate_back(MatrixDRef X) const { rows(X, true); }

 private:
  template <class Rows>
  void rows(Rows& X, bool back) const {
    LOWBIT_EXPECTS(X.cols() == size(), "a rotation of n numbers needs rows of n");
    using T = typename Rows::Scalar;
    std::vector<T> scratch(3 * n_);
    T *const first = scratch.data(), *const second = first + n_, *const spare = second + n_;
    for (Index r = 0; r < X.rows() && n_ != 0; ++r) {
      T* const x = X.data() + r * X.outerStride();
      for (std::size_t i = 0; i < n_; ++i) first[i] = back ? x[i] : x[order_[i]];
      slow_->multiply_slow(first, second, spare, b_, back);
      if (fast_ != nullptr)
        fast_->multiply_fast(second, first, a_, back);
      else
        wide(second, first, back);
      for (std::size_t i = 0; i < n_; ++i) x[back ? order_[i] : i] = first[i];
    }
  }

  template <class T>
  void wide(const T* x, T* y, bool back) const {
    using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    Eigen::Map<Rows> Y(y, static_cast<Index>(a_), static_cast<Index>(b_));
    Y = Eigen::Map<const Rows>(x, Y.rows(), Y.cols());
    if (back)
      wide_.rotate_back(Y);
    else
      wide_.rotate(Y);
  }

  std::size_t n_ = 0, a_ = 1, b_ = 0;
  std::vector<std::uint32_t> order_;  // P: number i of P·x is number order_[i] of x
  std::shared_ptr<const OrthogonalAxis> slow_, fast_;
  RandomizedHadamard wide_;
};

}  // namespace lowbit::linalg
