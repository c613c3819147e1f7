// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "support/layers.hpp"
#include "support/types.hpp"

namespace lowbit::test::laws_tests {

namespace {

constexpr SymmetricRule rules[] = {SymmetricRule::full_range, SymmetricRule::gptq, SymmetricRule::narrow,
                                   SymmetricRule::signed_max};

template <class Q>
inline constexpr bool is_uniform = requires {
  Q::options.zero_point;
};

/// Calls with q under every rule that makes a difference to it.
template <class Q, class Body>
void under_every_rule(Body&& body) {
  Q q = test::make_quantizer<Q>();
  if constexpr (!is_uniform<Q>) {
    body(q);
    return;
  } else {
    for (const SymmetricRule rule : rules) {
      q.rule = rule;
      INFO("rule " << static_cast<int>(rule));
      body(q);
      if (Q::options.zero_point != ZeroPoint::none) return;
    }
  }
}

/// Groups of many sizes, magnitudes and signs; blocks of a fixed size take no more than they hold.
template <class Q>
std::vector<std::vector<float>> groups() {
  std::vector<std::vector<float>> all;
  Rng rng(21);
  for (const std::size_t size : {1, 2, 5, 32, 128}) {
    if (GgufBlock<Q> && size > Q{}.group_size) continue;
    for (const double scale : {1e-30, 1e-6, 1.0, 1e3})
      for (const double shift : {0.0, 1.0, -3.0}) {
        std::vector<float> group(size);
        for (float& x : group) x = static_cast<float>(scale * (rng.normal() + shift));
        all.push_back(group);
      }
  }
  return all;
}

/// Real zero points, stored minimums and tables without a zero leave 0 between two points of the grid.
template <class Q>
inline constexpr bool zero_is_a_point = [] {
  if constexpr (is_uniform<Q>)
    return Q::options.zero_point != ZeroPoint::real;
  else if constexpr (requires(point_params_t<Q> p) { p.offset; })
    return false;
  else
    return std::find(Q::levels.begin(), Q::levels.end(), 0.0f) != Q::levels.end();
}();

/// What store and load keep of a scale.
template <class Q>
typename Q::params_type stored(const Q& q, typename Q::params_type p) {
  return q.load(q.store(p), q.store_zero(p));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("quantizers: load(store(p)) is p for every p that fit returns", "[quantizer]",
                        test::quantizers) {
  under_every_rule<TestType>([](const TestType& q) {
    for (const auto& group : groups<TestType>()) {
      const auto p = q.fit(group);
      if (params_finite<TestType>(p)) CHECK(stored(q, p) == p);
    }
  });
}

// Not of GGUF's blocks: they choose codes by the reference's scale from before it was rounded.
TEMPLATE_LIST_TEST_CASE("quantizers: a value inside the grid moves by at most half a step", "[quantizer]",
                        test::uniform_quantizers) {
  using F = typename TestType::format_type;
  under_every_rule<TestType>([](const TestType& q) {
    std::size_t wrong = 0;
    for (const auto& group : groups<TestType>()) {
      const auto p = q.fit(group);
      if (!std::isfinite(p.scale) || p.scale == 0.0f) continue;
      const auto s = static_cast<double>(p.scale), z = static_cast<double>(p.zero_point);
      const bool narrow = TestType::options.zero_point == ZeroPoint::none && q.rule == SymmetricRule::narrow;
      const double first = s * ((narrow ? 1.0 : 0.0) - z), last = s * (static_cast<double>(F::cardinality - 1) - z);
      for (const float x : group) {
        const auto v = static_cast<double>(x);
        const double inside = std::fmin(std::fmax(v, std::fmin(first, last)), std::fmax(first, last));
        // A real zero point is added before rounding, in float: codes of up to 2^b carry 2^(b−24) of error.
        const double slack = TestType::options.zero_point == ZeroPoint::real ? 0x1p-14 : 0x1p-20;
        wrong += std::fabs(static_cast<double>(q.dequantize(q.quantize(x, p), p)) - inside) >
                         std::fabs(s) * 0.5 * (1 + slack) + std::fabs(v) * 0x1p-23
                     ? 1
                     : 0;
      }
    }
    CHECK(wrong == 0);
  });
}

TEMPLATE_LIST_TEST_CASE("quantizers: every code comes back from its own point", "[quantizer]",
                        test::uniform_quantizers) {
  using F = typename TestType::format_type;
  under_every_rule<TestType>([](const TestType& q) {
    std::size_t wrong = 0;
    for (const auto& group : groups<TestType>()) {
      const auto p = q.fit(group);
      if (!std::isfinite(p.scale) || p.scale == 0.0f) continue;
      const bool narrow = TestType::options.zero_point == ZeroPoint::none && q.rule == SymmetricRule::narrow;
      for (std::size_t c = narrow ? 1 : 0; c < F::cardinality; ++c)
        wrong += q.quantize(q.dequantize(static_cast<std::uint8_t>(c), p), p) != c ? 1 : 0;
    }
    CHECK(wrong == 0);
  });
}

// What is read back has no encoder's scale of its own, and E2M1 has two zeros: points are compared, not codes.
TEMPLATE_LIST_TEST_CASE("quantizers: every point of a stored block comes back", "[quantizer]", test::gguf_quantizers) {
  const TestType q;
  constexpr std::size_t first = std::is_same_v<TestType, GgufQ8_0> ? 1 : 0;  // the encoder never gives −128
  std::size_t wrong = 0, checked = 0;
  for (const auto& group : groups<TestType>()) {
    const auto p = stored(q, q.fit(group));
    if (!params_finite<TestType>(p)) continue;
    for (std::size_t i = 0; i < group.size(); i += std::min(group.size(), point_columns<TestType>)) {
      const auto point = point_params(q, p, i);
      if (point.scale == 0.0f) continue;
      for (std::size_t c = first; c < TestType::levels.size(); ++c, ++checked) {
        const float x = q.dequantize(static_cast<std::uint8_t>(c), point);
        wrong += q.dequantize(q.quantize(x, point), point) != x ? 1 : 0;
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(checked > 0);
}

TEMPLATE_LIST_TEST_CASE("quantizers: zeros come back as zeros", "[quantizer]", test::quantizers) {
  under_every_rule<TestType>([](const TestType& q) {
    for (const float zero : {0.0f, -0.0f}) {
      const std::vector<float> zeros(GgufBlock<TestType> ? std::size_t{32} : std::size_t{33}, zero);
      const auto point = point_params(q, q.fit(zeros), 0);
      CHECK(q.dequantize(q.quantize(zero, point), point) == 0.0f);
    }
    if (!zero_is_a_point<TestType>) return;
    std::size_t wrong = 0;
    for (const auto& group : groups<TestType>()) {
      const auto p = q.fit(group);
      const auto point = point_params(q, p, 0);
      wrong += params_finite<TestType>(p) && q.dequantize(q.quantize(0.0f, point), point) != 0.0f ? 1 : 0;
    }
    CHECK(wrong == 0);
  });
}

TEMPLATE_LIST_TEST_CASE("quantizers: a group too small for its scale's reciprocal becomes exact zeros", "[quantizer]",
                        test::quantizers) {
  under_every_rule<TestType>([](const TestType& q) {
    const std::vector<float> tiny = {1e-42f, -2e-42f, 3e-42f};
    const auto p = q.fit(tiny);
    if constexpr (is_uniform<TestType>) CHECK(p.scale == 0.0f);
    const auto point = point_params(q, p, 0);
    for (const float x : tiny) CHECK(q.dequantize(q.quantize(x, point), point) == 0.0f);
  });
}

TEMPLATE_LIST_TEST_CASE("quantize_nearest: a matrix already on its grid comes back unchanged", "[quantizer]",
                        test::quantizers) {
  const auto layer = test::random_layer<TestType>(5, 77);
  const auto& m = layer.weights;
  for (std::size_t r = 0; r < 5; ++r) {
    std::vector<std::uint8_t> codes(77);
    m.row_codes(r, codes);
    for (std::size_t c = 0; c < 77; ++c) {
      const std::size_t g = m.groups().of_column(c);
      const auto p = point_params(m.quantizer(), m.group_params(r, g), c - m.groups().begin(g));
      const float x = m.quantizer().dequantize(codes[c], p);
      CHECK(m.quantizer().dequantize(m.quantizer().quantize(x, p), p) == x);
      if (is_uniform<TestType>) CHECK(m.quantizer().quantize(x, p) == codes[c]);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("quantize_nearest: odd shapes hold together, empty ones too", "[quantizer]", test::quantizers) {
  for (const auto [rows, cols] : {test::Shape{1, 1}, {1, 5}, {3, 129}, {2, 31}, {0, 4}, {4, 0}, {0, 0}}) {
    const auto layer = test::random_layer<TestType>(rows, cols);
    CHECK(layer.view().consistent());
    CHECK(layer.weights.rows() == rows);
    CHECK(layer.weights.cols() == cols);
    const double least = std::log2(static_cast<double>(TestType::format_type::cardinality));
    CHECK((rows * cols == 0 || layer.weights.bits_per_weight() >= least));
  }
}

TEMPLATE_LIST_TEST_CASE("quantize_nearest: a value that is not finite is an error with its place", "[quantizer]",
                        test::quantizers) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    std::vector<float> w(3 * 40, 0.5f);
    w[1 * 40 + 17] = bad;
    const auto result = quantize_nearest(test::make_quantizer<TestType>(), w, 3, 40);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == Errc::not_finite);
    CHECK(result.error().row == 1u);
    CHECK(result.error().column == 17u);
  }
}

TEMPLATE_LIST_TEST_CASE("QuantizedMatrix: what set_params stores, group_params reads, next to its neighbours",
                        "[quantizer]", test::quantizers) {
  QuantizedMatrix<TestType> m(4, 101, test::make_quantizer<TestType>());
  if constexpr (SharedScales<TestType>) fit_shared(m.quantizer(), std::vector<float>(4 * 101), {}, nullptr, m);
  const Groups groups = m.groups();
  const std::size_t rows = groups.shared_by_rows() ? 1 : 4;
  const auto params = [&](std::size_t i) {
    typename TestType::params_type p = m.group_params(0, 0);
    if constexpr (is_uniform<TestType>) {
      p.scale = static_cast<float>(1 + i % 7) * 0.25f;
      if (TestType::options.zero_point != ZeroPoint::none)
        p.zero_point = static_cast<float>((i * 5 + 3) % TestType::format_type::cardinality);
    } else {
      p = m.quantizer().fit(test::normals(32, i));
    }
    return p;
  };
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t g = groups.per_row_count(); g-- > 0;) m.set_params(r, g, params(r * 31 + g));
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t g = 0; g < groups.per_row_count(); ++g) CHECK(m.group_params(r, g) == params(r * 31 + g));
}

TEST_CASE("quantize_nearest: a scale past its storage is an error, unless the storage is wider", "[quantizer]") {
  const std::vector<float> huge(8, 1e9f);
  const auto as_f16 = quantize_nearest(Uniform<Int4>{}, huge, 1, 8);
  REQUIRE_FALSE(as_f16.has_value());
  CHECK(as_f16.error().code == Errc::not_finite);
  CHECK(quantize_nearest(test::Grid<Int4, 128, ZeroPoint::none, ScaleStorage::bf16>{}, huge, 1, 8).has_value());
  CHECK(quantize_nearest(test::Grid<Int4, per_tensor, ZeroPoint::none, ScaleStorage::f16>{}, huge, 1, 8).has_value() ==
        false);
  const std::vector<float> largest = {std::numeric_limits<float>::max(), -std::numeric_limits<float>::max()};
  CHECK(quantize_nearest(test::Grid<Int4, 128, ZeroPoint::integer, ScaleStorage::f32>{}, largest, 1, 2).has_value());
}

TEST_CASE("symmetric rules: the extreme of the group meets the grid as each rule says", "[quantizer]") {
  const std::vector<float> group = {0.5f, -7.0f, 3.0f};
  Uniform<Int4, UniformOptions{.scale = ScaleStorage::f32}> q;
  const auto scale = [&](SymmetricRule rule) {
    q.rule = rule;
    return q.fit(group).scale;
  };
  CHECK(scale(SymmetricRule::full_range) == 1.0f);
  CHECK(scale(SymmetricRule::narrow) == 1.0f);
  CHECK(scale(SymmetricRule::gptq) == test::Approx(14.0 / 15.0));
  CHECK(scale(SymmetricRule::signed_max) == 0.875f);
  const std::vector<float> flipped = {-0.5f, 7.0f, -3.0f};
  CHECK(q.fit(flipped).scale == -0.875f);
  CHECK(q.quantize(7.0f, q.fit(flipped)) == 0);
  q.rule = SymmetricRule::narrow;
  CHECK(q.quantize(-100.0f, q.fit(group)) == 1);
}

TEMPLATE_TEST_CASE("one-sided data: an asymmetric grid has at most 1/3.5 of the error of a full-range symmetric one",
                   "[quantizer]", Int3, Int4, Int5, Int6, Int7, Int8) {
  std::vector<float> w = test::normals(1 << 16, 5);
  for (float& x : w) x = std::fabs(x);
  const auto error = [&](const auto& q) {
    const auto m = quantize_nearest(q, w, w.size() / 128, 128).value();
    std::vector<float> back(w.size());
    dequantize(m.view(), 0, m.rows(), back);
    double sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i)
      sum += std::pow(static_cast<double>(back[i]) - static_cast<double>(w[i]), 2);
    return sum;
  };
  Uniform<TestType> symmetric;
  symmetric.rule = SymmetricRule::full_range;
  CHECK(error(symmetric) >= 3.5 * error(Uniform<TestType, UniformOptions{.zero_point = ZeroPoint::integer}>{}));
}

}  // namespace lowbit::test::laws_tests
