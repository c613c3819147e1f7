// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/scale_search.hpp"

#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "lowbit/format/nf4.hpp"
#include "lowbit/quantizer/mx.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/nvfp4.hpp"
#include "lowbit/quantizer/scaled.hpp"
#include "support/layers.hpp"

namespace lowbit::test::scale_search_tests {

namespace {

const ScaleSearch every_search[] = {AbsMax{},
                                    LpGrid{},
                                    LpGrid{.p = 2.0f, .weighted = true},
                                    LpGrid{.p = 3.5f, .max_shrink = 0.2f, .patience = 5},
                                    GoldenSection{},
                                    GoldenSection{.p = 2.4f, .weighted = true},
                                    Percentile{},
                                    Percentile{.percent = 60.0f},
                                    Percentile{.percent = 99.0f, .exact = 0},
                                    KlEntropy{.min_size = 1},
                                    HessianFull{},
                                    Hqq{},
                                    GgmlSearch{},
                                    ClosedForm{},
                                    ClosedForm{.distribution = ClosedForm::Distribution::laplace}};

using searched = std::tuple<
    test::Grid<Int2, 32, ZeroPoint::none, ScaleStorage::f16>, test::Grid<Int4, 32, ZeroPoint::none, ScaleStorage::f32>,
    test::Grid<Int3, 32, ZeroPoint::integer, ScaleStorage::f16>, test::Grid<Int8, 32, ZeroPoint::integer, ScaleStorage::f32>,
    test::Grid<Int4, 32, ZeroPoint::real, ScaleStorage::f16>, test::Grid<Int5, 32, ZeroPoint::real, ScaleStorage::f32>,
    Scaled<NF4, float, 32>, Mxfp4, Nvfp4>;

struct Group {
  std::vector<float> x, h;
  std::vector<double> H;
  FitContext context() const { return {.importance = h, .hessian = H.data(), .hessian_stride = x.size()}; }
};

/// A positive semidefinite H of low rank, and its diagonal as the importance.
Group with_context(std::vector<float> x, std::uint64_t seed) {
  const std::size_t n = x.size();
  Group group{std::move(x), std::vector<float>(n), std::vector<double>(n * n)};
  Rng rng(seed);
  for (int k = 0; k < 5; ++k) {
    std::vector<double> v(n);
    for (double& e : v) e = rng.normal();
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) group.H[i * n + j] += v[i] * v[j];
  }
  for (std::size_t i = 0; i < n; ++i) group.h[i] = static_cast<float>(group.H[i * n + i]);
  return group;
}

std::vector<Group> awkward_groups() {
  constexpr float largest = std::numeric_limits<float>::max(), tiny = std::numeric_limits<float>::denorm_min();
  std::vector<Group> all;
  Rng rng(3);
  const auto add = [&](std::vector<float> x) { all.push_back(with_context(std::move(x), all.size())); };
  for (const std::size_t size : {1, 2, 7, 31, 32})
    for (const double scale : {1e-42, 1e-37, 1e-12, 0.02, 1.0, 1e3, 1e12, 1e37}) {
      std::vector<float> x(size);
      for (float& v : x) v = static_cast<float>(scale * rng.normal());
      add(x);
      for (float& v : x) v = std::fabs(v);
      add(x);
      for (float& v : x) v = -v;
      add(x);
    }
  add(std::vector<float>(32, 0.0f));
  add(std::vector<float>(5, -0.0f));
  add(std::vector<float>(32, 0.5f));
  add({0.0f});
  add({tiny});
  add({-largest});
  add({largest, -largest, 1.0f, tiny});
  std::vector<float> sparse(32, 0.0f);
  sparse[9] = -4.0f;
  add(sparse);
  return all;
}

/// Σ h|x̂ − x|^p in double, straight from the definition.
template <class Q>
double cost(const Q& q, const typename Q::params_type& p, const std::vector<float>& x, const std::vector<float>& h,
            double exponent) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double e = static_cast<double>(q.dequantize(q.quantize(x[i], p), p)) - static_cast<double>(x[i]);
    sum += (h.empty() ? 1.0 : static_cast<double>(h[i])) * std::pow(std::fabs(e), exponent);
  }
  return sum;
}

template <class Q>
double form(const Q& q, const typename Q::params_type& p, const Group& g) {
  const std::size_t n = g.x.size();
  double sum = 0.0;
  std::vector<double> e(n);
  for (std::size_t i = 0; i < n; ++i)
    e[i] = static_cast<double>(q.dequantize(q.quantize(g.x[i], p), p)) - static_cast<double>(g.x[i]);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) sum += e[i] * g.H[i * n + j] * e[j];
  return sum;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("scale searches: every group gets parameters that store, and zeros stay zeros",
                        "[quantizer][search]", searched) {
  const TestType q{};
  for (const ScaleSearch& search : every_search) {
    INFO("search " << search.index());
    std::size_t wrong = 0;
    for (const Group& g : awkward_groups()) {
      const auto plain = q.fit(g.x), p = fit_scale(search, q, g.x, g.context());
      if (!params_finite<TestType>(plain)) continue;
      wrong += params_finite<TestType>(p) ? 0 : 1;
      wrong += q.load(q.store(p), q.store_zero(p)) == p ? 0 : 1;
      bool zeros = true;
      for (const float v : g.x) zeros = zeros && v == 0.0f;
      if (zeros) wrong += p == plain && q.dequantize(q.quantize(0.0f, p), p) == 0.0f ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("scale searches: the same group gives the same parameters", "[quantizer][search]", searched) {
  const TestType q{};
  for (const ScaleSearch& search : every_search) {
    std::size_t apart = 0;
    for (const Group& g : awkward_groups()) {
      const auto p = fit_scale(search, q, g.x, g.context());
      const Group copy = g;  // elsewhere in memory
      if (params_finite<TestType>(p)) apart += fit_scale(search, q, copy.x, copy.context()) == p ? 0 : 1;
    }
    CHECK(apart == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("scale searches: none is worse than the extremes in what it minimizes", "[quantizer][search]",
                        searched) {
  const TestType q{};
  std::size_t better = 0, wrong = 0;
  Rng rng(11);
  for (int k = 0; k < 60; ++k) {
    std::vector<float> x(static_cast<std::size_t>(k % 32) + 1);
    for (float& v : x) v = static_cast<float>(rng.normal() * std::exp(rng.normal()));
    const Group g = with_context(x, static_cast<std::uint64_t>(k) + 100);
    const auto plain = q.fit(g.x);
    const auto compare = [&](const ScaleSearch& search, auto&& objective) {
      const double before = objective(plain), after = objective(fit_scale(search, q, g.x, g.context()));
      wrong += after <= before * (1 + 1e-5) ? 0 : 1;  // sums of the searches are float, and powers good to 10^-5
      better += after < 0.99 * before ? 1 : 0;
    };
    for (const float p : {1.0f, 2.0f, 2.4f}) {
      const auto plain_cost = [&](const auto& params) { return cost(q, params, g.x, {}, static_cast<double>(p)); };
      const auto weighted = [&](const auto& params) { return cost(q, params, g.x, g.h, static_cast<double>(p)); };
      compare(LpGrid{.p = p}, plain_cost);
      compare(LpGrid{.p = p, .weighted = true}, weighted);
      compare(LpGrid{.p = p, .patience = 3}, plain_cost);
      compare(GoldenSection{.p = p}, plain_cost);
      compare(GoldenSection{.p = p, .weighted = true}, weighted);
    }
    compare(HessianFull{}, [&](const auto& params) { return form(q, params, g); });
    if (GgmlSearch::evenly_spaced<TestType>) {
      std::vector<float> squares(g.x.size());
      for (std::size_t i = 0; i < squares.size(); ++i) squares[i] = g.x[i] * g.x[i];
      const double before = cost(q, plain, g.x, squares, 2.0);
      wrong += cost(q, fit_scale(GgmlSearch{}, q, g.x), g.x, squares, 2.0) <= before * (1 + 1e-5) ? 0 : 1;
    }
    if (Hqq::applies<TestType>)
      compare(Hqq{}, [&](const auto& params) { return cost(q, params, g.x, {}, 1.0); });
  }
  CHECK(wrong == 0);
  CHECK(better > 20);  // power-of-two scales leave little to search
}

TEMPLATE_LIST_TEST_CASE("LpGrid: is the search over all candidates, whatever it leaves out", "[quantizer][search]",
                        searched) {
  const TestType q{};
  std::size_t wrong = 0;
  for (const Group& g : awkward_groups())
    for (const float p : {1.0f, 2.0f, 2.4f, 3.0f})
      for (const bool weighted : {false, true}) {
        auto best = q.fit(g.x);
        const Extremes range = lowbit::detail::extremes_scalar(g.x);
        if (!params_finite<TestType>(best) || range.magnitude() == 0.0f) continue;
        const std::span<const float> h = weighted ? std::span<const float>(g.h) : std::span<const float>{};
        const double none = std::numeric_limits<double>::infinity();
        const float unit = lowbit::detail::unit_of(range.magnitude());
        double least = lowbit::detail::error_sum_scalar(q, best, g.x, h, p, unit, none);
        for (int i = 1; i < 80; ++i) {
          const float keep = 1.0f - static_cast<float>(i) / 100.0f;
          const auto candidate = q.fit_range(keep * range.lo, keep * range.hi);
          const double e = lowbit::detail::error_sum_scalar(q, candidate, g.x, h, p, unit, none);
          if (e < least) {
            least = e;
            best = candidate;
          }
        }
        wrong += LpGrid{.p = p, .weighted = weighted}.fit(q, g.x, g.context()) == best ? 0 : 1;
      }
  CHECK(wrong == 0);
}

TEST_CASE("LpGrid: doubling a group doubles its scale", "[quantizer][search]") {
  const test::Grid<Int4, 128, ZeroPoint::none, ScaleStorage::f32> q{};
  for (const float factor : {0x1p-100f, 0x1p-20f, 2.0f, 0x1p90f})
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      std::vector<float> x = test::normals(128, seed);
      const float before = LpGrid{}.fit(q, x, {}).scale;
      for (float& v : x) v *= factor;
      CHECK(LpGrid{}.fit(q, x, {}).scale == before * factor);
    }
}

TEST_CASE("LpGrid: patience ends the search, and without idle steps changes nothing", "[quantizer][search]") {
  const Uniform<Int3> q{};
  std::size_t apart = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<float> x = test::normals(128, seed);
    const auto all = LpGrid{}.fit(q, x, {});
    CHECK(LpGrid{.patience = 100}.fit(q, x, {}) == all);
    apart += LpGrid{.patience = 1}.fit(q, x, {}) == all ? 0 : 1;
  }
  CHECK(apart > 5);
}

TEST_CASE("HessianFull: the whole block decides, not its diagonal", "[quantizer][search]") {
  const Uniform<Int3> q{};
  double full = 0.0, diagonal = 0.0, plain = 0.0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Group g = with_context(test::normals(64, seed), seed);
    full += form(q, HessianFull{.grid = 100}.fit(q, g.x, g.context()), g);
    diagonal += form(q, LpGrid{.p = 2.0f, .weighted = true}.fit(q, g.x, g.context()), g);
    plain += form(q, q.fit(g.x), g);
  }
  CHECK(full < 0.8 * diagonal);
  CHECK(full < 0.5 * plain);
}

TEST_CASE("HessianFull: a diagonal block is the importance, and none at all counts every weight alike",
          "[quantizer][search]") {
  const Uniform<Int3> q{};
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Group g = with_context(test::normals(32, seed), seed);
    for (std::size_t i = 0; i < g.x.size(); ++i)
      for (std::size_t j = 0; j < g.x.size(); ++j)
        if (i != j) g.H[i * g.x.size() + j] = 0.0;
        else g.H[i * g.x.size() + j] = static_cast<double>(g.h[i]);
    const HessianFull search{};
    CHECK(search.fit(q, g.x, g.context()) == search.fit(q, g.x, {.importance = g.h}));
    std::vector<float> ones(g.x.size(), 1.0f);
    CHECK(search.fit(q, g.x, {}) == search.fit(q, g.x, {.importance = ones}));
  }
}

TEST_CASE("quantize_nearest: hands every group its block of the Hessian", "[quantizer][search]") {
  const std::size_t rows = 3, cols = 40;
  const Group g = with_context(test::normals(cols, 8), 9);
  const std::vector<float> w = test::normals(rows * cols, 10);
  const test::Grid<Int3, 16, ZeroPoint::none, ScaleStorage::f16> q{};
  const auto m = quantize_nearest(q, w, rows, cols, HessianFull{}, g.h, g.H.data()).value();
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t k = 0; k < 3; ++k) {
      const std::size_t begin = 16 * k, size = std::min<std::size_t>(16, cols - begin);
      const FitContext context{.hessian = g.H.data() + begin * cols + begin, .hessian_stride = cols};
      CHECK(m.group_params(r, k) == HessianFull{}.fit(q, std::span(w).subspan(r * cols + begin, size), context));
    }
}

TEST_CASE("scale searches: say which quantizers they can do something for", "[quantizer][search]") {
  using Symmetric = Uniform<Int4>;
  using Real = Uniform<Int4, UniformOptions{.zero_point = ZeroPoint::real}>;
  CHECK(search_applies<Symmetric>(AbsMax{}));
  CHECK(search_applies<Symmetric>(LpGrid{}));
  CHECK(search_applies<Symmetric>(GgmlSearch{}));
  CHECK(search_applies<Mxfp4>(GoldenSection{}));
  CHECK(search_applies<Real>(Hqq{}));
  CHECK_FALSE(search_applies<Symmetric>(Hqq{}));
  CHECK_FALSE(search_applies<Mxfp4>(Hqq{}));
  CHECK_FALSE(search_applies<Mxfp4>(GgmlSearch{}));
  CHECK(search_applies<GgufQ4_0>(GgmlSearch{}));
  CHECK_FALSE(search_applies<GgufQ4_0>(LpGrid{}));
}

}  // namespace lowbit::test::scale_search_tests
