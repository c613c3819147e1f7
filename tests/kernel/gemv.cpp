// SPDX-License-Identifier: MIT
#include "lowbit/kernel/gemv.hpp"

#include <cstring>
#include <type_traits>

#include "catch.hpp"
#include "support/oracle.hpp"

namespace lowbit::test::gemv_tests {

namespace {

template <class Isa, class Q>
std::vector<float> product(const PackedView<Q>& w, std::span<const float> x) {
  std::vector<float> y(w.rows, 1e30f);
  const auto ran = gemv<Isa>(w, x, y);
  static_assert(std::is_same_v<decltype(ran), const Isa>);
  return y;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gemv: every enabled ISA agrees with the double oracle", "[kernel][gemv]",
                        test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  using Isa = typename TestType::isa;
  for (const auto [rows, cols] : test::awkward_shapes) {
    INFO(rows << " x " << cols);
    const auto layer = test::random_layer<Q>(rows, cols);
    const auto want = test::gemv_in_double(layer.view(), layer.x);
    CHECK(test::worst_share(product<Isa>(layer.view(), layer.x), want) <= 1.0);
    if (rows != 0 && cols >= 16)
      CHECK(test::worst_share(product<Isa>(test::nudge_one_group(layer).view(), layer.x), want) > 1.0);

    const auto noise = test::random_bits<Q>(rows, cols);
    CHECK(test::worst_share(product<Isa>(noise.view(), noise.x), test::gemv_in_double(noise.view(), noise.x)) <= 1.0);
  }
}

TEMPLATE_LIST_TEST_CASE("gemv: rows wider than the activations' scratch are right", "[kernel][gemv]",
                        test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  const auto layer = test::random_layer<Q>(2, 2 * 16384 + 77);
  const auto want = test::gemv_in_double(layer.view(), layer.x);
  CHECK(test::worst_share(product<typename TestType::isa>(layer.view(), layer.x), want) <= 1.0);
}

TEMPLATE_LIST_TEST_CASE("gemv: extreme codes and scales stay within the bound", "[kernel][gemv]",
                        test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  auto layer = test::random_layer<Q>(3, 300);
  for (const int byte : {0x00, 0xff})
    for (const float scale : {0.0f, f16::min_positive, 65504.0f, -65504.0f}) {
      std::memset(layer.weights.codes().data(), byte, layer.weights.codes().size());
      for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t g = 0; g < layer.weights.groups().per_row_count(); ++g) {
          auto p = layer.weights.group_params(r, g);
          if constexpr (requires { p.scale; })
            p.scale = scale;
          else
            p.scales.fill(scale == 0.0f ? 0 : scale < 1.0f ? 1 : 0x7e);  // NVFP4's bytes
          const Q q = layer.weights.quantizer();
          if (!params_finite<Q>(q.load(q.store(p), q.store_zero(p)))) continue;  // E8M0 has no sign
          layer.weights.set_params(r, g, p);
        }
      INFO("bytes " << byte << ", scale " << scale);
      CHECK(test::worst_share(product<typename TestType::isa>(layer.view(), layer.x),
                              test::gemv_in_double(layer.view(), layer.x)) <= 1.0);
    }
}

TEMPLATE_LIST_TEST_CASE("gemv: a row range writes its rows, with the bits of the whole product, and no others",
                        "[kernel][gemv]", test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  using Isa = typename TestType::isa;
  const auto layer = test::random_layer<Q>(11, 333);
  const std::vector<float> whole = product<Isa>(layer.view(), layer.x);
  std::size_t wrong = 0;
  for (std::size_t begin = 0; begin <= 11; ++begin)
    for (std::size_t end = begin; end <= 11; ++end) {
      std::vector<float> y(11, -7.0f);
      gemv<Isa>(layer.view(), RowRange{begin, end}, layer.x, y);
      for (std::size_t r = 0; r < 11; ++r) wrong += y[r] != (r >= begin && r < end ? whole[r] : -7.0f) ? 1 : 0;
    }
  CHECK(wrong == 0);
}

TEST_CASE("gemv: each breach of its contract reaches the handler", "[kernel][gemv]") {
  using Q = Uniform<Int4>;
  const auto layer = test::random_layer<Q>(3, 200);
  std::vector<float> y(3), longer(4), x = layer.x, shorter(layer.x.begin(), layer.x.end() - 1);
  PackedView<Q> torn = layer.view();
  torn.codes = torn.codes.first(torn.codes.size() - 1);
  PackedView<Q> bare = layer.view();
  bare.params = bare.params.first(bare.params.size() - 1);
  CHECK_THROWS_AS(gemv(layer.view(), x, longer), ContractViolation);
  CHECK_THROWS_AS(gemv(layer.view(), shorter, y), ContractViolation);
  CHECK_THROWS_AS(gemv(torn, x, y), ContractViolation);
  CHECK_THROWS_AS(gemv(bare, x, y), ContractViolation);
  CHECK_THROWS_AS(gemv(layer.view(), RowRange{0, 4}, x, y), ContractViolation);
  CHECK_THROWS_AS(gemv(layer.view(), RowRange{2, 1}, x, y), ContractViolation);
  CHECK_NOTHROW(gemv(layer.view(), x, y));
}

TEST_CASE("active_isa: names the native tag", "[kernel]") { CHECK(std::string(active_isa()) == isa::native::name); }

}  // namespace lowbit::test::gemv_tests
