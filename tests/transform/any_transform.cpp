// SPDX-License-Identifier: MIT
#include "lowbit/transform/any_transform.hpp"

#include "catch.hpp"
#include "lowbit/transform.hpp"
#include "ptq/test_bed.hpp"

namespace lowbit::test::any_transform_tests {
namespace {

using transform::AnyTransform;
using transform::TransformRecord;

struct Effects {
  MatrixD W, back, H;
  Matrix X, Y;
  friend bool operator==(const Effects&, const Effects&) = default;
};

Effects effects_of(const AnyTransform& t, Index rows, Index cols) {
  Effects e{gaussian(rows, cols, 1).cast<double>(), {}, {}, gaussian(3, cols, 2), gaussian(3, rows, 3)};
  e.H = e.W.transpose() * e.W;
  e.H = t.transform_moments(e.H);
  t.fold_into_weights(MatrixDRef(e.W));
  e.back = e.W;
  t.unfold_from_weights(MatrixDRef(e.back));
  t.apply_to_inputs(MatrixRef(e.X));
  t.undo_on_outputs(MatrixRef(e.Y));
  return e;
}

constexpr const char* kinds[] = {"identity",     "rht",         "rht_in",          "kron",    "kron_in",
                                 "rescale",      "rescale+rht", "rescale+kron_in", "rht+rht", "rht+rescale",
                                 "rescale+kron+rescale"};

TEST_CASE("any transform: a record gives back the same transform, to the bit", "[transform]") {
  const auto [rows, cols] = GENERATE(std::pair<Index, Index>{1, 1}, std::pair<Index, Index>{12, 40},
                                     std::pair<Index, Index>{67, 26}, std::pair<Index, Index>{16, 127});
  const Problem problem = small_problem(rows, cols, 9);
  const MatrixD W = problem.W.cast<double>();
  for (const char* kind : kinds) {
    CAPTURE(kind, rows, cols);
    const auto prepared = transform::prepare_any(kind, 77, W, problem.H.mean()).value();
    const TransformRecord record = prepared->record();
    CHECK(record.kind == kind);
    CHECK(prepared->description() == kind);
    const auto again = transform::make_transform(record, rows, cols).value();
    CHECK(again->record() == record);
    CHECK(again->stored_bits() == prepared->stored_bits());
    CHECK(again->stored_bits() == 64 * record.seeds.size() + 16 * record.values.size());
    const Effects e = effects_of(*prepared, rows, cols);
    CHECK(e == effects_of(*again, rows, cols));
    CHECK((e.back - gaussian(rows, cols, 1).cast<double>()).cwiseAbs().maxCoeff() < 1e-12);
    CHECK((e.Y == gaussian(3, rows, 3)) == (!prepared->changes_outputs() || rows == 1));
  }
}

TEST_CASE("any transform: it does what the transform of its kind does at compile time", "[transform]") {
  const Problem problem = small_problem(12, 40, 3);
  const MatrixD W = problem.W.cast<double>(), H = problem.H.mean();
  using Mine = transform::Compose<transform::DiagonalRescale, transform::RandomHadamard>;
  const auto fixed = transform::erase(transform::prepare(Mine{.second = {.seed = 5}}, W, H).value());
  const auto loose = transform::prepare_any("rescale+rht", 5, W, H).value();
  CHECK(fixed->record() == loose->record());
  CHECK(effects_of(*fixed, 12, 40) == effects_of(*loose, 12, 40));
  const auto other = transform::prepare_any("rescale+rht", 6, W, H).value();
  CHECK_FALSE(effects_of(*fixed, 12, 40) == effects_of(*other, 12, 40));
}

TEST_CASE("any transform: two rotations of one sum have seeds of their own", "[transform]") {
  const auto twice = transform::prepare_any("rht+rht", 5, MatrixD::Zero(8, 16), MatrixD()).value();
  CHECK(twice->record().seeds == std::vector<std::uint64_t>{5, 6});
}

TEST_CASE("any transform: records that are damaged or not ours are errors", "[transform]") {
  const auto code = [](TransformRecord record, Index rows = 4, Index cols = 3) {
    auto made = transform::make_transform(record, rows, cols);
    REQUIRE_FALSE(made.has_value());
    return made.error().code;
  };
  CHECK(code({.kind = "fft", .seeds = {1}}) == Errc::unsupported);
  CHECK(code({.kind = ""}) == Errc::unsupported);
  CHECK(code({.kind = "rht+", .seeds = {1}}) == Errc::unsupported);
  CHECK(code({.kind = "RHT", .seeds = {1}}) == Errc::unsupported);
  CHECK(code({.kind = "rht"}) == Errc::malformed);
  CHECK(code({.kind = "rht", .seeds = {1, 2}}) == Errc::malformed);
  CHECK(code({.kind = "identity", .values = {1.0f}}) == Errc::malformed);
  CHECK(code({.kind = "rescale", .values = {1.0f, 2.0f}}) == Errc::malformed);
  for (const float bad : {0.0f, -1.0f, 1.001f, 1e-40f, std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()})
    CHECK(code({.kind = "rescale", .values = {1.0f, bad, 1.0f}}) == Errc::malformed);
  CHECK(code({.kind = "rht", .seeds = {1}, .construction = "sylvester 3, sylvester 4"}) == Errc::unsupported);
  CHECK(code({.kind = "rht", .seeds = {1}}, -1, 3) == Errc::out_of_bounds);
  CHECK(code({.kind = "rht+rht+rht+rht+rht+rht+rht+rht+rht"}) == Errc::out_of_bounds);
  CHECK(transform::prepare_any("rht+nothing", 1, MatrixD::Zero(2, 2), MatrixD()).error().code == Errc::unsupported);
  CHECK(transform::make_transform({.kind = "rht", .seeds = {1}}, 4, 3).has_value());
}

}  // namespace
}  // namespace lowbit::test::any_transform_tests
