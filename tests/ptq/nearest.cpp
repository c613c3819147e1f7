// SPDX-License-Identifier: MIT
#include "lowbit/ptq/nearest.hpp"

#include <algorithm>
#include <span>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/quantizer.hpp"

namespace lowbit::test::ptq_nearest_tests {

namespace {

/// Rows on their own, parameters that all rows share, and tiles of sixteen rows.
using kinds = std::tuple<Uniform<Int4>, Uniform<Int3, UniformOptions{.group_size = per_tensor, .zero_point = ZeroPoint::integer}>,
                         Nvfp4, VectorScaled<E8P>, TrellisScaled<trellis::OneMad, 12, 2>>;

Matrix normals(Index rows, Index cols) {
  Rng rng(1);
  Matrix W(rows, cols);
  for (Index i = 0; i < W.size(); ++i) W.data()[i] = static_cast<float>(rng.normal());
  return W;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("rounding to nearest: same bytes for any number of threads", "[ptq][nearest]", kinds) {
  for (const auto [rows, cols] : {std::pair<Index, Index>{1, 16}, {37, 48}, {50, 33}, {0, 8}}) {
    const Matrix W = normals(rows, cols);
    Executor one(1), three(3);
    const calib::Moments none(cols);
    const auto a = ptq::NearestRounding{}.round(TestType{}, W, none, {one}).value();
    const auto b = ptq::NearestRounding{}.round(TestType{}, W, none, {three}).value();
    INFO(rows << " x " << cols);
    const auto v = a.view(), w = b.view();
    CHECK(std::ranges::equal(v.codes, w.codes));
    CHECK(std::ranges::equal(v.zeros, w.zeros));
    CHECK(std::ranges::equal(std::as_bytes(v.params), std::as_bytes(w.params)));
    CHECK(std::ranges::equal(v.shared, w.shared));
  }
}

TEST_CASE("rounding to nearest: of several rows that overflow the first is named, for any number of threads", "[ptq][nearest]") {
  Matrix W = normals(70, 32);
  W(41, 3) = 1e30f;
  W(67, 5) = 1e30f;
  Executor three(3);
  const auto rounded = ptq::NearestRounding{}.round(Uniform<Int4, UniformOptions{.group_size = 32}>{}, W, calib::Moments(32), {three});
  REQUIRE_FALSE(rounded);
  CHECK(rounded.error().code == Errc::not_finite);
  CHECK(rounded.error().row == 41);
}

}  // namespace lowbit::test::ptq_nearest_tests
