// SPDX-License-Identifier: MIT
#include "lowbit/kernel/gemm_add.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "catch.hpp"
#include "support/guarded.hpp"
#include "support/layers.hpp"

namespace lowbit::test::gemm_add_tests {

namespace {

/// Every kind of field, plane, part and scale; groups that are usual, odd, of the row, of the matrix and set at run time.
using add_quantizers = std::tuple<TernaryScaled<>, TernaryScaled<float, per_row>, TernaryScaled<bf16, 7>, GgufTq1_0, GgufQ1_0,
                                  TritPlanesScaled<f16, dynamic_group>, BinaryScaled<1, f16, per_tensor>, BinaryScaled<3, f16, 33>,
                                  PhaseScaled<1>, PhaseScaled<2, bf16, 30>>;

using two_quantizers = std::tuple<TernaryScaled<>, PhaseScaled<1>>;
using three_quantizers = std::tuple<TernaryScaled<>, BinaryScaled<3, f16, 33>, PhaseScaled<1>>;

template <class Q>
struct Problem {
  Layer<Q> layer;
  AddPanels<Q> panels;
  AddActivations<add_fields<Q>> sums;
  std::size_t tokens;

  explicit Problem(Layer<Q> of, std::size_t count = 1)
      : layer(std::move(of)), panels(to_panels<compute::add>(layer.view()).value()), sums(count, add_shape(panels.view())),
        tokens(count) {
    sum_activations(layer.x, sums.view());
  }
  template <class Isa>
  std::vector<float> product(RowRange rows) {
    std::vector<float> y(tokens * panels.rows(), -7.0f);
    const auto ran = gemm<Isa>(panels.view(), rows, sums.view(), y);
    static_assert(std::is_same_v<decltype(ran), const gemm_add_isa<Isa, Q>>);
    return y;
  }
  template <class Isa>
  std::vector<float> product() {
    return product<Isa>(RowRange{0, panels.rows()});
  }
};

std::size_t differing(std::span<const float> a, std::span<const float> b) {
  std::size_t count = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    count += std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]) ? 1 : 0;
  return count;
}

/// The planes of a weight in double, from what the quantizer stores and its documentation: their sum, and their magnitudes'.
struct Weight {
  double value = 0.0, magnitude = 0.0;
  void add(double v) {
    value += v;
    magnitude += std::fabs(v);
  }
};
template <class Q>
Weight weight(const PackedView<Q>& w, std::size_t r, std::size_t c) {
  constexpr std::size_t dim = Q::format_type::dim;
  std::vector<typename Q::format_type::code_type> code(1);
  w.unpack(r, c / dim, code);
  const auto p = w.group_params(r, w.groups().of_column(c));
  Weight out;
  const unsigned q = code[0];
  if constexpr (dim == 2) {
    constexpr std::size_t stages = std::tuple_size_v<decltype(p.scale)> / 2;
    for (std::size_t k = 0; k < stages; ++k) {
      const unsigned phase = q >> (2 * (stages - 1 - k)) & 3u;
      if (phase % 2 == c % 2) out.add((phase < 2 ? 1.0 : -1.0) * static_cast<double>(p.scale[2 * k + c % 2]));
    }
  } else if constexpr (Q::format_type::cardinality == 9) {
    out.add((static_cast<double>(q / 3) - 1.0) * static_cast<double>(p.scale[0]));
    out.add((static_cast<double>(q % 3) - 1.0) * static_cast<double>(p.scale[1]));
  } else if constexpr (Q::format_type::cardinality == 3) {
    out.add((static_cast<double>(q) - 1.0) * static_cast<double>(p.scale));
  } else if constexpr (requires { p.scale[0]; }) {
    for (std::size_t k = 0; k < p.scale.size(); ++k)
      out.add(((q >> (p.scale.size() - 1 - k) & 1u) != 0 ? 1.0 : -1.0) * static_cast<double>(p.scale[k]));
  } else {
    out.add((q != 0 ? 1.0 : -1.0) * static_cast<double>(p.scale));
  }
  return out;
}

/// The largest error as a share of its bound.
template <class Q>
double worst_share(Problem<Q>& p, std::span<const float> y) {
  using Levels = kernel::AddLevels<Q>;
  using Fields = add_fields<Q>;
  const PackedView<Q> w = p.layer.view();
  const AddShape shape = add_shape(p.panels.view());
  const double steps = static_cast<double>(shape.runs() * Levels::planes * Fields::parts);
  const double k = (static_cast<double>(Fields::columns + shape.run_words() * Fields::per_word) + steps) * 0x1p-24;
  double worst = 0.0;
  for (std::size_t t = 0; t < p.tokens; ++t)
    for (std::size_t r = 0; r < w.rows; ++r) {
      double want = 0.0, bound = steps * 0x1p-149;
      for (std::size_t c = 0; c < w.cols; ++c) {
        const Weight here = weight(w, r, c);
        const double x = static_cast<double>(p.layer.x[t * w.cols + c]);
        want += here.value * x;
        bound += k / (1.0 - k) * here.magnitude * std::fabs(x);
      }
      const double error = std::fabs(static_cast<double>(y[t * w.rows + r]) - want), share = error <= 0.0 ? 0.0 : error / bound;
      worst = share >= 0.0 ? std::max(worst, share) : INFINITY;
    }
  return worst;
}

template <class Isa, class Q>
void check_isa(Problem<Q>& p, std::span<const float> want) {
  if constexpr (std::is_same_v<gemm_add_isa<Isa, Q>, Isa>) CHECK(differing(p.template product<Isa>(), want) == 0);
}
template <class Q>
void check_isas(Problem<Q>& p, std::span<const float> want) {
  check_isa<isa::avx2>(p, want);
  check_isa<isa::avx512>(p, want);
  check_isa<isa::neon>(p, want);
}

template <class F>
std::size_t wrong_sums() {
  float x[F::columns], sums[F::parts * F::entries];
  for (std::size_t c = 0; c < F::columns; ++c) x[c] = std::ldexp(1.0f + 0.1f * static_cast<float>(c), -9 * static_cast<int>(c));
  kernel::sum_field<F>(x, sums);
  std::size_t wrong = 0;
  for (std::size_t part = 0; part < F::parts; ++part)
    for (unsigned i = 0; i < F::entries; ++i) {
      if (F::negated_half && i % 16 > 13) continue;
      float want = 0.0f;
      for (std::size_t c = 0; c < F::columns; ++c) want += static_cast<float>(F::weight(i, part, c)) * x[c];
      wrong += sums[part * F::entries + i] != want ? 1 : 0;
    }
  return wrong;
}

}  // namespace

TEST_CASE("gemm add: an index names the weights that it was made of", "[kernel][add]") {
  std::size_t wrong = 0;
  for (unsigned v = 0; v < 27; ++v) {
    const std::uint8_t digit[3] = {static_cast<std::uint8_t>(v / 9), static_cast<std::uint8_t>(v / 3 % 3), static_cast<std::uint8_t>(v % 3)};
    for (std::size_t c = 0; c < 3; ++c)
      wrong += kernel::TritFields::weight(kernel::TritFields::index(digit), 0, c) != digit[c] - 1 ? 1 : 0;
  }
  for (unsigned v = 0; v < 16; ++v) {
    const std::uint8_t sign[4] = {static_cast<std::uint8_t>(v & 1), static_cast<std::uint8_t>(v >> 1 & 1), static_cast<std::uint8_t>(v >> 2 & 1),
                                  static_cast<std::uint8_t>(v >> 3)};
    const std::uint8_t phase[2] = {static_cast<std::uint8_t>(v & 3), static_cast<std::uint8_t>(v >> 2)};
    for (std::size_t c = 0; c < 4; ++c) {
      wrong += kernel::SignFields::weight(kernel::SignFields::index(sign), 0, c) != 2 * sign[c] - 1 ? 1 : 0;
      float unit[2];
      Phase{}.decode(phase[c / 2], std::span<float, 2>(unit));
      for (std::size_t part = 0; part < 2; ++part)
        wrong += kernel::PhaseFields::weight(kernel::PhaseFields::index(phase), part, c) !=
                         (part == c % 2 ? static_cast<int>(unit[part]) : 0) ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("gemm add: tables hold the sums of their weights, added from the first column on", "[kernel][add]") {
  CHECK(wrong_sums<kernel::TritFields>() == 0);
  CHECK(wrong_sums<kernel::SignFields>() == 0);
  CHECK(wrong_sums<kernel::PhaseFields>() == 0);
}

TEMPLATE_LIST_TEST_CASE("gemm add: the definition is within its bound, and every instruction set gives its bits",
                        "[kernel][add]", add_quantizers) {
  using Q = TestType;
  for (const auto [rows, cols] : {Shape{1, 1}, Shape{3, 2}, Shape{5, 17}, Shape{64, 18}, Shape{65, 19}, Shape{3, 127}, Shape{2, 129},
                                  Shape{70, 331}, Shape{5, 2051}, Shape{0, 5}, Shape{5, 0}})
    for (const std::size_t tokens : {1, 3}) {
      INFO(Q::storage_name() << ", " << rows << " x " << cols << ", " << tokens << " tokens");
      Problem<Q> p(random_layer<Q>(rows, cols, tokens), tokens);
      const auto want = p.template product<isa::scalar>();
      CHECK(worst_share(p, want) <= 1.0);
      check_isas(p, want);
      if (rows == 0 || cols < 17) continue;
      Layer<Q> other = p.layer;
      auto params = other.weights.group_params(0, 0);
      if constexpr (requires { params.scale[0]; })
        params.scale[0] *= 2.0f;
      else
        params.scale *= 2.0f;
      other.weights.set_params(0, 0, params);
      Problem<Q> q(other, tokens);
      CHECK(worst_share(p, q.template product<isa::scalar>()) > 1.0);
    }
}

TEMPLATE_LIST_TEST_CASE("gemm add: extreme codes, scales and activations stay within the bound", "[kernel][add]",
                        add_quantizers) {
  using Q = TestType;
  for (const int byte : {0x00, 0xff})
    for (const float scale : {0.0f, f16::min_positive, 65504.0f, -65504.0f}) {
      Layer<Q> layer = random_layer<Q>(3, 300);
      std::memset(layer.weights.codes().data(), byte, layer.weights.codes().size());
      for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t g = 0; g < layer.weights.groups().per_row_count(); ++g) {
          auto p = layer.weights.group_params(r, g);
          if constexpr (requires { p.scale[0]; })
            p.scale[0] = scale;
          else
            p.scale = scale;
          if (!params_finite<Q>(layer.weights.quantizer().load(layer.weights.quantizer().store(p), 0))) continue;
          layer.weights.set_params(r, g, p);
        }
      layer.x[7] = 1e30f;
      layer.x[8] = 1e-44f;
      layer.x[9] = -0.0f;
      Problem<Q> p(std::move(layer));
      INFO(Q::storage_name() << ", bytes " << byte << ", scale " << scale);
      const auto want = p.template product<isa::scalar>();
      CHECK(worst_share(p, want) <= 1.0);
      check_isas(p, want);
    }
}

TEMPLATE_LIST_TEST_CASE("gemm add: rows and batches do not change bits, and other rows stay as they were", "[kernel][add]",
                        two_quantizers) {
  using Q = TestType;
  constexpr std::size_t rows = 130, cols = 150, most = 19;
  Problem<Q> all(random_layer<Q>(rows, cols, most), most);
  const auto whole = all.template product<isa::native>();
  CHECK(differing(whole, all.template product<isa::scalar>()) == 0);
  std::size_t wrong = 0;
  for (const std::size_t begin : {0, 1, 63, 64, 65, 130})
    for (const std::size_t end : {0, 1, 63, 64, 65, 129, 130}) {
      if (end < begin) continue;
      const auto y = all.template product<isa::native>(RowRange{begin, end});
      for (std::size_t i = 0; i < y.size(); ++i)
        wrong += y[i] != (i % rows >= begin && i % rows < end ? whole[i] : -7.0f) ? 1 : 0;
    }
  CHECK(wrong == 0);
  for (const std::size_t tokens : {1, 2, 16, 17}) {
    Layer<Q> layer = all.layer;
    layer.x.resize(tokens * cols);
    Problem<Q> p(std::move(layer), tokens);
    CHECK(differing(p.template product<isa::native>(), std::span<const float>(whole).first(tokens * rows)) == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("gemm add: touches nothing outside its spans", "[kernel][add]",
                        three_quantizers) {
  using Q = TestType;
  for (const auto [rows, cols] : {Shape{1, 1}, Shape{67, 257}, Shape{64, 64}}) {
    Problem<Q> p(random_layer<Q>(rows, cols, 2), 2);
    const auto want = p.template product<isa::scalar>();
    for (const bool at_end : {false, true}) {
      const auto edge = [&]<class T>(std::span<T> data) {
        using G = Guarded<std::remove_const_t<T>>;
        return G(data, at_end ? G::Edge::end : G::Edge::begin);
      };
      AddPanelView<Q> w = p.panels.view();
      auto x = p.sums.view();
      const auto bytes = edge(w.bytes);
      const std::vector<float> nothing(x.sums.size()), none(2 * rows);
      const auto sums = edge(std::span<const float>(nothing)), y = edge(std::span<const float>(none));
      const auto inputs = edge(std::span<const float>(p.layer.x));
      w.bytes = bytes.span();
      x.sums = sums.span();
      sum_activations(inputs.span(), x);
      gemm(w, x, y.span());
      CHECK(differing(y.span(), want) == 0);
    }
  }
}

TEST_CASE("gemm add: an activation that is no number spares the rows that do not add it", "[kernel][add]") {
  using Q = TernaryScaled<float, per_row>;
  Layer<Q> layer = random_layer<Q>(3, 40);
  std::vector<std::uint8_t> codes(40);
  for (std::size_t r = 0; r < 3; ++r) {
    layer.weights.row_codes(r, codes);
    codes[5] = static_cast<std::uint8_t>(r);
    layer.weights.set_row_codes(r, codes);
  }
  layer.x[5] = NAN;
  Problem<Q> p(std::move(layer));
  const auto y = p.product<isa::native>();
  CHECK(std::isnan(y[0]));
  CHECK(std::isfinite(y[1]));
  CHECK(std::isnan(y[2]));
}

TEST_CASE("gemm add: sizes of panels, and what they refuse", "[kernel][add]") {
  CHECK(Problem<TernaryScaled<f16, per_row>>(random_layer<TernaryScaled<f16, per_row>>(64, 1800)).panels.bits_per_weight() ==
        Approx(32.0 / 18 + 16.0 / 1800));
  CHECK(Problem<PhaseScaled<1>>(random_layer<PhaseScaled<1>>(64, 1024)).panels.bits_per_weight() == 1.25);
  Layer<TernaryScaled<>> bad = random_layer<TernaryScaled<>>(3, 300);
  bad.weights.params()[4] = f16::from_bits(0x7c00);
  const auto refused = to_panels<compute::add>(bad.view());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::not_finite);
  CHECK(refused.error().row == 1u);
  CHECK(refused.error().column == 128u);

  Problem<TernaryScaled<>> p(random_layer<TernaryScaled<>>(3, 300));
  std::vector<float> y(3), longer(4);
  AddPanelView<TernaryScaled<>> torn = p.panels.view();
  torn.bytes = torn.bytes.first(torn.bytes.size() - 1);
  AddActivations<kernel::TritFields> other(1, AddShape{300, 64, 6, 3, 32});
  CHECK_THROWS_AS(gemm(torn, p.sums.view(), y), ContractViolation);
  CHECK_THROWS_AS(gemm(p.panels.view(), p.sums.view(), longer), ContractViolation);
  CHECK_THROWS_AS(gemm(p.panels.view(), other.view(), y), ContractViolation);
  CHECK_THROWS_AS(gemm(p.panels.view(), RowRange{0, 4}, p.sums.view(), y), ContractViolation);
}

}  // namespace lowbit::test::gemm_add_tests
