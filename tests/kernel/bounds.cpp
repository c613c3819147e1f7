// SPDX-License-Identifier: MIT
#include <vector>

#include "catch.hpp"
#include "lowbit/kernel.hpp"
#include "support/guarded.hpp"
#include "support/oracle.hpp"

namespace lowbit::test::bounds_tests {

namespace {

/// Any touch outside the spans ends the program with a fault.
template <class Isa, class Q>
void run_between_guards(std::size_t rows, std::size_t cols, bool at_end) {
  const auto layer = test::random_layer<Q>(rows, cols, 2);
  const auto edge = [&]<class T>(std::span<const T> data) {
    return test::Guarded<T>(data, at_end ? test::Guarded<T>::Edge::end : test::Guarded<T>::Edge::begin);
  };
  const PackedView<Q> w = layer.view();
  const auto codes = edge(w.codes);
  const auto params = edge(w.params);
  const auto zeros = edge(w.zeros);
  const auto shared = edge(w.shared);
  const auto x = edge(std::span<const float>(layer.x));
  const std::vector<float> nothing(2 * rows), room(rows * cols);
  const auto y = edge(std::span<const float>(nothing));
  const auto y1 = edge(std::span<const float>(nothing).first(rows));
  const auto out = edge(std::span<const float>(room));
  const PackedView<Q> guarded{.codes = codes.span(),
                              .params = params.span(),
                              .zeros = zeros.span(),
                              .shared = shared.span(),
                              .rows = rows,
                              .cols = cols,
                              .quantizer = w.quantizer};
  std::vector<float> want(2 * rows), want_out(rows * cols);
  gemm<Isa>(w, layer.x, want, 2);
  dequantize<Isa>(w, 0, rows, want_out);
  gemm<Isa>(guarded, x.span(), y.span(), 2);
  gemv<Isa>(guarded, x.span().first(cols), y1.span());
  dequantize<Isa>(guarded, 0, rows, out.span());
  CHECK(std::vector<float>(y.span().begin(), y.span().end()) == want);
  CHECK(std::vector<float>(y1.span().begin(), y1.span().end()) == std::vector<float>(want.begin(), want.begin() + static_cast<std::ptrdiff_t>(rows)));
  CHECK(std::vector<float>(out.span().begin(), out.span().end()) == want_out);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("kernels: no byte outside the spans is touched", "[kernel][bounds]", test::quantizers_x_isas) {
  for (const auto [rows, cols] : test::awkward_shapes)
    for (const bool at_end : {true, false}) {
      INFO(rows << " x " << cols << (at_end ? ", guard behind" : ", guard before"));
      run_between_guards<typename TestType::isa, typename TestType::quantizer>(rows, cols, at_end);
    }
}

TEMPLATE_LIST_TEST_CASE("kernels: spans need no alignment beyond their element's", "[kernel][bounds]",
                        test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  using Isa = typename TestType::isa;
  const auto layer = test::random_layer<Q>(5, 333, 3);
  const PackedView<Q> w = layer.view();
  std::vector<float> want(3 * 5);
  gemm<Isa>(w, layer.x, want, 3);
  std::size_t wrong = 0;
  for (std::size_t shift = 1; shift < 17; shift += 2) {
    std::vector<std::uint8_t> codes(w.codes.size() + shift), zeros(w.zeros.size() + shift);
    std::vector<typename Q::stored_type> params(w.params.size() + shift);
    std::vector<float> x(layer.x.size() + shift), y(15 + shift);
    std::copy(w.codes.begin(), w.codes.end(), codes.begin() + static_cast<std::ptrdiff_t>(shift));
    std::copy(w.zeros.begin(), w.zeros.end(), zeros.begin() + static_cast<std::ptrdiff_t>(shift));
    std::copy(w.params.begin(), w.params.end(), params.begin() + static_cast<std::ptrdiff_t>(shift));
    std::copy(layer.x.begin(), layer.x.end(), x.begin() + static_cast<std::ptrdiff_t>(shift));
    const PackedView<Q> moved{.codes = std::span<const std::uint8_t>(codes).subspan(shift),
                              .params = std::span<const typename Q::stored_type>(params).subspan(shift),
                              .zeros = std::span<const std::uint8_t>(zeros).subspan(shift),
                              .shared = w.shared,
                              .rows = 5,
                              .cols = 333,
                              .quantizer = w.quantizer};
    gemm<Isa>(moved, std::span<const float>(x).subspan(shift), std::span<float>(y).subspan(shift), 3);
    for (std::size_t i = 0; i < 15; ++i) wrong += y[shift + i] != want[i] ? 1 : 0;
  }
  CHECK(wrong == 0);
}

}  // namespace lowbit::test::bounds_tests
