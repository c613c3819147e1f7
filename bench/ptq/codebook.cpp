// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

#include "lowbit/core/rng.hpp"
#include "lowbit/ptq/dgms.hpp"
#include "lowbit/ptq/glvq.hpp"
#include "lowbit/ptq/hessian.hpp"
#include "lowbit/ptq/lnq.hpp"

namespace lowbit::bench {
namespace {

/// 256 × 1024 Gaussian weights; inputs autoregressive across channels with ρ = 0.9.
struct Layer {
  Matrix W{256, 1024};
  calib::Moments H;
  Layer() {
    Rng rng(1);
    for (Index i = 0; i < W.size(); ++i) W.data()[i] = static_cast<float>(rng.normal());
    Matrix X(2048, W.cols());
    for (Index t = 0; t < X.rows(); ++t) {
      double x = 0.0;
      for (Index j = 0; j < X.cols(); ++j) {
        x = j == 0 ? rng.normal() : 0.9 * x + std::sqrt(1.0 - 0.81) * rng.normal();
        X(t, j) = static_cast<float>(x);
      }
    }
    H = calib::Moments(W.cols());
    Executor alone;
    H.add(X, alone).value();
  }
};

/// Rows: <policy>/<type>/256x1024, one thread: seconds, bits per weight and ‖(W−Ŵ)X‖² / ‖WX‖².
template <class Policy, class Q>
void policy_row(benchmark::State& state, Policy policy, Q q) {
  static const Layer layer;
  Executor alone;
  ptq::RoundingReport report;
  double bits = 0.0;
  for (auto _ : state) bits = policy.round(q, layer.W, layer.H, ptq::RoundingContext{alone, &report}).value().bits_per_weight();
  state.counters["bpw"] = bits;
  state.counters["rel_error"] = report.relative_error();
}

const bool registered = [] {
  const auto add = [](const char* name, auto policy, auto q) {
    benchmark::RegisterBenchmark((std::string(name) + "/256x1024").c_str(), [=](benchmark::State& state) {
      policy_row(state, policy, q);
    })->Iterations(1)->Unit(benchmark::kMillisecond);
  };
  add("nearest/codebook2", ptq::NearestRounding{}, RowCodebook<2>{});
  add("squeezellm/codebook2", ptq::Lnq{.iterations = 0}, RowCodebook<2>{});
  add("hessian/codebook2", ptq::HessianRounding{}, RowCodebook<2>{});
  add("lnq_nearest/codebook2", ptq::Lnq{.start = ptq::LnqStart::nearest}, RowCodebook<2>{});
  add("lnq/codebook2", ptq::Lnq{}, RowCodebook<2>{});
  add("lnq/codebook3", ptq::Lnq{}, RowCodebook<3>{});
  add("lnq/codebook4", ptq::Lnq{}, RowCodebook<4>{});
  add("dgms/codebook3", ptq::Dgms{}, RowCodebook<3, per_tensor>{});
  add("hessian/glvq8d2h", ptq::HessianRounding{.cd_sweeps = 2}, Glvq<8, 2, true>{});
  add("glvq/glvq8d2b", ptq::GlvqRounding{}, Glvq<8, 2>{});
  add("glvq/glvq8d2h", ptq::GlvqRounding{}, Glvq<8, 2, true>{});
  add("glvq/glvq32d2h", ptq::GlvqRounding{}, Glvq<32, 2, true>{});
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
