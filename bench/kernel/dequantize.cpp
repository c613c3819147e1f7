// SPDX-License-Identifier: MIT
#include "lowbit/kernel/dequantize.hpp"

#include "lowbit/core/type_list.hpp"
#include "lowbit/format.hpp"
#include "support/layer.hpp"

namespace lowbit::bench {
namespace {

template <class Q, class Isa>
void dequantize_rows(std::size_t rows, std::size_t cols) {
  benchmark::RegisterBenchmark(
      label("dequantize", quantizer_name<Q>(), Isa::name, rows, cols, 1, Residence::cache).c_str(),
      [=](benchmark::State& state) {
        Layer<Q> layer(rows, cols, 1, Residence::cache);
        std::vector<float> out(rows * cols);
        for (auto _ : state) {
          dequantize<Isa>(layer.weights(), 0, rows, out);
          benchmark::ClobberMemory();
        }
        gemv(layer.weights(), layer.x(), layer.y());
        report(state, layer);
        state.counters.erase("GFLOPs");
      })
      ->Unit(benchmark::kMicrosecond);
}

/// One of every kind that is stored. Vector formats have rows of their own beside their encoders.
using Stored = TypeList<
    Uniform<Int2>, Uniform<Int3>, Uniform<Int4>, Uniform<Int5>, Uniform<Int6>, Uniform<Int7>, Uniform<Int8>,
    Uniform<Int4, UniformOptions{.zero_point = ZeroPoint::integer}>, Uniform<Int4, UniformOptions{.zero_point = ZeroPoint::real}>,
    Scaled<NF4, float, 64>, Scaled<NormalFloat<3>>, DoubleQuantized<NF4>, Scaled<BnbFp4, float, 64>, Scaled<E2M1>, Scaled<E2M3>,
    Scaled<E3M2>, Scaled<E3M4>, Scaled<E4M3FN>, Scaled<E5M2>, Scaled<Dynamic8, float>, Scaled<DInt<4>>, DIntScaled<4>,
    PowerScaled<4>, Scaled<PowerOfTwo<4>>, Scaled<Apot<4>>, Scaled<Post<4>>, Scaled<HalfOffset<2>>, TernaryScaled<>,
    TritPlanesScaled<>, BinaryScaled<1>, BinaryScaled<2>, PhaseScaled<1>, PhaseScaled<2>, TwinLog<4>, Mxfp4, Mxfp6E2M3, Mxfp6E3M2,
    Mxfp8E4M3, Mxfp8E5M2, Mxint8, Nvfp4, GgufQ4_0, GgufQ4_1, GgufQ5_0, GgufQ5_1, GgufQ8_0, GgufQ2K, GgufQ3K, GgufQ4K, GgufQ5K,
    GgufQ6K, GgufIq4Nl, GgufIq4Xs, GgufTq1_0, GgufTq2_0, GgufMxfp4, GgufNvfp4, GgufQ1_0, GgufQ2_0>;

/// Weights per second of the widest overload, 64 rows of 4096, in cache.
template <class Q>
void decode_row() {
  benchmark::RegisterBenchmark(("decode/" + Q::storage_name() + "/" + dequantize_isa<isa::native, Q>::name).c_str(),
                               [](benchmark::State& state) {
                                 constexpr std::size_t rows = 64, cols = 4096;
                                 Rng rng(1);
                                 std::vector<float> w(rows * cols), out(rows * cols);
                                 for (float& v : w) v = static_cast<float>(0.02 * rng.normal());
                                 const auto m = quantize_nearest(Q{}, w, rows, cols).value();
                                 const auto view = m.view();
                                 for (auto _ : state) {
                                   dequantize(view, 0, rows, out);
                                   benchmark::ClobberMemory();
                                 }
                                 using benchmark::Counter;
                                 state.counters["Mw"] =
                                     Counter(static_cast<double>(rows * cols) * 1e-6, Counter::kIsIterationInvariantRate);
                                 state.counters["bpw"] = m.bits_per_weight();
                               })
      ->Unit(benchmark::kMicrosecond);
}

const bool registered = [] {
  Stored::for_each([](auto type) { decode_row<typename decltype(type)::type>(); });
  const auto each = []<class Q>(std::type_identity<Q>) {
    dequantize_rows<Q, isa::scalar>(64, 4096);
    if constexpr (!std::is_same_v<dequantize_isa<isa::native, Q>, isa::scalar>)
      dequantize_rows<Q, dequantize_isa<isa::native, Q>>(64, 4096);
  };
  each(std::type_identity<W4>{});
  each(std::type_identity<W3>{});
  each(std::type_identity<W8>{});
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
