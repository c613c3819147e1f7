// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "support/types.hpp"

namespace lowbit::test::laws_tests {

namespace {

template <class F>
using Point = std::array<float, F::dim>;

template <class F>
Point<F> point(std::size_t code) {
  Point<F> y;
  F{}.decode(static_cast<typename F::code_type>(code), std::span<float, F::dim>(y));
  return y;
}

template <class F>
std::size_t encode(const Point<F>& x) {
  return F{}.encode(std::span<const float, F::dim>(x));
}

template <class F>
std::vector<Point<F>> points() {
  std::vector<Point<F>> all(F::cardinality);
  for (std::size_t c = 0; c < F::cardinality; ++c) all[c] = point<F>(c);
  return all;
}

/// Equal numbers, or NaN in the same places.
template <class F>
bool same(const Point<F>& a, const Point<F>& b) {
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](float u, float v) { return u == v || (std::isnan(u) && std::isnan(v)); });
}

template <class F>
bool finite(const Point<F>& p) {
  return std::all_of(p.begin(), p.end(), [](float v) { return std::isfinite(v); });
}

template <class F>
double distance(const Point<F>& a, const Point<F>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < F::dim; ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return sum;
}

/// The largest finite magnitude of any coordinate.
template <class F>
float reach() {
  float most = 0.0f;
  for (const auto& p : points<F>())
    for (const float v : p) most = std::isfinite(v) && std::fabs(v) > most ? std::fabs(v) : most;
  return most;
}

/// Finite levels of a one-dimensional format, ascending and distinct.
template <class F>
std::vector<float> ascending_levels() {
  std::set<float> all;
  for (const auto& p : points<F>())
    if (std::isfinite(p[0])) all.insert(p[0]);
  return {all.begin(), all.end()};
}

/// Every level, every midpoint of neighbours, and the floats next to each: where encoders go wrong.
template <class F>
std::vector<float> critical_values() {
  const std::vector<float> levels = ascending_levels<F>();
  std::vector<float> all;
  const auto around = [&](double x) {
    const auto f = static_cast<float>(x);
    all.insert(all.end(), {f, std::nextafterf(f, INFINITY), std::nextafterf(f, -INFINITY)});
  };
  for (std::size_t i = 0; i < levels.size(); ++i) {
    around(static_cast<double>(levels[i]));
    if (i + 1 < levels.size()) around(0.5 * (static_cast<double>(levels[i]) + static_cast<double>(levels[i + 1])));
  }
  const float far = std::numeric_limits<float>::max(), tiny = std::numeric_limits<float>::denorm_min();
  all.insert(all.end(), {far, -far, tiny, -tiny, 0.0f, -0.0f});
  return all;
}

/// Formats whose encode is nearest in another measure say so by `nearest = false`.
template <class F>
constexpr bool is_nearest() {
  if constexpr (requires { F::nearest; })
    return F::nearest;
  else
    return true;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("formats: encode(decode(c)) names the same point as c, for every code", "[format]",
                        test::formats) {
  std::size_t wrong = 0;
  for (std::size_t c = 0; c < TestType::cardinality; ++c) {
    const auto p = point<TestType>(c);
    wrong += same<TestType>(point<TestType>(encode<TestType>(p)), p) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("formats: encode gives a code, and a nearest point, inside and outside the range", "[format]",
                        test::formats) {
  using F = TestType;
  const auto all = points<F>();
  std::size_t wrong = 0, no_code = 0;
  const auto look = [&](const Point<F>& x) {
    const std::size_t code = encode<F>(x);
    if (code >= F::cardinality) {
      ++no_code;
      return;
    }
    if constexpr (is_nearest<F>()) {
      double least = std::numeric_limits<double>::infinity();
      for (const auto& p : all)
        if (finite<F>(p)) least = std::min(least, distance<F>(x, p));
      wrong += distance<F>(x, all[code]) <= least ? 0 : 1;
    }
  };
  Rng rng(F::cardinality);
  const double most = static_cast<double>(reach<F>());
  for (int i = 0; i < 4000; ++i) {
    Point<F> x;
    const double spread = most * std::array<double, 4>{1.0, 0.2, 0.02, 0.0005}[static_cast<std::size_t>(i) % 4];
    for (float& v : x) v = static_cast<float>(spread * rng.normal());
    look(x);
  }
  if constexpr (F::dim == 1)
    for (const float x : critical_values<F>()) look({x});
  CHECK(no_code == 0);
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("formats: in one dimension, encode is monotone", "[format]", test::formats) {
  using F = TestType;
  if constexpr (F::dim == 1) {
    std::vector<float> xs = critical_values<F>();
    Rng rng(17);
    for (int i = 0; i < 2000; ++i) xs.push_back(reach<F>() * static_cast<float>(rng.normal()));
    std::sort(xs.begin(), xs.end());
    std::size_t falls = 0;
    for (std::size_t i = 0; i + 1 < xs.size(); ++i)
      falls += point<F>(encode<F>({xs[i]}))[0] > point<F>(encode<F>({xs[i + 1]}))[0] ? 1 : 0;
    CHECK(falls == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("formats: `levels` holds the points by code and `largest` the largest finite magnitude",
                        "[format]", test::formats) {
  using F = TestType;
  if constexpr (requires { F::levels; }) {
    static_assert(F::levels.size() == F::cardinality && F::largest > 0.0f);
    constexpr float first = F::levels[0];  // at compile time
    CHECK(same<F>({first}, point<F>(0)));
    std::size_t wrong = 0;
    for (std::size_t c = 0; c < F::cardinality; ++c) {
      wrong += same<F>({F::levels[c]}, point<F>(c)) ? 0 : 1;
      wrong += std::signbit(F::levels[c]) == std::signbit(point<F>(c)[0]) ? 0 : 1;
    }
    CHECK(wrong == 0);
    CHECK(F::largest == reach<F>());
  }
}

namespace {

template <class... Fs>
std::set<std::string> names_of(std::tuple<Fs...>) {
  return {std::string(Fs::name)...};
}

}  // namespace

TEST_CASE("formats: names are distinct, lower case and free of blanks", "[format]") {
  const auto names = names_of(test::formats{});
  CHECK(names.size() == std::tuple_size_v<test::formats>);
  for (const std::string& name : names) {
    INFO(name);
    CHECK(!name.empty());
    CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos);
  }
}

}  // namespace lowbit::test::laws_tests
