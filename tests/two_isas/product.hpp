// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lowbit/kernel.hpp"

/// One program, two objects: the same templates compiled for the oldest and for a wide instruction set.

namespace two_isas {

using W4 = lowbit::Uniform<lowbit::Int4, lowbit::UniformOptions{.zero_point = lowbit::ZeroPoint::integer}>;

struct Product {
  std::string native_isa;         ///< that of the default call
  std::vector<float> native;      ///< y of the default call
  std::string scalar_isa;         ///< that of the call which asks for scalar
  std::vector<float> scalar;
  std::vector<std::uint8_t> codes;  ///< the first row, unpacked
};

// Internal to each object: it is the library, not this test, that keeps the two apart.
namespace {
template <class Q>
Product multiply(const lowbit::PackedView<Q>& w, std::span<const float> x) {
  Product out{{}, std::vector<float>(w.rows), {}, std::vector<float>(w.rows), std::vector<std::uint8_t>(w.cols)};
  out.native_isa = decltype(lowbit::gemv(w, x, out.native))::name;
  lowbit::gemv(w, x, out.native);
  out.scalar_isa = decltype(lowbit::gemv<lowbit::isa::scalar>(w, x, out.scalar))::name;
  lowbit::gemv<lowbit::isa::scalar>(w, x, out.scalar);
  lowbit::pack::unpack_row<typename Q::layout_type>(w.row_codes(0), std::span<std::uint8_t>(out.codes));
  return out;
}

}  // namespace

Product plain_product(const lowbit::PackedView<W4>& w, std::span<const float> x);
Product avx512_product(const lowbit::PackedView<W4>& w, std::span<const float> x);

}  // namespace two_isas
