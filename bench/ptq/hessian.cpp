// SPDX-License-Identifier: MIT
#include "lowbit/ptq/hessian.hpp"

#include <cmath>

#include "support/layer.hpp"

namespace lowbit::bench {
namespace {

/// The down projection of a Llama of 135 million parameters, with inputs that are correlated (0.9 from channel to
/// channel) and of log-normal scale.
struct Problem {
  static constexpr Index rows = 576, cols = 1536, tokens = 4096;
  Matrix W{rows, cols};
  calib::Moments H{cols};

  Problem() {
    Rng rng(1), scales(2);
    for (Index i = 0; i < W.size(); ++i) W.data()[i] = static_cast<float>(0.02 * rng.normal());
    Matrix X(tokens, cols);
    for (Index t = 0; t < tokens; ++t) {
      double x = rng.normal();
      for (Index j = 0; j < cols; ++j) {
        X(t, j) = static_cast<float>(x);
        x = 0.9 * x + std::sqrt(1.0 - 0.81) * rng.normal();
      }
    }
    for (Index j = 0; j < cols; ++j) X.col(j) *= static_cast<float>(std::exp(scales.normal()));
    Executor alone;
    H.add(X, alone).value();
  }
  static const Problem& get() {
    static const Problem problem;
    return problem;
  }
};

template <class Q, class Policy>
void round(benchmark::State& state, const Policy& policy) {
  const Problem& problem = Problem::get();
  Executor alone;
  ptq::RoundingReport report, nearest;
  double bits = 0.0;
  for (auto _ : state)
    bits = policy.round(Q{}, problem.W, problem.H, ptq::RoundingContext{alone, &report}).value().bits_per_weight();
  (void)ptq::NearestRounding{}.round(Q{}, problem.W, problem.H, ptq::RoundingContext{alone, &nearest}).value();
  using benchmark::Counter;
  state.counters["Mw"] = Counter(static_cast<double>(problem.W.size()) * 1e-6, Counter::kIsIterationInvariantRate);
  state.counters["bpw"] = bits;
  state.counters["nmse"] = report.relative_error();  // of the layer's outputs
  state.counters["vs_rtn"] = report.error / nearest.error;
}

/// Millions of weights per second on one thread, the factorization and the report's error included.
template <class Q>
void policies() {
  using ptq::HessianRounding;
  const auto add = [](const std::string& op, const auto& policy) {
    benchmark::RegisterBenchmark(label(op, quantizer_name<Q>(), "eigen", Problem::rows, Problem::cols).c_str(),
                                 [policy](benchmark::State& state) { round<Q>(state, policy); })
        ->Unit(benchmark::kMillisecond);
  };
  add("rtn", ptq::NearestRounding{});
  add("gptq", HessianRounding{});
  add("gptq_act_order", HessianRounding{.act_order = true, .static_groups = true});
  add("gptq_act_order_cd3", HessianRounding{.act_order = true, .static_groups = true, .cd_sweeps = 3});
}

const bool registered = [] {
  policies<W3>();
  policies<W4>();
  policies<GgufQ4_0>();
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
