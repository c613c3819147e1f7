// SPDX-License-Identifier: MIT
#include "lowbit/model/computed_linear.hpp"

#include <cmath>
#include <memory>
#include <numeric>

#include "catch.hpp"
#include "lowbit/format/d4_ball.hpp"
#include "lowbit/model/quantized_linear.hpp"
#include "lowbit/model/transformed_linear.hpp"
#include "lowbit/quantizer.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"
#include "tiny_model.hpp"

namespace lowbit::test::computed_linear_tests {

namespace {

using W4 = Uniform<Int4, UniformOptions{.group_size = 32, .zero_point = ZeroPoint::integer}>;

QuantizedMatrix<W4> quantized(const Matrix& W, const std::vector<std::uint32_t>& order) {
  Matrix stored = W;
  for (std::size_t k = 0; k < order.size(); ++k) stored.col(static_cast<Index>(k)) = W.col(static_cast<Index>(order[k]));
  auto q = quantize_nearest(W4{}, std::span<const float>(stored.data(), static_cast<std::size_t>(stored.size())),
                            static_cast<std::size_t>(W.rows()), static_cast<std::size_t>(W.cols()))
               .value();
  q.set_column_order(order);
  return q;
}

/// The largest error as a share of half a step of each token's activations, summed over |w|.
double share_of_bound(const Matrix& Y, const Matrix& X, const Matrix& W) {
  const MatrixD want = X.cast<double>() * W.cast<double>().transpose();
  double worst = 0.0;
  for (Index t = 0; t < Y.rows(); ++t) {
    const double step = X.cols() == 0 ? 0.0 : static_cast<double>(X.row(t).cwiseAbs().maxCoeff()) / 127.0;
    for (Index r = 0; r < Y.cols(); ++r) {
      const double weight = W.row(r).cast<double>().cwiseAbs().sum();
      const double bound = 0.5001 * step * weight + 1e-5 * weight * 127.0 * step + 1e-30;
      worst = std::max(worst, std::fabs(static_cast<double>(Y(t, r)) - want(t, r)) / bound);
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("int8 linear: it multiplies as its dequantized twin does, in any order of columns", "[model][int8]") {
  Rng rng(3);
  Executor executor(2);
  for (const auto& [rows, cols, tokens] : {std::tuple{1, 1, 1}, {3, 5, 2}, {70, 33, 65}, {300, 130, 9}, {17, 64, 129}}) {
    CAPTURE(rows, cols, tokens);
    const Matrix W = test::random_matrix(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), 1.0, rng);
    const Matrix X = test::random_matrix(static_cast<std::size_t>(tokens), static_cast<std::size_t>(cols), 1.0, rng);
    std::vector<std::uint32_t> order(static_cast<std::size_t>(cols));
    std::iota(order.rbegin(), order.rend(), 0u);
    for (const auto& columns : {std::vector<std::uint32_t>{}, order}) {
      const model::QuantizedLinear<W4> packed(quantized(W, columns));
      const auto linear = packed.in(model::Compute::int8).value();
      REQUIRE(linear != nullptr);
      CHECK(linear->rows() == packed.rows());
      CHECK(linear->cols() == packed.cols());
      CHECK(linear->dequantized() == packed.dequantized());
      CHECK(linear->description() == W4::storage_name() + " in int8");
      Matrix Y(tokens, rows);
      linear->apply(X, Y, executor);
      CHECK(share_of_bound(Y, X, packed.dequantized()) <= 1.0);
      if (cols > 32) CHECK(share_of_bound(Y, X, packed.dequantized() * 1.1f) > 1.0);
    }
  }
}

TEST_CASE("int8 linear: a row has the same bits in any batch, for any number of threads, strided or not", "[model][int8]") {
  Rng rng(4);
  Executor one(1), three(3);
  const model::QuantizedLinear<W4> packed(quantized(test::random_matrix(261, 120, 1.0, rng), {}));
  const auto linear = packed.in(model::Compute::int8).value();
  const Matrix X = test::random_matrix(70, 120, 1.0, rng);
  Matrix all(70, 261), again(70, 261), frame = Matrix::Zero(70, 270);
  linear->apply(X, all, one);
  linear->apply(X, again, three);
  CHECK(all == again);
  for (const Index begin : {0, 1, 7, 61})
    for (const Index count : {1, 2, 9}) {
      Matrix part(count, 261);
      linear->apply(X.middleRows(begin, count), part, three);
      CHECK(part == all.middleRows(begin, count));
    }
  linear->apply(X, frame.middleCols(4, 261), three);
  CHECK(frame.middleCols(4, 261) == all);
  CHECK((frame.leftCols(4).isZero(0.0f) && frame.rightCols(5).isZero(0.0f)));
  Matrix none(0, 261);
  linear->apply(Matrix(0, 120), none, one);
  CHECK_THROWS_AS(linear->apply(Matrix(2, 119), all, one), ContractViolation);
}

TEST_CASE("computed linear: bf16, and int8 of vectors without panels, stay near and keep a token's bits", "[model][int8][bf16]") {
  Rng rng(8);
  Executor one(1), three(3);
  using V = VectorScaled<D4Ball<12>>;
  static_assert(!PanelQuantizer<V>);
  const Matrix W = test::random_matrix(141, 120, 1.0, rng), X = test::random_matrix(70, 120, 1.0, rng);
  const model::QuantizedLinear<W4> grid(quantized(W, {}));
  const model::QuantizedLinear<V> vectors(
      quantize_nearest(V{}, std::span<const float>(W.data(), static_cast<std::size_t>(W.size())), 141, 120).value());
  const auto check = [&](const model::Linear& packed, model::Compute mode, const char* name) {
    const auto linear = packed.in(mode).value();
    REQUIRE(linear != nullptr);
    CHECK(linear->description() == packed.description() + " in " + name);
    CHECK(linear->dequantized() == packed.dequantized());
    CHECK(linear->stored_bytes() == packed.stored_bytes());
    Matrix want(70, 141), all(70, 141), again(70, 141), part(7, 141);
    packed.apply(X, want, one);
    linear->apply(X, all, one);
    linear->apply(X, again, three);
    linear->apply(X.middleRows(3, 7), part, three);
    CHECK(all != want);
    CHECK((all - want).norm() < 0.02f * want.norm());
    CHECK(all == again);
    CHECK(part == all.middleRows(3, 7));
    CHECK(linear->in(mode).value() == nullptr);
  };
  check(grid, model::Compute::bf16, "bf16");
  check(vectors, model::Compute::bf16, "bf16");
  check(vectors, model::Compute::int8, "int8");
  CHECK(grid.in(model::Compute::f32).value() == nullptr);
}

TEST_CASE("int8 linear: float weights have none, a bad scale is refused", "[model][int8]") {
  Rng rng(5);
  CHECK(model::FloatLinear(test::random_matrix(3, 4, 1.0, rng)).in(model::Compute::int8).value() == nullptr);
  auto q = quantized(test::random_matrix(3, 40, 1.0, rng), {});
  q.params()[3] = f16::from_bits(0x7e00);
  const auto bad = model::QuantizedLinear<W4>(std::move(q)).in(model::Compute::int8);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == Errc::not_finite);
  CHECK(bad.error().row == 1u);
}

TEST_CASE("llama: use turns what it can and says how much, and the logits stay near", "[model][int8]") {
  Executor executor(1);
  model::Llama model = test::tiny_model(3);
  CHECK(model.use(model::Compute::int8).value().left == 14);
  for (std::size_t i = 0; i < 2; ++i)
    for (const model::Projection p : model::projections)
      if (p != model::Projection::o)
        model.layer(i)[p].linear = std::make_unique<model::QuantizedLinear<W4>>(quantized(model.layer(i)[p].linear->dequantized(), {}));
  const auto tokens = test::random_tokens(11, 37, 6);
  const Matrix before = model.forward(tokens, executor).value();
  const auto count = model.use(model::Compute::int8).value();
  CHECK(count.changed == 12);
  CHECK(count.left == 2);
  const Matrix after = model.forward(tokens, executor).value();
  CHECK(before != after);
  CHECK((before - after).norm() < 0.05f * before.norm());

  auto q = quantized(model.layer(1)[model::Projection::up].linear->dequantized(), {});
  q.params()[0] = f16::from_bits(0x7c00);
  model.layer(1)[model::Projection::up].linear = std::make_unique<model::QuantizedLinear<W4>>(std::move(q));
  const auto bad = model.use(model::Compute::int8);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().tensor == "model.layers.1.mlp.up_proj");
}

}  // namespace lowbit::test::computed_linear_tests
