// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "lowbit/linalg/hadamard_orders.hpp"
#include "lowbit/linalg/ordered_product.hpp"
#include "lowbit/linalg/random_orthogonal.hpp"

namespace lowbit::linalg {

/// A small dense matrix K [m × m] that acts on one axis of a tensor: a Hadamard matrix with its entries ±1, not normalized,
/// or a seeded random orthogonal one. Both orientations are kept, in float and in double: 24·m² bytes.
class OrthogonalAxis {
 public:
  /// Needs hadamard_source(m) ≠ none.
  static std::shared_ptr<const OrthogonalAxis> hadamard(std::size_t m) {
    return shared({m, 0, 0, false}, [m] {
      const std::vector<std::int8_t> H = hadamard_matrix(m);
      return OrthogonalAxis(m, Products::exact, std::string(to_string(hadamard_source(m))), {H.begin(), H.end()});
    });
  }
  static std::shared_ptr<const OrthogonalAxis> random(std::size_t m, std::uint64_t seed, std::uint64_t stream) {
    return shared({m, seed, stream, true}, [=] {
      const MatrixD Q = random_orthogonal(static_cast<Index>(m), seed, stream);
      return OrthogonalAxis(m, Products::rounded, "haar", {Q.data(), Q.data() + Q.size()});
    });
  }

  std::size_t size() const noexcept { return m_; }
  /// K·Kᵀ = gain() · I.
  double gain() const noexcept { return kind_ == Products::exact ? static_cast<double>(m_) : 1.0; }
  /// Where K comes from, and its order: "paley1 28".
  std::string name() const { return source_ + " " + std::to_string(m_); }

  /// y = K·x (or Kᵀ·x) for x, y [m × inner], rows on the slow axis. T is float or double. scratch holds m · inner.
  template <class T>
  void multiply_slow(const T* x, T* y, T* scratch, std::size_t inner, bool transposed) const noexcept {
    if (inner >= 16 || inner >= m_)
      product({matrix<T>(transposed), m_, 1}, x, inner, y, inner, m_, m_, inner);
    else if (inner == 1)
      multiply_fast(x, y, 1, transposed);
    else {  // lanes run over the outputs of K, then the result is turned back
      product({x, 1, inner}, matrix<T>(!transposed), m_, scratch, m_, inner, m_, m_);
      for (std::size_t i = 0; i < m_; ++i)
        for (std::size_t c = 0; c < inner; ++c) y[i * inner + c] = scratch[c * m_ + i];
    }
  }

  /// Each of the rows of x [outer × m] becomes K·row (or Kᵀ·row).
  template <class T>
  void multiply_fast(const T* x, T* y, std::size_t outer, bool transposed) const noexcept {
    product({x, m_, 1}, matrix<T>(!transposed), m_, y, m_, outer, m_, m_);
  }

 private:
  using Key = std::tuple<std::size_t, std::uint64_t, std::uint64_t, bool>;

  OrthogonalAxis(std::size_t m, Products kind, std::string source, std::vector<double> entries)
      : m_(m), kind_(kind), source_(std::move(source)), double_{std::move(entries), {}} {
    double_.turned.resize(m * m);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < m; ++j) double_.turned[j * m + i] = double_.plain[i * m + j];
    for (const double x : double_.plain) float_.plain.push_back(static_cast<float>(x));
    for (const double x : double_.turned) float_.turned.push_back(static_cast<float>(x));
  }

  /// One matrix per key as long as anyone holds it: the layers of a model have few sizes.
  template <class Make>
  static std::shared_ptr<const OrthogonalAxis> shared(const Key& key, Make make) {
    static std::mutex mutex;
    static std::map<Key, std::weak_ptr<const OrthogonalAxis>> known;
    const std::lock_guard lock(mutex);
    std::weak_ptr<const OrthogonalAxis>& entry = known[key];
    std::shared_ptr<const OrthogonalAxis> axis = entry.lock();
    if (axis == nullptr) entry = axis = std::shared_ptr<const OrthogonalAxis>(new OrthogonalAxis(make()));
    return axis;
  }

  template <class T>
  const T* matrix(bool transposed) const noexcept {
    if constexpr (std::is_same_v<T, float>)
      return (transposed ? float_.turned : float_.plain).data();
    else
      return (transposed ? double_.turned : double_.plain).data();
  }

  template <class T>
  void product(StridedMatrix<T> A, const T* B, std::size_t b_stride, T* C, std::size_t c_stride, std::size_t p, std::size_t m,
               std::size_t q) const noexcept {
    if (kind_ == Products::exact)
      ordered_product<Products::exact>(A, B, b_stride, C, c_stride, p, m, q);
    else
      ordered_product<Products::rounded>(A, B, b_stride, C, c_stride, p, m, q);
  }

  template <class T>
  struct Both {
    std::vector<T> plain, turned;
  };

  std::size_t m_;
  Products kind_;
  std::string source_;
  Both<double> double_;
  Both<float> float_;
};

}  // namespace lowbit::linalg
