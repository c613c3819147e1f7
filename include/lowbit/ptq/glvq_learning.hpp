// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/condition.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/product.hpp"
#include "lowbit/ptq/coordinate_descent.hpp"
#include "lowbit/ptq/glvq_grid.hpp"
#include "lowbit/quantizer/codebook/glvq.hpp"

namespace lowbit::ptq {

enum class GlvqCompanding : std::uint8_t {
  off,
  learned,  ///< µ from 100, within [10, 255]; kept only where it ends below no companding
};

enum class GlvqUpdate : std::uint8_t {
  closed_form,  ///< the least-squares G for given codes; gradient steps where there is companding
  adam,         ///< gradient steps always
};

struct GlvqOptions {
  int rounds = 8;                    ///< of G, then codes
  int cd_sweeps = 2;                 ///< of block descent over the codes, per round
  GlvqUpdate update = GlvqUpdate::closed_form;
  GlvqCompanding companding = GlvqCompanding::off;
  double pull = 1e-4;                ///< λ towards the G of the round before, a fraction of the mean curvature
  int adam_steps = 30;               ///< per round
  double learning_rate = 3e-3;       ///< of the root mean square of G, per step
  double condition_bound = 1e3;      ///< of G: smaller singular values are raised
  std::size_t rows = 1024;           ///< of a layer that are learned from, evenly spaced
};

/// One block of columns of a layer and the lattice that is learned for it.
///
///   U  [rows × columns]  weights over their rows' scales
///   c  [rows]            what a row's error weighs, the square of its scale
///   H  [columns × columns]
///
/// The loss is Σ c·(û − u)·H·(û − u)ᵀ. Every step either lowers it or is not taken. The pull is towards the last G, not the
/// first one as in the source, so it slows the descent down and does not move its end.
template <std::size_t Dim, int Bits, bool Half, std::size_t Columns>
class GlvqBlock {
 public:
  using Q = Glvq<Dim, Bits, Half, Columns>;

  GlvqBlock(const Q& q, Matrix U, VectorD c, MatrixD H) : q_(q), U_(std::move(U)), c_(std::move(c)), H_(std::move(H)) {
    wide_ = (U_.cols() + d - 1) / d;
    q_.row_scale = GlvqRowScale::one;
  }

  double loss() const noexcept { return loss_; }
  std::span<const float> block() const noexcept { return block_; }
  const std::vector<double>& losses() const noexcept { return losses_; }  ///< after the start, then after each half round

  /// Starts from a block [Q::block_floats], encoding every vector by itself.
  void start(std::span<const float> block, int sweeps) {
    std::copy(block.begin(), block.end(), block_.begin());
    codes_ = detail::Codes::Zero(U_.rows(), wide_);
    const codebook::Generator<Dim> lattice(std::span<const float>(block_).first(Dim * Dim));
    for (Index r = 0; r < U_.rows(); ++r)
      for (Index b = 0; b < wide_; ++b)
        codes_(r, b) = q_.quantize_with(lattice, U_.row(r).data() + b * d,
                                        static_cast<std::size_t>(std::min(d, U_.cols() - b * d)), point());
    loss_ = loss_of(block_);
    update_codes(sweeps);
    losses_.assign(1, loss_);
  }
  /// Multiples of I and of the Cholesky factor of the data, and the reduced basis of what is better; after companding, if µ > 0.
  void start_from_data(double mu, int sweeps) {
    std::vector<float> first(Q::block_floats);
    const float most = U_.size() == 0 ? 0.0f : U_.cwiseAbs().maxCoeff();
    const double a = mu > 0.0 && most > 0.0f ? static_cast<double>(most) : 1.0;
    Matrix V = U_;
    for (float& v : V.reshaped()) v = static_cast<float>(mu_law(static_cast<double>(v) / a, mu));
    const auto rows = static_cast<std::size_t>(V.rows()), cols = static_cast<std::size_t>(V.cols());
    q_.fit_shared({.values = {V.data(), rows * cols}, .rows = rows, .cols = cols, .groups = Groups(rows, cols, per_row)},
                  first);
    first[Dim * Dim] = static_cast<float>(mu);
    first[Dim * Dim + 1] = static_cast<float>(a);
    std::vector<float> reduced = first;
    codebook::reduce_basis<Dim>(std::span(reduced).first(Dim * Dim));
    start(first, sweeps);
    GlvqBlock other = *this;
    other.start(reduced, sweeps);
    if (other.loss_ < loss_) *this = std::move(other);
  }

  void learn(const GlvqOptions& options) {
    for (int round = 0; round < options.rounds; ++round) {
      const double before = loss_;
      if (options.update == GlvqUpdate::closed_form && !(block_[Dim * Dim] > 0.0f))
        solve_basis(options);
      else
        descend(options);
      losses_.push_back(loss_);
      update_codes(options.cd_sweeps);
      losses_.push_back(loss_);
      if (!(loss_ < before * (1.0 - 1e-5))) break;
    }
  }

 private:
  static constexpr Index d = static_cast<Index>(Dim);
  using Floats = std::array<float, Q::block_floats>;

  typename Q::point_type point() const noexcept { return {1.0f, block_.data()}; }

  MatrixD values(const Floats& block) const {
    MatrixD out(U_.rows(), U_.cols());
    float y[Dim];
    for (Index r = 0; r < U_.rows(); ++r)
      for (Index b = 0; b < wide_; ++b) {
        q_.dequantize(static_cast<typename Q::code_type>(codes_(r, b)), {1.0f, block.data()}, std::span<float, Dim>(y, Dim));
        for (Index i = 0; i < std::min(d, U_.cols() - b * d); ++i) out(r, b * d + i) = static_cast<double>(y[i]);
      }
    return out;
  }
  MatrixD coordinates() const {  // z, [rows × wide · Dim]
    MatrixD Z(U_.rows(), wide_ * d);
    for (Index r = 0; r < U_.rows(); ++r)
      for (Index b = 0; b < wide_; ++b)
        Q::format_type::split(static_cast<typename Q::code_type>(codes_(r, b)), Z.row(r).data() + b * d);
    return Z;
  }
  double loss_of(const Floats& block) const {
    const MatrixD E = values(block) - U_.template cast<double>();
    return c_.dot(linalg::product(E, H_).cwiseProduct(E).rowwise().sum());
  }
  void update_codes(int sweeps) {
    MatrixD Q_values = values(block_);
    Q here = q_;
    here.blocks = block_.data();
    const detail::GlvqGrid<Q> grid(here, std::vector<float>(static_cast<std::size_t>(U_.rows()), 1.0f));
    coordinate_descent(grid, U_.template cast<double>(), H_, MatrixDRef(Q_values), detail::CodesRef(codes_), sweeps);
    loss_ = loss_of(block_);
  }
  /// Takes G and µ if they lower the loss.
  bool accept(const MatrixD& G, double mu, double bound) {
    if (!G.allFinite() || !std::isfinite(mu)) return false;
    const MatrixD bounded = linalg::with_bounded_condition(G, bound);
    Floats next = block_;
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j) next[static_cast<std::size_t>(i * d + j)] = static_cast<float>(bounded(i, j));
    next[Dim * Dim] = static_cast<float>(mu);
    const double loss = loss_of(next);
    if (!(loss < loss_)) return false;
    block_ = next;
    loss_ = loss;
    return true;
  }
  MatrixD basis() const {
    MatrixD G(d, d);
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j) G(i, j) = static_cast<double>(block_[static_cast<std::size_t>(i * d + j)]);
    return G;
  }

  /// The G of least loss for these codes. In vec(G) the curvature is Σ H_bb' ⊗ S_b'b over pairs of vectors of the block, with
  /// S_b'b = Σ c·z_b'·z_bᵀ; one Newton step is exact. Cost: (columns/Dim)²·Dim⁴ + Dim⁶/3.
  void solve_basis(const GlvqOptions& options) {
    const Index n = U_.cols(), padded = wide_ * d;
    const MatrixD Z = coordinates(), weighted = c_.asDiagonal() * Z;
    const MatrixD S = linalg::product(Z.transpose(), weighted);
    MatrixD H = MatrixD::Zero(padded, padded), pull = MatrixD::Zero(U_.rows(), padded);
    H.topLeftCorner(n, n) = H_;
    pull.leftCols(n) = linalg::product(values(block_) - U_.template cast<double>(), H_);
    const MatrixD slope = linalg::product(pull.transpose(), weighted);  // [columns × columns]; its diagonal blocks add up to half the gradient
    MatrixD M = MatrixD::Zero(d * d, d * d);
    VectorD gradient = VectorD::Zero(d * d);
    for (Index b = 0; b < wide_; ++b) {
      for (Index i = 0; i < d; ++i)
        for (Index j = 0; j < d; ++j) gradient(i * d + j) += slope(b * d + i, b * d + j);
      for (Index o = 0; o < wide_; ++o)
        for (Index i = 0; i < d; ++i)
          for (Index k = 0; k < d; ++k)
            M.block(i * d, k * d, d, d) += H(b * d + i, o * d + k) * S.block(b * d, o * d, d, d);
    }
    const double mean = M.diagonal().mean();
    if (!(mean > 0.0) || !std::isfinite(mean)) return;
    auto factor = linalg::with_damping(M, {.fraction = options.pull, .first = 1e-7},
                                       [](MatrixD A) { return linalg::cholesky(std::move(A)); });
    if (!factor) return;
    const MatrixD down = linalg::solve(factor->factor, gradient);
    MatrixD G = basis();
    for (Index i = 0; i < d * d; ++i) G(i / d, i % d) -= down(i);
    accept(G, 0.0, options.condition_bound);
  }

  /// Adam on G and µ for these codes; the best point on the way is taken.
  void descend(const GlvqOptions& options) {
    const MatrixD Z = coordinates();
    MatrixD G = basis(), first = MatrixD::Zero(d, d), second = first;
    double mu = static_cast<double>(block_[Dim * Dim]), mu_first = 0.0, mu_second = 0.0;
    const double a = static_cast<double>(block_[Dim * Dim + 1]);
    const double rate = options.learning_rate * std::sqrt(G.squaredNorm() / static_cast<double>(d * d));
    const bool companded = mu > 0.0;
    for (int step = 1; step <= options.adam_steps; ++step) {
      MatrixD V(U_.rows(), wide_ * d), E(U_.rows(), U_.cols());
      for (Index b = 0; b < wide_; ++b) V.middleCols(b * d, d) = linalg::product(Z.middleCols(b * d, d), G.transpose());
      for (Index r = 0; r < E.rows(); ++r)
        for (Index j = 0; j < E.cols(); ++j) E(r, j) = a * mu_law_inverse(V(r, j), mu) - static_cast<double>(U_(r, j));
      const MatrixD by_value = c_.asDiagonal() * linalg::product(E, H_) * a;  // half the gradient
      MatrixD by_point = MatrixD::Zero(V.rows(), V.cols());
      double by_mu = 0.0;
      const double log = std::log1p(mu);
      for (Index r = 0; r < E.rows(); ++r)
        for (Index j = 0; j < E.cols(); ++j) {
          if (!companded) {
            by_point(r, j) = by_value(r, j);
            continue;
          }
          const double size = std::fabs(V(r, j)), power = std::exp(size * log);
          by_point(r, j) = by_value(r, j) * log * power / mu;
          by_mu += by_value(r, j) * std::copysign(size * power / ((1.0 + mu) * mu) - (power - 1.0) / (mu * mu), V(r, j));
        }
      MatrixD by_basis = MatrixD::Zero(d, d);
      for (Index b = 0; b < wide_; ++b)
        linalg::add_product(by_basis, by_point.middleCols(b * d, d).transpose(), Z.middleCols(b * d, d));
      first = 0.9 * first + 0.1 * by_basis;
      second = 0.999 * second + 0.001 * by_basis.cwiseAbs2();
      const double bias1 = 1.0 - std::pow(0.9, step), bias2 = 1.0 - std::pow(0.999, step);
      const double tiny = 1e-12 * std::sqrt(second.maxCoeff() / bias2) + 1e-300;
      G.array() -= rate * (first.array() / bias1) / ((second.array() / bias2).sqrt() + tiny);
      if (companded) {
        mu_first = 0.9 * mu_first + 0.1 * by_mu;
        mu_second = 0.999 * mu_second + 0.001 * by_mu * by_mu;
        mu -= 100.0 * options.learning_rate * (mu_first / bias1) / (std::sqrt(mu_second / bias2) + 1e-300);
        mu = std::clamp(mu, 10.0, 255.0);
      }
      accept(G, mu, options.condition_bound);
    }
  }

  Q q_;
  Matrix U_;
  VectorD c_;
  MatrixD H_;
  Index wide_;
  Floats block_{};
  detail::Codes codes_;
  double loss_ = 0.0;
  std::vector<double> losses_;
};

}  // namespace lowbit::ptq
