// SPDX-License-Identifier: MIT
#include "lowbit/format/pvq.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"

namespace lowbit::test::pvq_tests {

namespace {

using Vector = std::vector<std::int32_t>;

/// Calls visit(y) for all y of n coordinates with Σ|y_i| = K, in the order that indices count: 0, +1, −1, +2, −2, …
template <class Visit>
void each_vector(Vector& y, std::size_t i, std::int32_t left, const Visit& visit) {
  if (i == y.size()) {
    if (left == 0) visit(y);
    return;
  }
  for (std::int32_t v = 0; v <= left; ++v)
    for (const std::int32_t sign : {1, -1}) {
      if (v == 0 && sign < 0) continue;
      y[i] = sign * v;
      each_vector(y, i + 1, left - v, visit);
    }
}

std::int32_t pulses(const Vector& y) {
  std::int32_t sum = 0;
  for (const std::int32_t v : y) sum += v < 0 ? -v : v;
  return sum;
}

std::vector<float> normals(Rng& rng, std::size_t n) {
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

/// Squared cosine between magnitudes and y.
template <class Y>
double cosine2(const std::vector<float>& a, const Y& y) {
  double c = 0.0, e = 0.0, s = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    c += static_cast<double>(a[i]) * static_cast<double>(y[i]);
    e += static_cast<double>(y[i]) * static_cast<double>(y[i]);
    s += static_cast<double>(a[i]) * static_cast<double>(a[i]);
  }
  return c * c / (e * s);
}

std::vector<float> nearest(const std::vector<float>& x, std::size_t K) {
  std::vector<float> a(x.size()), y(x.size()), work(2 * x.size());
  pvq::normalized(x, a.data());
  pvq::nearest_on_pyramid<pvq::OneVector>(a.data(), y.data(), work.data(), x.size(), K);
  return y;
}

template <class T>
std::size_t wrong_enumeration() {
  const pvq::Counts<T> counts(6, 4);
  std::size_t wrong = 0, seen = 0;
  Vector y(6), back(6);
  each_vector(y, 0, 4, [&](const Vector& v) {
    const T index(seen++);
    pvq::vector_of(counts, index, 4, back);
    wrong += pvq::index_of(counts, std::span<const std::int32_t>(v), 4) == index && back == v && pulses(back) == 4 ? 0 : 1;
  });
  return wrong + (T(seen) == counts.at(6, 4) && seen == 912 ? 0 : 1);
}

/// Vectors of a large pyramid that do not come back from their index, and indices outside it.
template <class T>
std::size_t wrong_round_trips(std::size_t D, std::size_t K, int draws) {
  const pvq::Counts<T> counts(D, K);
  Rng rng(D, K);
  std::size_t wrong = 0;
  Vector y(D), back(D);
  const auto look = [&] {
    const T index = pvq::index_of(counts, std::span<const std::int32_t>(y), K);
    pvq::vector_of(counts, index, K, back);
    wrong += back == y && index < counts.at(D, K) ? 0 : 1;
  };
  for (int draw = 0; draw < draws; ++draw) {
    std::fill(y.begin(), y.end(), 0);
    const std::uint64_t places = draw % 3 == 0 ? D : 1 + rng.below(D);  // sparse ones too
    for (std::size_t p = 0; p < K; ++p) {
      std::int32_t& v = y[rng.below(places)];
      v += v > 0 ? 1 : v < 0 ? -1 : rng.below(2) == 0 ? 1 : -1;
    }
    look();
  }
  for (const std::int32_t sign : {1, -1})
    for (const std::size_t at : {std::size_t{0}, D - 1}) {
      std::fill(y.begin(), y.end(), 0);
      y[at] = sign * static_cast<std::int32_t>(K);
      look();
    }
  // The last vector of all is (−K, 0, …).
  std::fill(y.begin(), y.end(), 0);
  y[0] = -static_cast<std::int32_t>(K);
  wrong += pvq::index_of(counts, std::span<const std::int32_t>(y), K) == counts.at(D, K) - T(1) ? 0 : 1;
  return wrong;
}

template <std::size_t D, std::size_t K>
std::uint64_t encoded(const std::array<float, D>& x) {
  return Pvq<D, K>{}.encode(std::span<const float, D>(x));
}
template <std::size_t D, std::size_t K>
std::array<float, D> decoded(std::uint64_t code) {
  std::array<float, D> y{};
  Pvq<D, K>{}.decode(static_cast<typename Pvq<D, K>::code_type>(code), std::span<float, D>(y));
  return y;
}

/// Codes whose point is another's, and draws that another point is nearer to.
template <std::size_t D, std::size_t K>
std::size_t wrong_codes() {
  std::size_t wrong = 0;
  std::vector<std::array<float, D>> points(Pvq<D, K>::cardinality);
  for (std::size_t c = 0; c < points.size(); ++c) {
    points[c] = decoded<D, K>(c);
    wrong += encoded<D, K>(points[c]) == c ? 0 : 1;
  }
  Rng rng(D, K);
  for (int draw = 0; draw < 300; ++draw) {
    std::array<float, D> x{};
    for (float& v : x) v = static_cast<float>(rng.normal());
    if (draw % 3 == 1) x[0] *= 30.0f;
    const auto dot = [&](const std::array<float, D>& p) {
      double sum = 0.0;
      for (std::size_t i = 0; i < D; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(p[i]);
      return sum;
    };
    double most = -1.0, length = 0.0;
    for (const auto& p : points) most = std::max(most, dot(p));
    for (const float v : x) length += static_cast<double>(v) * static_cast<double>(v);
    wrong += dot(points[encoded<D, K>(x)]) < most - 5e-7 * std::sqrt(length) ? 1 : 0;
  }
  return wrong;
}

}  // namespace

TEST_CASE("pyramid counts: known values, and all vectors counted one by one", "[format][pvq]") {
  for (std::size_t K = 1; K < 50; ++K) {
    CHECK(pvq::count<std::uint64_t>(1, K) == 2);
    CHECK(pvq::count<std::uint64_t>(2, K) == 4 * K);
    CHECK(pvq::count<std::uint64_t>(3, K) == 4 * K * K + 2);
  }
  CHECK(pvq::count<std::uint64_t>(3, 2) == 18);
  CHECK(pvq::count<std::uint64_t>(5, 0) == 1);
  CHECK(pvq::count<std::uint64_t>(0, 3) == 0);
  for (std::size_t D = 1; D <= 5; ++D)
    for (std::int32_t K = 0; K <= 6; ++K) {
      std::uint64_t seen = 0;
      Vector y(D);
      each_vector(y, 0, K, [&](const Vector&) { ++seen; });
      CHECK(pvq::count<std::uint64_t>(D, static_cast<std::size_t>(K)) == seen);
    }
}

TEST_CASE("pyramid counts: K·N(D, K) is D·N(K, D)", "[format][pvq]") {
  for (std::size_t D = 1; D <= 16; ++D)
    for (std::size_t K = 1; K <= 16; ++K)
      CHECK(K * pvq::count<std::uint64_t>(D, K) == D * pvq::count<std::uint64_t>(K, D));
}

TEST_CASE("pyramid counts: 256 pulses in 16 dimensions take 96 bits, 58 the most that 64 bits hold", "[format][pvq]") {
  CHECK(pvq::index_bits(16, 256) == 96);
  CHECK(pvq::count_bits(16, 58) == 64);
  CHECK(pvq::count_bits(16, 59) == 65);
  CHECK(pvq::index_bits(64, 256) == 279);
  CHECK(pvq::index_bits(128, 256) == 439);
  CHECK(pvq::index_bits(2, 4) == 4);  // 16 vectors
  const auto wide = pvq::count<pvq::WideUint<2>>(16, 256);
  const auto native = pvq::count<pvq::uint128>(16, 256);
  CHECK(wide.words[0] == static_cast<std::uint64_t>(native));
  CHECK(wide.words[1] == static_cast<std::uint64_t>(native >> 64));
  CHECK(wide.words[1] == 0xd82b6423ull);
  CHECK(wide.words[0] == 0x9ea2a1f880f30000ull);
  CHECK_THROWS(pvq::Counts<std::uint64_t>(16, 59));
}

TEST_CASE("WideUint: sums, differences and order are those of 128 bits", "[format][pvq]") {
  Rng rng(4);
  std::size_t wrong = 0;
  const auto part = [&] {
    const std::uint64_t pick = rng.below(4);
    return pick == 0 ? 0 : pick == 1 ? ~std::uint64_t{0} : pick == 2 ? rng.below(3) : rng.next_u64();
  };
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t a0 = part(), a1 = part(), b0 = part(), b1 = part();
    const pvq::uint128 a = static_cast<pvq::uint128>(a1) << 64 | a0, b = static_cast<pvq::uint128>(b1) << 64 | b0;
    pvq::WideUint<2> u(a0), v(b0);
    u.words[1] = a1;
    v.words[1] = b1;
    const auto same = [](const pvq::WideUint<2>& w, pvq::uint128 x) {
      return w.words[0] == static_cast<std::uint64_t>(x) && w.words[1] == static_cast<std::uint64_t>(x >> 64);
    };
    wrong += same(u + v, a + b) && same(u - v, a - b) && (u < v) == (a < b) && (u == v) == (a == b) ? 0 : 1;
    wrong += pvq::bit_width(u) == pvq::bit_width(a) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("PVQ enumeration: a bijection on all vectors of N(6, 4), in the order 0, +1, −1, …, with Σ|y| = 4 always",
          "[format][pvq][accept]") {
  CHECK(wrong_enumeration<std::uint64_t>() == 0);
  CHECK(wrong_enumeration<pvq::uint128>() == 0);
  CHECK(wrong_enumeration<pvq::WideUint<3>>() == 0);
}

TEST_CASE("PVQ enumeration: vectors of large pyramids come back from their index", "[format][pvq]") {
  CHECK(wrong_round_trips<std::uint64_t>(16, 58, 300) == 0);
  CHECK(wrong_round_trips<pvq::uint128>(16, 256, 300) == 0);
  CHECK(wrong_round_trips<pvq::WideUint<2>>(16, 256, 50) == 0);
  CHECK(wrong_round_trips<pvq::WideUint<5>>(64, 256, 50) == 0);
  CHECK(wrong_round_trips<pvq::WideUint<6>>(128, 128, 30) == 0);
  CHECK(wrong_round_trips<std::uint64_t>(128, 8, 100) == 0);
}

TEST_CASE("PVQ search: no vector of the pyramid has a larger cosine; the published greedy rule misses some",
          "[format][pvq]") {
  struct Case {
    std::size_t D, K;
    int draws;
  };
  std::size_t wrong = 0, greedy_wrong = 0, greedy_better = 0;
  for (const auto [D, K, draws] : {Case{1, 5, 10}, Case{2, 5, 300}, Case{3, 20, 300}, Case{4, 3, 300}, Case{4, 7, 300},
                                   Case{5, 12, 60}, Case{6, 4, 300}, Case{7, 6, 60}}) {
    Rng rng(D, K);
    for (int draw = 0; draw < draws; ++draw) {
      std::vector<float> x = normals(rng, D), a(D), greedy(D);
      if (draw % 3 == 1)
        for (float& v : x) v = v * v * v;
      if (draw % 7 == 2) x[0] *= 100.0f;
      if (draw % 11 == 3)
        for (float& v : x) v = std::round(v);  // ties and zeros
      pvq::normalized(x, a.data());
      const std::vector<float> y = nearest(x, K);
      pvq::greedy_on_pyramid(a, greedy, K);
      double most = 0.0, sum = 0.0;
      Vector all(D);
      each_vector(all, 0, static_cast<std::int32_t>(K), [&](const Vector& v) {
        if (std::all_of(v.begin(), v.end(), [](std::int32_t c) { return c >= 0; })) most = std::max(most, cosine2(a, v));
      });
      for (const float v : y) sum += static_cast<double>(v);
      wrong += sum == static_cast<double>(K) && cosine2(a, y) >= most - 5e-7 ? 0 : 1;
      greedy_wrong += cosine2(a, greedy) < most - 5e-7 ? 1 : 0;
      greedy_better += cosine2(a, greedy) > cosine2(a, y) + 5e-7 ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
  CHECK(greedy_better == 0);
  CHECK(greedy_wrong > 0);
}

TEST_CASE("PVQ: the squared error of directions alone on N(0, 1) is the published one", "[format][pvq][accept]") {
  struct Case {
    std::size_t D, K;
    double error;
  };
  for (const auto [D, K, error] : {Case{16, 12, 0.083}, Case{16, 27, 0.0193}, Case{8, 16, 0.0149}}) {
    Rng rng(D, K);
    double exact = 0.0, greedy = 0.0;
    const int draws = 8000;
    for (int draw = 0; draw < draws; ++draw) {
      const std::vector<float> x = normals(rng, D);
      std::vector<float> a(D), g(D);
      pvq::normalized(x, a.data());
      pvq::greedy_on_pyramid(a, g, K);
      double square = 0.0;
      for (const float v : x) square += static_cast<double>(v) * static_cast<double>(v);
      exact += square * (1.0 - cosine2(a, nearest(x, K)));
      greedy += square * (1.0 - cosine2(a, g));
    }
    const double scale = 1.0 / static_cast<double>(draws * static_cast<int>(D));
    INFO("D " << D << " K " << K << " exact " << exact * scale << " greedy " << greedy * scale);
    CHECK(exact * scale == test::Approx(error).epsilon(0.05));
    CHECK(greedy * scale == test::Approx(error).epsilon(0.05));
    CHECK(exact < greedy);
  }
}

TEST_CASE("Pvq: every code comes back from its point, and no point is nearer than the one chosen", "[format][pvq]") {
  CHECK(wrong_codes<2, 8>() == 0);
  CHECK(wrong_codes<3, 5>() == 0);
  CHECK(wrong_codes<4, 3>() == 0);
  CHECK(wrong_codes<6, 4>() == 0);
  CHECK(wrong_codes<8, 3>() == 0);
  CHECK(wrong_codes<1, 1>() == 0);
}

TEMPLATE_TEST_CASE("Pvq: random codes of large pyramids come back from their points", "[format][pvq]", (Pvq<16, 12>),
                   (Pvq<16, 58>), (Pvq<32, 21>), (Pvq<128, 9>), (Pvq<8, 128>)) {
  constexpr std::size_t D = TestType::dim;
  Rng rng(D);
  std::size_t wrong = 0;
  for (int i = 0; i < 300; ++i) {
    const auto code = static_cast<typename TestType::code_type>(rng.below(TestType::cardinality));
    std::array<float, D> y{};
    TestType{}.decode(code, std::span<float, D>(y));
    wrong += TestType{}.encode(std::span<const float, D>(y)) == code ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("Pvq: a code depends on the direction alone, however large or small", "[format][pvq]") {
  Rng rng(8);
  std::size_t wrong = 0;
  for (int draw = 0; draw < 200; ++draw) {
    std::array<float, 16> x{}, scaled{};
    for (float& v : x) v = static_cast<float>(rng.normal());
    for (const int power : {-100, -30, 1, 40, 120}) {
      for (std::size_t i = 0; i < 16; ++i) scaled[i] = std::ldexp(x[i], power);
      wrong += encoded<16, 24>(scaled) == encoded<16, 24>(x) ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("Pvq: zero is the first axis, NaN counts as zero, infinity as the largest float", "[format][pvq]") {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity(), tiny = 1e-45f;
  using X = std::array<float, 4>;
  const X first = decoded<4, 5>(encoded<4, 5>(X{}));
  CHECK(first == X{1, 0, 0, 0});
  CHECK(encoded<4, 5>(X{nan, nan, nan, nan}) == encoded<4, 5>(X{}));
  CHECK(encoded<4, 5>(X{nan, 2, -1, 0}) == encoded<4, 5>(X{0, 2, -1, 0}));
  CHECK(decoded<4, 5>(encoded<4, 5>(X{1, -inf, 7, 1e20f})) == X{0, -1, 0, 0});
  const X three = decoded<4, 5>(encoded<4, 5>(X{0, tiny, 0, -tiny}));
  CHECK((three[0] == 0.0f && three[1] > 0.5f && three[2] == 0.0f && three[3] < -0.5f));
}

TEST_CASE("Pvq: a code that is none reads as code 0", "[format][pvq]") {
  using F = Pvq<4, 3>;
  STATIC_REQUIRE(F::cardinality == 88);
  CHECK(F::name == "pvq_d4k3");
  CHECK(decoded<4, 3>(88) == decoded<4, 3>(0));
  CHECK(decoded<4, 3>(255) == decoded<4, 3>(0));
}

}  // namespace lowbit::test::pvq_tests
