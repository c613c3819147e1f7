// SPDX-License-Identifier: MIT
#include "product.hpp"

two_isas::Product two_isas::avx512_product(const lowbit::PackedView<W4>& w, std::span<const float> x) {
  return multiply(w, x);
}
