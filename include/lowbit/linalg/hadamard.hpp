// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/orthogonal_axis.hpp"
#include "lowbit/linalg/walsh_hadamard.hpp"

namespace lowbit::linalg {

/// +1 or −1 for each of n entries, from one bit each of a seeded stream.
inline Vector random_signs(Index n, std::uint64_t seed, std::uint64_t stream) {
  Rng rng(seed, stream);
  Vector signs(n);
  std::uint32_t bits = 0;
  for (Index i = 0; i < n; ++i, bits >>= 1) {
    if (i % 32 == 0) bits = rng.next_u32();
    signs(i) = (bits & 1u) != 0 ? -1.0f : 1.0f;
  }
  return signs;
}

/// How Hadamard(n) mixes n = 2^k · p numbers, p odd.
enum class HadamardPlan : std::uint8_t {
  sylvester,  ///< p = 1: the fast transform alone
  stored,     ///< p ≤ 63, k ≥ 2 and a Hadamard matrix of order 4p is known: that ⊗ Sylvester's of order 2^(k−2)
  haar,       ///< else p ≤ 63: a seeded random orthogonal matrix of order p ⊗ Sylvester's of order 2^k
  windows,    ///< else: the fast transform of the first 2^a ≥ n/2 numbers, seeded signs, then of the last 2^a
};

/// An orthogonal matrix R [n × n] whose entries are as even as its size allows, for every n ≥ 0; a Hadamard matrix divided
/// by √n where one is known. Acts on rows: x ← R·x. Nothing is padded or cut off.
///
/// x is read as [m × 2^j], the order m on the slow axis: the fast transform runs first, then the dense factor, then one
/// multiplication by the norm; windows are multiplied as they come. All sums have one order and no product is fused, so a
/// row has the same bits beside any other rows and with any instruction set. In float R·Rᵀ = I to 1e-6. Inputs: finite
/// results where Σ|x_i| is below the largest finite number; NaN and infinity spread over the row.
/// Cost per row  n·log₂ n additions; n·m multiply-adds more for a dense factor, n·log₂ n additions more for windows.
/// Source  Ashkboos et al., "QuaRot", NeurIPS 2024, arXiv:2404.00456, for 2^j times a stored order; windows are ours: they
///         replace a dense random matrix of the order of the odd part, whose cost is the layer's own.
class Hadamard {
 public:
  Hadamard() = default;

  /// seed and stream choose R among its like; only the plans haar and windows read them.
  explicit Hadamard(Index n, std::uint64_t seed = 0, std::uint64_t stream = 0) : n_(static_cast<std::size_t>(n)) {
    LOWBIT_EXPECTS(n >= 0, "a transform has no negative size");
    if (n_ == 0) return;
    std::size_t power = 1;
    while (n_ / power % 2 == 0) power *= 2;
    const std::size_t odd = n_ / power;
    plan_ = plan(n_);
    if (plan_ == HadamardPlan::sylvester) {
      fast_ = n_;
    } else if (plan_ == HadamardPlan::stored) {
      axis_ = OrthogonalAxis::hadamard(4 * odd);
      fast_ = power / 4;
    } else if (plan_ == HadamardPlan::haar) {
      axis_ = OrthogonalAxis::random(odd, seed, stream);
      fast_ = power;
    } else {
      fast_ = 1;
      while (4 * fast_ <= 2 * n_) fast_ *= 2;
      signs_ = random_signs(n, seed, stream);
    }
    norm_ = 1.0 / std::sqrt(static_cast<double>(fast_) * (axis_ != nullptr ? axis_->gain() : 1.0));
  }

  static constexpr std::size_t largest_odd_factor = 63;

  /// Which construction a size gets.
  static constexpr HadamardPlan plan(std::size_t n) noexcept {
    std::size_t odd = n;
    while (odd != 0 && odd % 2 == 0) odd /= 2;
    if (odd <= 1) return HadamardPlan::sylvester;
    if (odd > largest_odd_factor) return HadamardPlan::windows;
    const bool four = n / odd >= 4;
    return four && hadamard_source(4 * odd) != HadamardSource::none ? HadamardPlan::stored : HadamardPlan::haar;
  }

  Index size() const noexcept { return static_cast<Index>(n_); }

  /// In words: "sylvester 4096", "paley2 28 x sylvester 512", "haar 13 x sylvester 2", "windows 2048 of 4093". Two builds
  /// whose words agree build the same R from the same seed.
  std::string construction() const {
    if (n_ == 0) return "empty";
    if (plan_ == HadamardPlan::windows) return "windows " + std::to_string(fast_) + " of " + std::to_string(n_);
    return (axis_ != nullptr ? axis_->name() + " x " : std::string()) + "sylvester " + std::to_string(fast_);
  }

  /// Each row x ← R·x. X is [rows × n].
  void rotate(MatrixRef X) const { rows(X, false); }
  void rotate(MatrixDRef X) const { rows(X, false); }
  /// Each row x ← Rᵀ·x = R⁻¹·x.
  void rotate_back(MatrixRef X) const { rows(X, true); }
  void rotate_back(MatrixDRef X) const { rows(X, true); }

 private:
  template <class Rows>
  void rows(Rows& X, bool back) const {
    LOWBIT_EXPECTS(X.cols() == size(), "a transform of n numbers needs rows of n");
    using T = typename Rows::Scalar;
    std::vector<T> scratch(axis_ != nullptr ? 2 * n_ : 0);
    for (Index r = 0; r < X.rows(); ++r) row(X.data() + r * X.outerStride(), scratch.data(), back);
  }

  template <class T>
  void row(T* x, T* scratch, bool back) const {
    const T norm = static_cast<T>(norm_);
    if (plan_ == HadamardPlan::windows) {
      const std::size_t offset = n_ - fast_;
      window(x + (back ? offset : 0), norm);
      Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>(x, size()) *= signs_.array().template cast<T>();
      window(x + (back ? 0 : offset), norm);
      return;
    }
    if (fast_ > 1)
      for (std::size_t i = 0; i < n_; i += fast_) walsh_hadamard(x + i, fast_);
    const T* from = x;
    if (axis_ != nullptr) {
      axis_->multiply_slow(x, scratch, scratch + n_, fast_, back);
      from = scratch;
    }
    if (norm != T{1} || from != x) detail::scale_row(from, norm, x, n_);
  }

  template <class T>
  void window(T* x, T norm) const {
    walsh_hadamard(x, fast_);
    detail::scale_row(x, norm, x, fast_);
  }

  std::size_t n_ = 0, fast_ = 1;  // fast_: the power of two on the fast axis, or a window
  HadamardPlan plan_ = HadamardPlan::sylvester;
  std::shared_ptr<const OrthogonalAxis> axis_;
  Vector signs_;
  double norm_ = 1.0;
};

}  // namespace lowbit::linalg
