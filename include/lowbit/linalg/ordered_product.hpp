// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "lowbit/linalg/lanes.hpp"

namespace lowbit::linalg {

/// What is known of the products a·b of ordered_product.
enum class Products {
  rounded,  ///< each is rounded before it is added, whatever the build: never fused
  exact,    ///< one factor is 0 or ±1, so a fused multiply-add gives the same bits
};

/// A matrix that is read entry by entry: element (i, j) lies at data[i·row + j·col].
template <class T>
struct StridedMatrix {
  const T* data;
  std::size_t row, col;
};

/// C = A·B, C [p × q], A [p × m], B [m × q]: each entry one sum over k = 0 … m − 1 in this order, starting at +0. This is
/// the definition; ordered_product() gives the same bits. C may not overlap A or B.
template <Products Kind, class T>
void ordered_product_scalar(StridedMatrix<T> A, const T* B, std::size_t b_stride, T* C, std::size_t c_stride,
                            std::size_t p, std::size_t m, std::size_t q) noexcept {
  for (std::size_t i = 0; i < p; ++i)
    for (std::size_t j = 0; j < q; ++j) {
      T sum = 0;
      for (std::size_t k = 0; k < m; ++k)
        sum += detail::rounded_product(A.data[i * A.row + k * A.col], B[k * b_stride + j]);
      C[i * c_stride + j] = sum;
    }
}

namespace detail {
inline namespace LOWBIT_ISA_NAMESPACE {
#if LOWBIT_LINALG_LANES

/// Rows × Registers sums at once, from row i and column j.
template <Products Kind, std::size_t Rows, std::size_t Registers, class T>
LOWBIT_ALWAYS_INLINE void product_tile(StridedMatrix<T> A, const T* B, std::size_t b_stride, T* C, std::size_t c_stride,
                                       std::size_t m) noexcept {
  using L = LanesOf<T>;
  using V = typename L::type;
  V sum[Rows][Registers] = {};
  for (std::size_t k = 0; k < m; ++k) {
    V b[Registers];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Registers; ++r) b[r] = load_lanes(B + k * b_stride + r * L::count);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Rows; ++i) {
      const V a = A.data[i * A.row + k * A.col] - V{};  // a − 0 keeps the sign of zero
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Registers; ++r)
        if constexpr (Kind == Products::exact)
          sum[i][r] = fused(a, b[r], sum[i][r]);
        else
          sum[i][r] += rounded_product(a, b[r]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Registers; ++r) store_lanes(C + i * c_stride + r * L::count, sum[i][r]);
}

template <Products Kind, std::size_t Registers, class T>
void product_columns(StridedMatrix<T> A, const T* B, std::size_t b_stride, T* C, std::size_t c_stride, std::size_t p,
                     std::size_t m) noexcept {
  constexpr std::size_t most = LOWBIT_HAS_AVX512 ? 8 : 4;
  std::size_t i = 0;
  const auto rows = [&]<std::size_t Rows>() {
    for (; i + Rows <= p; i += Rows)
      product_tile<Kind, Rows, Registers>(StridedMatrix<T>{A.data + i * A.row, A.row, A.col}, B, b_stride,
                                          C + i * c_stride, c_stride, m);
  };
  rows.template operator()<most>();
  if constexpr (most > 4) rows.template operator()<4>();
  rows.template operator()<1>();
}

#endif
}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace detail

/// ordered_product_scalar with the registers of this build. Cost: 2·p·m·q flops; fast where q is at least a register.
template <Products Kind, class T>
void ordered_product(StridedMatrix<T> A, const T* B, std::size_t b_stride, T* C, std::size_t c_stride, std::size_t p,
                     std::size_t m, std::size_t q) noexcept {
  std::size_t j = 0;
#if LOWBIT_LINALG_LANES
  constexpr std::size_t lanes = detail::LanesOf<T>::count;
  for (; j + 2 * lanes <= q; j += 2 * lanes)
    detail::product_columns<Kind, 2>(A, B + j, b_stride, C + j, c_stride, p, m);
  for (; j + lanes <= q; j += lanes) detail::product_columns<Kind, 1>(A, B + j, b_stride, C + j, c_stride, p, m);
#endif
  ordered_product_scalar<Kind>(A, B + j, b_stride, C + j, c_stride, p, m, q - j);
}

}  // namespace lowbit::linalg
