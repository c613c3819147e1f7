// SPDX-License-Identifier: MIT
#include <Eigen/Cholesky>

#include "catch.hpp"
#include "lowbit/quantizer/pvq.hpp"
#include "ptq/test_bed.hpp"

/// Hessian rounding of formats whose codes stand for several weights.

namespace lowbit::test::block_rounding_tests {
namespace {

using ptq::HessianRounding;
using ptq::NearestRounding;

/// A tile of 4 × 4 integers that is rounded together: what the rows lose to rounding is carried down each column.
struct CarryTile {
  static constexpr std::size_t tile_rows = 4, tile_codes = 4, bytes_per_tile = 16;
  static void pack_tile(std::span<const std::uint8_t> tile, std::span<std::uint8_t> bytes) noexcept {
    std::copy(tile.begin(), tile.end(), bytes.begin());
  }
  static void unpack_row(std::span<const std::uint8_t> band, std::size_t row, std::size_t first,
                         std::span<std::uint8_t> out) noexcept {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = band[(first + i) / 4 * bytes_per_tile + row * 4 + (first + i) % 4];
  }
};

struct CarryScaled {
  using format_type = Int4;
  using layout_type = CarryTile;
  using stored_type = float;
  static constexpr unsigned zero_bits = 0;
  std::size_t group_size = per_row;
  struct params_type {
    float scale = 0.0f;
    friend bool operator==(const params_type&, const params_type&) = default;
  };
  params_type fit(std::span<const float> group) const noexcept {
    float most = 0.0f;
    for (const float x : group) most = std::max(most, std::fabs(x));
    return {most / 7.0f};
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  std::uint8_t quantize(float x, params_type p) const noexcept {
    return Int4{}.encode(p.scale > 0.0f ? x / p.scale : 0.0f);
  }
  void dequantize(std::uint8_t c, params_type p, std::span<float, 1> y) const noexcept {
    Int4{}.decode(c, y);
    y[0] *= p.scale;
  }
  void quantize_tile(std::span<const float> x, std::span<const params_type> params, std::span<std::uint8_t> codes) const {
    for (std::size_t c = 0; c < 4; ++c) {
      float carry = 0.0f;
      for (std::size_t r = 0; r < 4; ++r) {
        const float want = x[r * 4 + c] + 0.25f * carry;
        codes[r * 4 + c] = quantize(want, params[r]);
        float got[1];
        dequantize(codes[r * 4 + c], params[r], std::span<float, 1>(got));
        carry = want - got[0];
      }
    }
  }
  stored_type store(params_type p) const noexcept { return p.scale; }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  params_type load(stored_type s, std::uint8_t) const noexcept { return {s}; }
  static std::string storage_name() { return "carry"; }
};

static_assert(TileQuantizer<CarryScaled>);

/// One block of rows × columns rounded by q with the parameters of `fitted`.
template <class Q>
MatrixD round_block(const QuantizedMatrix<Q>& fitted, Index row, Index column, const MatrixD& x) {
  constexpr auto dim = static_cast<Index>(Q::format_type::dim), wide = static_cast<Index>(code_columns<Q>),
                 tall = static_cast<Index>(pack::tile_rows<typename Q::layout_type>);
  std::vector<float> values(static_cast<std::size_t>(tall * wide), 0.0f);
  for (Index r = 0; r < x.rows(); ++r)
    for (Index c = 0; c < x.cols(); ++c) values[static_cast<std::size_t>(r * wide + c)] = static_cast<float>(x(r, c));
  const auto g = fitted.groups().of_column(static_cast<std::size_t>(column));
  std::vector<typename Q::params_type> params(static_cast<std::size_t>(tall));
  for (Index r = 0; r < x.rows(); ++r)
    params[static_cast<std::size_t>(r)] = fitted.group_params(static_cast<std::size_t>(row + r), g);
  std::vector<typename Q::format_type::code_type> codes(static_cast<std::size_t>(tall * wide / dim));
  const Q& q = fitted.quantizer();
  if constexpr (TileQuantizer<Q>)
    q.quantize_tile(values, params, codes);
  else
    codes[0] = q.quantize(std::span<const float, Q::format_type::dim>(values.data(), Q::format_type::dim), params[0]);
  MatrixD out(x.rows(), x.cols());
  for (Index r = 0; r < x.rows(); ++r)
    for (Index c = 0; c < x.cols(); ++c) {
      float y[dim];
      q.dequantize(codes[static_cast<std::size_t>((r * wide + c) / dim)], params[static_cast<std::size_t>(r)],
                   std::span<float, Q::format_type::dim>(y, Q::format_type::dim));
      out(r, c) = static_cast<double>(y[c % dim]);
    }
  return out;
}

/// The same by its definition: before each block the weights not yet rounded take the values that are best for the errors
/// made so far, from one solve of the damped H per block.
template <class Q>
MatrixD rounded_by_definition(const Problem& problem, const QuantizedMatrix<Q>& fitted, double damp) {
  const Index rows = problem.W.rows(), n = problem.W.cols(), wide = static_cast<Index>(code_columns<Q>),
              tall = static_cast<Index>(pack::tile_rows<typename Q::layout_type>);
  MatrixD H = problem.H.mean();
  H.diagonal().array() += damp * H.diagonal().mean();
  const MatrixD W = problem.W.cast<double>();
  MatrixD error = MatrixD::Zero(rows, n), out(rows, n);  // error: Ŵ − W
  for (Index j = 0; j < n; j += wide) {
    const Index left = n - j, columns = std::min(wide, left);
    MatrixD target = W.middleCols(j, columns);
    if (j > 0) {
      const MatrixD pull = (error.leftCols(j) * H.block(0, j, j, left)).transpose();
      target -= H.bottomRightCorner(left, left).ldlt().solve(pull).transpose().leftCols(columns);
    }
    for (Index top = 0; top < rows; top += tall) {
      const Index count = std::min(tall, rows - top);
      out.block(top, j, count, columns) = round_block(fitted, top, j, target.middleRows(top, count));
    }
    error.middleCols(j, columns) = out.middleCols(j, columns) - W.middleCols(j, columns);
  }
  return out;
}

template <class Q>
void follows_definition(const Q& q, Index rows, Index columns) {
  const Problem problem = small_problem(rows, columns, static_cast<std::uint64_t>(rows * 100 + columns));
  CAPTURE(rows, columns);
  const auto nearest = rounded(NearestRounding{}, q, problem);
  MatrixD first;
  for (const std::size_t block : {std::size_t{1}, std::size_t{10}, std::size_t{128}}) {
    ptq::RoundingReport report;
    const auto got = rounded(HessianRounding{.static_groups = true, .block_size = block}, q, problem, &report);
    const MatrixD values = dequantized(got);
    if (first.size() == 0) first = rounded_by_definition(problem, nearest, report.damp);
    CHECK((values - first).cwiseAbs().maxCoeff() <= 1e-9);
    CHECK(report.error == Approx(proxy(problem, got)).epsilon(1e-9));
  }
}

}  // namespace

TEST_CASE("block rounding: each block is rounded at the best value that the errors before it leave", "[ptq][hessian]") {
  for (const auto& [rows, columns] : {std::pair<Index, Index>{1, 1}, {3, 2}, {5, 37}, {40, 30}}) {
    PhaseScaled<1, float, dynamic_group> phase;
    phase.group_size = per_row;
    follows_definition(phase, rows, columns);
    phase.group_size = 8;
    follows_definition(phase, rows, columns);
    CarryScaled tile;
    follows_definition(tile, rows, columns);
    tile.group_size = 12;
    follows_definition(tile, rows, columns);
    tile.group_size = per_tensor;
    follows_definition(tile, rows, columns);
  }
}

TEST_CASE("block rounding: the output error is below that of rounding to nearest, and sweeps never raise it",
          "[ptq][hessian]") {
  const Problem problem = tb1(3);
  const auto check = [&](const auto& q) {
    const double nearest = proxy(problem, rounded(NearestRounding{}, q, problem));
    for (const bool act_order : {false, true})
      for (const bool static_groups : {false, true}) {
        CAPTURE(act_order, static_groups);
        double before = nearest;
        for (const int sweeps : {0, 1, 3}) {
          const HessianRounding policy{.act_order = act_order, .static_groups = static_groups, .cd_sweeps = sweeps};
          ptq::RoundingReport report;
          const auto one = rounded(policy, q, problem, &report), two = rounded(policy, q, problem, nullptr, 2);
          const double now = proxy(problem, one);
          CHECK(report.error == Approx(now).epsilon(1e-9));
          CHECK(now <= before * (1.0 + 1e-12));
          CHECK((sweeps == 0 || report.moved_codes > 0));
          CHECK(same_bytes(one, two));
          CHECK(one.column_order().empty() == !act_order);
          before = now;
        }
      }
  };
  check(PhaseScaled<2, f16, 64>{});
  CarryScaled tile;
  tile.group_size = 64;
  check(tile);
}

TEST_CASE("block rounding: with H = I a vector format is rounded to nearest", "[ptq][hessian]") {
  const Problem problem{gaussian(33, 101, 9), identity_moments(101)};
  PhaseScaled<2, f16, 64> q;
  CHECK(same_bytes(rounded(HessianRounding{}, q, problem), rounded(NearestRounding{}, q, problem)));
  CarryScaled tile;
  CHECK(same_bytes(rounded(HessianRounding{}, tile, problem), rounded(NearestRounding{}, tile, problem)));
}

TEST_CASE("block rounding: a quantizer that weighs errors within its block loses less where inputs are correlated",
          "[ptq][hessian]") {
  struct Plain : PvqScaled<16, 24, 7> {
    void quantize_weighted() = delete;  // hides the weighted one
  };
  for (const Problem& problem : {tb0(), tb1()}) {
    const double weighted = proxy(problem, rounded(HessianRounding{}, Pvq3{}, problem));
    const double plain = proxy(problem, rounded(HessianRounding{}, Plain{}, problem));
    CHECK(weighted <= 0.5 * plain);
    double before = weighted;
    for (const int sweeps : {1, 3}) {
      const double now = proxy(problem, rounded(HessianRounding{.cd_sweeps = sweeps}, Pvq3{}, problem));
      CHECK(now <= before * (1.0 + 1e-12));
      before = now;
    }
  }
}

}  // namespace lowbit::test::block_rounding_tests
