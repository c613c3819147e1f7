// SPDX-License-Identifier: MIT
#include <cmath>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "lowbit/model/eigen_kernels.hpp"
#include "lowbit/model/linear.hpp"
#include "lowbit/model/quantized_linear.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/uniform.hpp"
#include "tiny_model.hpp"

namespace lowbit::test::linear_tests {

namespace {

using W4 = Uniform<Int4, UniformOptions{.group_size = 32}>;

/// Rounded to nearest; with an order, column k of what is stored is column order[k] of W.
QuantizedMatrix<W4> quantized(const Matrix& W, const std::vector<std::uint32_t>& order) {
  Matrix stored = W;
  for (std::size_t k = 0; k < order.size(); ++k)
    stored.col(static_cast<Index>(k)) = W.col(static_cast<Index>(order[k]));
  const std::span<const float> values(stored.data(), static_cast<std::size_t>(stored.size()));
  auto q =
      quantize_nearest(W4{}, values, static_cast<std::size_t>(W.rows()), static_cast<std::size_t>(W.cols())).value();
  q.set_column_order(order);
  return q;
}

std::vector<std::uint32_t> shuffled(std::size_t n, Rng& rng) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  for (std::size_t i = n; i > 1; --i) std::swap(order[i - 1], order[static_cast<std::size_t>(rng.below(i))]);
  return order;
}

/// max over outputs of |got − X·Wᵀ| / (γ · |X|·|W|ᵀ), with the product in double: at most 1 for a correct float
/// product.
double share_of_bound(const Matrix& got, const Matrix& X, const Matrix& W) {
  const MatrixD want = X.cast<double>() * W.cast<double>().transpose();
  const MatrixD size = X.cast<double>().cwiseAbs() * W.cast<double>().cwiseAbs().transpose();
  const double u = std::ldexp(1.0, -24), n = static_cast<double>(W.cols() + 3);
  return ((got.cast<double>() - want).cwiseAbs().array() / (n * u / (1.0 - n * u) * size.array() + 1e-30)).maxCoeff();
}

}  // namespace

TEST_CASE("linear: a float product is within the error bound of float sums", "[model][linear]") {
  Rng rng(1);
  Executor executor(2);
  for (const auto& [rows, cols, tokens] :
       {std::tuple{1, 1, 1}, {3, 5, 2}, {70, 33, 65}, {513, 130, 9}, {600, 64, 129}}) {
    CAPTURE(rows, cols, tokens);
    const Matrix W = test::random_matrix(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), 1.0, rng);
    const Matrix X = test::random_matrix(static_cast<std::size_t>(tokens), static_cast<std::size_t>(cols), 1.0, rng);
    Matrix Y(tokens, rows);
    model::FloatLinear(W).apply(X, Y, executor);
    CHECK(share_of_bound(Y, X, W) <= 1.0);
    Y(0, 0) += 1e-3f * (1.0f + std::abs(Y(0, 0)));
    CHECK(share_of_bound(Y, X, W) > 1.0);
  }
}

TEST_CASE("linear: a row's product has the same bits beside any other rows, for any number of threads",
          "[model][linear]") {
  Rng rng(2);
  Executor one(1), three(3);
  for (const auto& [rows, cols] : {std::pair{130, 70}, {600, 300}, {48, 17}}) {
    const Matrix W = test::random_matrix(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), 1.0, rng);
    const Matrix X = test::random_matrix(200, static_cast<std::size_t>(cols), 1.0, rng);
    const model::FloatLinear linear(W);
    const model::QuantizedLinear<W4> packed(quantized(W, {}));
    for (const model::Linear* map :
         {static_cast<const model::Linear*>(&linear), static_cast<const model::Linear*>(&packed)}) {
      Matrix all(200, rows), again(200, rows);
      map->apply(X, all, one);
      map->apply(X, again, three);
      CHECK(all == again);
      for (const Index begin : {0, 1, 64, 131})
        for (const Index count : {2, 3, 8, 63, 65}) {
          Matrix part(count, rows);
          map->apply(X.middleRows(begin, count), part, three);
          CHECK(part == all.middleRows(begin, count));
        }
    }
  }
}

TEST_CASE("linear: packed weights multiply as their dequantized twin does", "[model][linear]") {
  Rng rng(3);
  Executor executor(2);
  for (const bool reordered : {false, true})
    for (const auto& [rows, cols] : {std::pair{5, 32}, {67, 100}, {130, 257}}) {
      CAPTURE(reordered, rows, cols);
      const Matrix W = test::random_matrix(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), 1.0, rng);
      const auto order = reordered ? shuffled(static_cast<std::size_t>(cols), rng) : std::vector<std::uint32_t>{};
      const model::QuantizedLinear<W4> packed(quantized(W, order));
      const Matrix twin = packed.dequantized();
      CHECK((twin - W).cwiseAbs().maxCoeff() < 0.5f);  // columns stand where they belong
      for (const int tokens : {1, 2, 300}) {
        const Matrix X =
            test::random_matrix(static_cast<std::size_t>(tokens), static_cast<std::size_t>(cols), 1.0, rng);
        Matrix Y(tokens, rows);
        packed.apply(X, Y, executor);
        CHECK(share_of_bound(Y, X, twin) <= 1.0);
        CHECK(gemm(packed.weights(), X) == Y);
        const Vector y = gemv(packed.weights(), Vector(X.row(0).transpose()));
        CHECK(y == Vector(Y.row(0).transpose()));
      }
      CHECK(packed.description() == W4::storage_name());
      CHECK(packed.stored_bytes() >= static_cast<std::size_t>(rows * cols) / 2);
      CHECK(packed.stored_bytes() <= static_cast<std::size_t>(rows * cols) * 3 / 2 + 1024);
    }
}

TEST_CASE("linear: strided inputs and outputs give the same product", "[model][linear]") {
  Rng rng(4);
  Executor executor(1);
  const Matrix W = test::random_matrix(20, 32, 1.0, rng), wide = test::random_matrix(7, 50, 1.0, rng);
  const Matrix X = wide.middleCols(3, 32);
  const model::QuantizedLinear<W4> packed(quantized(W, {}));
  const model::FloatLinear dense(W);
  for (const model::Linear* map :
       {static_cast<const model::Linear*>(&dense), static_cast<const model::Linear*>(&packed)}) {
    Matrix plain(7, 20), frame = Matrix::Zero(7, 30);
    map->apply(X, plain, executor);
    map->apply(wide.middleCols(3, 32), frame.middleCols(5, 20), executor);
    CHECK(frame.middleCols(5, 20) == plain);
    CHECK(frame.leftCols(5).isZero(0.0f));
    CHECK(frame.rightCols(5).isZero(0.0f));
    CHECK_THROWS_AS(map->apply(wide, plain, executor), ContractViolation);
  }
}

}  // namespace lowbit::test::linear_tests
