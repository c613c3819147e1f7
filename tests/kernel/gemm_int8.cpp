// SPDX-License-Identifier: MIT
#include "lowbit/kernel/gemm_int8.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "catch.hpp"
#include "support/guarded.hpp"
#include "support/panels.hpp"

namespace lowbit::test::gemm_int8_tests {

namespace {

template <class Q>
struct Problem {
  PackedView<Q> w;
  Panels<Q> panels;
  std::vector<float> x;
  Int8Activations a;
  std::size_t tokens;

  Problem(const QuantizedMatrix<Q>& weights, std::vector<float> inputs, std::size_t count)
      : w(weights.view()), panels(to_panels(w).value()), x(std::move(inputs)), a(count, int8_shape(panels.view())), tokens(count) {
    quantize_activations<isa::scalar>(x, a.view());
  }
  template <class Isa>
  std::vector<float> product(RowRange rows) {
    std::vector<float> y(tokens * w.rows, -7.0f);
    const auto ran = gemm<Isa>(panels.view(), rows, a.view(), y);
    static_assert(std::is_same_v<decltype(ran), const gemm_int8_isa<Isa, Q>>);
    return y;
  }
  template <class Isa>
  std::vector<float> product() {
    return product<Isa>(RowRange{0, w.rows});
  }
};

std::size_t differing(std::span<const float> a, std::span<const float> b) {
  std::size_t count = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    count += std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]) ? 1 : 0;
  return count;
}

/// The largest error as a share of its bound. Of `exact` activations (the int8 ones) only the float steps err; of those
/// before, half a step of the activations and of the levels as well.
template <class Q>
double worst_share(Problem<Q>& p, std::span<const float> y, bool exact) {
  const Int8View a = p.a.view();
  double worst = 0.0;
  const double k = (2.0 * static_cast<double>(a.shape.runs()) + 8.0) * 0x1p-24, gamma = k / (1.0 - k);
  for (std::size_t t = 0; t < p.tokens; ++t)
    for (std::size_t r = 0; r < p.w.rows; ++r) {
      const double s = static_cast<double>(a.scales[t]);
      double want = 0.0, bound = static_cast<double>(p.w.cols + 1) * 0x1p-149 * (1.0 + s);
      for (std::size_t c = 0; c < p.w.cols; ++c) {
        const test::PanelWeight w = test::panel_weight(p.w, r, c);
        const double x = static_cast<double>(p.x[t * p.w.cols + c]);
        const double xq = s * a.codes[t * a.shape.pitch() + c / a.shape.run * a.shape.run_stride + a.shape.place(c % a.shape.run)];
        want += exact ? w.value * xq : w.point * x;
        bound += gamma * w.magnitude * std::fabs(xq);
        if (!exact)  // the last term: what dequantize rounds
          bound += std::fabs(w.value) * 0.5 * s * (1.0 + 0x1p-15) + w.half_step * std::fabs(x) + 0x1p-23 * w.magnitude * std::fabs(x);
      }
      const double error = std::fabs(static_cast<double>(y[t * p.w.rows + r]) - want);
      const double share = error <= 0.0 ? 0.0 : error / bound;
      worst = share >= 0.0 ? std::max(worst, share) : INFINITY;
    }
  return worst;
}

/// Group 0 of row 0 with twice or half its scale, or near.
template <class Q>
QuantizedMatrix<Q> nudged(const test::Layer<Q>& layer) {
  QuantizedMatrix<Q> out = layer.weights;
  auto p = out.group_params(0, 0);
  if constexpr (requires { p.block; }) {
    p.block.bits = static_cast<std::uint8_t>(p.block.bits < 8 ? p.block.bits + 8 : p.block.bits - 8);
  } else if constexpr (requires { p.code; }) {
    p.code = static_cast<std::uint8_t>(p.code < 128 ? p.code + 40 : p.code - 40);
  } else if constexpr (requires { p.scale; }) {
    p.scale *= 2.0f;
    if constexpr (requires { p.offset; }) p.offset *= 2.0f;
    if constexpr (requires { p.min; }) p.min *= 2.0f;
  } else {
    for (auto& byte : p.scales) byte = static_cast<std::uint8_t>(byte < 8 ? byte + 8 : byte - 8);
  }
  out.set_params(0, 0, p);
  return out;
}

template <class Isa, class Q>
void check_isa(Problem<Q>& p, std::span<const float> want) {
  if constexpr (std::is_same_v<gemm_int8_isa<Isa, Q>, Isa>) {
    INFO(Isa::name);
    CHECK(differing(p.template product<Isa>(), want) == 0);
  }
}
/// The widest set, and for a few quantizers every set: they share the loops, and their lanes are checked one by one in
/// tests/kernel/panel.cpp.
template <class Q>
inline constexpr bool every_isa =
    std::is_same_v<Q, Grid<Int3, 16, ZeroPoint::none, ScaleStorage::f16>> ||
    std::is_same_v<Q, Grid<Int4, 128, ZeroPoint::none, ScaleStorage::f16>> ||
    std::is_same_v<Q, Grid<Int8, per_row, ZeroPoint::none, ScaleStorage::f16>>;
template <class Q>
void check_isas(Problem<Q>& p, std::span<const float> want) {
  if constexpr (every_isa<Q>) {
    check_isa<isa::avx2>(p, want);
    check_isa<isa::avx2_vnni>(p, want);
    check_isa<isa::avx512>(p, want);
    check_isa<isa::avx512_vnni>(p, want);
    check_isa<isa::avx512_vbmi>(p, want);
    check_isa<isa::neon>(p, want);
    check_isa<isa::neon_dotprod>(p, want);
    check_isa<isa::neon_i8mm>(p, want);
  } else {
    check_isa<gemm_int8_isa<isa::native, Q>>(p, want);
  }
}

/// One of every tile: widths, tables, kinds of offset, half-block runs, long rows.
using tile_quantizers = std::tuple<  //
    Grid<Int2, 128, ZeroPoint::none, ScaleStorage::f16>, Grid<Int3, 16, ZeroPoint::none, ScaleStorage::f16>,
    Grid<Int3, 5, ZeroPoint::integer, ScaleStorage::f32>, Grid<Int4, 128, ZeroPoint::none, ScaleStorage::f16>,
    Grid<Int4, per_tensor, ZeroPoint::integer, ScaleStorage::f32>, Grid<Int5, 32, ZeroPoint::real, ScaleStorage::bf16>,
    Grid<Int6, per_row, ZeroPoint::none, ScaleStorage::bf16>, Grid<Int7, 8, ZeroPoint::integer, ScaleStorage::f16>,
    Grid<Int8, per_row, ZeroPoint::none, ScaleStorage::f16>, Grid<Int8, dynamic_group, ZeroPoint::integer, ScaleStorage::f32>,
    Scaled<NF4, float, 64>, Mxfp6E2M3, Mxfp8E4M3, Nvfp4, TernaryScaled<>, GgufQ3K, GgufQ4K,
    VectorScaled<E8P, float, 40>, VectorScaled<E8P>,
    VectorScaled<D4Ball<8>>, VectorCodebook<3, 8, CodebookTables::one, float, 60>,
    TrellisScaled<trellis::OneMad, 12, 1, float, 48>, TrellisScaled<trellis::OneMad, 16, 2, f16, per_row>,
    TrellisScaled<trellis::OneMad, 12, 3, f16, per_row>, TrellisScaled<trellis::OneMad, 12, 4, f16, 32>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("gemm int8: the definition is within its bound for every quantizer", "[kernel][int8]",
                        test::panel_quantizers) {
  using Q = TestType;
  for (const auto [rows, cols] : test::awkward_shapes) {
    if (cols == 4096) continue;
    INFO(Q::storage_name() << ", " << rows << " x " << cols);
    const std::size_t tokens = 1 + (rows + cols) % 3;
    const auto layer = test::random_layer<Q>(rows, cols, tokens);
    Problem<Q> p(layer.weights, layer.x, tokens);
    const std::vector<float> want = p.template product<isa::scalar>();
    CHECK(worst_share(p, want, true) <= 1.0);
    CHECK(worst_share(p, want, false) <= 1.0);
    if (rows != 0 && cols >= 31) {
      const auto other = nudged(layer);
      Problem<Q> q(other, layer.x, tokens);
      CHECK(worst_share(p, q.template product<isa::scalar>(), true) > 1.0);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("gemm int8: every instruction set and every number of tokens gives the bits of the definition",
                        "[kernel][int8]", tile_quantizers) {
  using Q = TestType;
  for (const auto [rows, cols] : {test::Shape{1, 1}, test::Shape{5, 7}, test::Shape{16, 64}, test::Shape{17, 129}, test::Shape{35, 333},
                                  test::Shape{70, 1300}, test::Shape{0, 5}, test::Shape{5, 0}}) {
    const std::size_t most = 17;
    const auto layer = test::random_layer<Q>(rows, cols, most);
    Problem<Q> all(layer.weights, layer.x, most);
    const std::vector<float> want = all.template product<isa::scalar>();
    for (const std::size_t tokens : {1, 2, 3, 4, 5, 6, 7, 13, 17}) {
      INFO(Q::storage_name() << ", " << rows << " x " << cols << ", " << tokens << " tokens");
      Problem<Q> p(layer.weights, std::vector<float>(layer.x.begin(), layer.x.begin() + static_cast<std::ptrdiff_t>(tokens * cols)), tokens);
      const std::span<const float> head(want.data(), tokens * rows);
      check_isas(p, head);
    }
  }
}

TEST_CASE("gemm int8: more tokens than a block of them", "[kernel][int8]") {
  const auto layer = test::random_layer<Uniform<Int4>>(19, 130, 200);
  Problem<Uniform<Int4>> p(layer.weights, layer.x, 200);
  const auto want = p.product<isa::scalar>();
  check_isas(p, want);
}

TEST_CASE("gemm int8: rows longer than a run of sums may be", "[kernel][int8]") {
  using Q = Grid<Int8, per_row, ZeroPoint::none, ScaleStorage::f16>;
  const std::size_t cols = 2 * 32768 + 77;
  auto layer = test::random_layer<Q>(2, cols);
  std::memset(layer.weights.codes().data(), 0xff, layer.weights.codes().size());
  Problem<Q> extreme(layer.weights, std::vector<float>(cols, 1.0f), 1);  // all sums as large as they get
  const auto want = extreme.product<isa::scalar>();
  CHECK(worst_share(extreme, want, true) <= 1.0);
  check_isas(extreme, want);
  using G = Uniform<Int4, UniformOptions{.group_size = dynamic_group}>;
  G q{};
  q.group_size = 40000;  // two runs of 20000 to a group
  const auto w = test::normals(2 * 80000, 3);
  const auto grouped = quantize_nearest(q, w, 2, 80000).value();
  Problem<G> p(grouped, test::normals(80000, 4), 1);
  CHECK(p.panels.view().shape().run == 20000);
  const auto twice = p.product<isa::scalar>();
  CHECK(worst_share(p, twice, true) <= 1.0);
  check_isas(p, twice);
}

TEMPLATE_LIST_TEST_CASE("gemm int8: extreme codes, scales and activations stay within the bound", "[kernel][int8]",
                        tile_quantizers) {
  using Q = TestType;
  auto layer = test::random_layer<Q>(3, 300);
  for (const int byte : {0x00, 0xff})
    for (const float scale : {0.0f, f16::min_positive, 65504.0f, -65504.0f}) {
      if constexpr (!std::is_same_v<Q, Mxfp8E4M3>)  // where 0xff is NaN
        std::memset(layer.weights.codes().data(), byte, layer.weights.codes().size());
      for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t g = 0; g < layer.weights.groups().per_row_count(); ++g) {
          auto p = layer.weights.group_params(r, g);
          p.scale = scale;
          const Q q = layer.weights.view().group_quantizer(r, g);
          if (!params_finite<Q>(q.load(q.store(p), q.store_zero(p)))) continue;
          layer.weights.set_params(r, g, p);
        }
      std::vector<float> x = layer.x;
      x[7] = 1e30f;
      for (Problem<Q> p : {Problem<Q>(layer.weights, layer.x, 1), Problem<Q>(layer.weights, x, 1)}) {
        INFO(Q::storage_name() << ", bytes " << byte << ", scale " << scale);
        const auto want = p.template product<isa::scalar>();
        CHECK(worst_share(p, want, true) <= 1.0);
        check_isas(p, want);
      }
    }
}

TEMPLATE_LIST_TEST_CASE("gemm int8: a row range writes its rows, with the bits of the whole product, and no others",
                        "[kernel][int8]", tile_quantizers) {
  using Q = TestType;
  const auto layer = test::random_layer<Q>(37, 150, 2);
  Problem<Q> p(layer.weights, layer.x, 2);
  const std::vector<float> whole = p.template product<isa::native>();
  std::size_t wrong = 0;
  for (const std::size_t begin : {0, 1, 15, 16, 17, 32, 36, 37})
    for (const std::size_t end : {0, 1, 15, 16, 17, 32, 36, 37}) {
      if (end < begin) continue;
      const auto y = p.template product<isa::native>(RowRange{begin, end});
      for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t r = i % 37;
        wrong += y[i] != (r >= begin && r < end ? whole[i] : -7.0f) ? 1 : 0;
      }
    }
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("gemm int8: touches nothing outside its spans", "[kernel][int8]", tile_quantizers) {
  using Q = TestType;
  for (const auto [rows, cols] : {test::Shape{1, 1}, test::Shape{17, 257}, test::Shape{48, 64}}) {
    const auto layer = test::random_layer<Q>(rows, cols, 7);
    Problem<Q> p(layer.weights, layer.x, 7);
    const std::vector<float> want = p.template product<isa::scalar>();
    for (const bool at_end : {false, true}) {
      const auto edge = [&]<class T>(std::span<T> data) {
        return test::Guarded<std::remove_const_t<T>>(
            data, at_end ? test::Guarded<std::remove_const_t<T>>::Edge::end : test::Guarded<std::remove_const_t<T>>::Edge::begin);
      };
      PanelView<Q> w = p.panels.view();
      Int8View a = p.a.view();
      const auto bytes = edge(w.bytes);
      const auto codes = edge(a.codes);
      const auto sums = edge(a.sums);
      const auto scales = edge(a.scales);
      const std::vector<float> nothing(7 * rows);
      const auto y = edge(std::span<const float>(nothing));
      w.bytes = bytes.span();
      a.codes = codes.span();
      a.sums = sums.span();
      a.scales = scales.span();
      gemm(w, a, y.span());
      CHECK(differing(y.span(), want) == 0);
    }
  }
}

TEST_CASE("gemm int8: a token that is no number gives outputs that are none, and spares the others", "[kernel][int8]") {
  auto layer = test::random_layer<Uniform<Int4>>(3, 200, 2);
  layer.x[5] = INFINITY;
  Problem<Uniform<Int4>> p(layer.weights, layer.x, 2);
  const auto y = p.product<isa::native>();
  for (std::size_t i = 0; i < 3; ++i) CHECK(std::isnan(y[i]));
  for (std::size_t i = 3; i < 6; ++i) CHECK(std::isfinite(y[i]));
}

TEST_CASE("gemm int8: each breach of its contract reaches the handler", "[kernel][int8]") {
  using Q = Uniform<Int4>;
  const auto layer = test::random_layer<Q>(3, 200);
  Problem<Q> p(layer.weights, layer.x, 1);
  std::vector<float> y(3), longer(4);
  PanelView<Q> torn = p.panels.view();
  torn.bytes = torn.bytes.first(torn.bytes.size() - 1);
  Int8Activations other(1, Int8Shape{200, 64, 64});
  CHECK_THROWS_AS(gemm(torn, p.a.view(), y), ContractViolation);
  CHECK_THROWS_AS(gemm(p.panels.view(), p.a.view(), longer), ContractViolation);
  CHECK_THROWS_AS(gemm(p.panels.view(), other.view(), y), ContractViolation);
  CHECK_THROWS_AS(gemm(p.panels.view(), RowRange{0, 4}, p.a.view(), y), ContractViolation);
  CHECK_NOTHROW(gemm(p.panels.view(), p.a.view(), y));
}

}  // namespace lowbit::test::gemm_int8_tests
