// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "lowbit/core/checked.hpp"
#include "lowbit/kernel/add_activations.hpp"
#include "lowbit/kernel/bf16_activations.hpp"
#include "lowbit/kernel/gemm.hpp"
#include "lowbit/kernel/gemm_add.hpp"
#include "lowbit/kernel/gemm_bf16.hpp"
#include "lowbit/kernel/gemm_int8.hpp"
#include "lowbit/kernel/gemv.hpp"
#include "lowbit/kernel/int8_activations.hpp"
#include "lowbit/kernel/task_executor.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Where rows of w are cut for threads: no panel is computed twice.
template <class W>
constexpr std::size_t row_unit(const W&) noexcept {
  if constexpr (requires { W::row_unit; })
    return W::row_unit;
  else
    return 16;  // a multiple of the rows that any kernel of packed weights takes at once
}

/// The kernels on all threads of an executor: the same arguments after it, the same errors, and the same bits for any number
/// of threads.
template <class Isa = isa::native, TaskExecutor E, Quantizer Q>
gemv_isa<Isa, Q> gemv(E& executor, const PackedView<Q>& w, std::span<const float> x, std::span<float> y) {
  for_each_row_part(executor, w.rows, row_unit(w), 1, [&](RowRange rows) { gemv<Isa>(w, rows, x, y); });
  return {};
}
template <class Isa = isa::native, TaskExecutor E, Quantizer Q>
gemm_isa<Isa, Q> gemm(E& executor, const PackedView<Q>& w, std::span<const float> x, std::span<float> y,
                      std::size_t tokens) {
  for_each_row_part(executor, w.rows, row_unit(w), tokens, [&](RowRange rows) { gemm<Isa>(w, rows, x, y, tokens); });
  return {};
}

/// W: PanelView with Int8View, PackedView with Int8View or Bf16View, AddPanelView with AddView.
template <class Isa = isa::native, TaskExecutor E, class W, class X>
decltype(kernel::gemm(Isa{}, std::declval<const W&>(), RowRange{}, std::declval<const X&>(), std::span<float>{})) gemm(
    E& executor, const W& w, const X& x, std::span<float> y) {
  for_each_row_part(executor, w.rows, row_unit(w), x.tokens, [&](RowRange rows) { gemm<Isa>(w, rows, x, y); });
  return {};
}

/// Activations, cut by tokens.
template <class Isa = isa::native, TaskExecutor E>
void quantize_activations(E& executor, std::span<const float> x, const Int8View& out) {
  executor.run(ceil_div(out.tokens, std::size_t{16}), [&](std::size_t i) {
    quantize_activations<Isa>(x, 16 * i, std::min(out.tokens, 16 * (i + 1)), out);
  });
}
template <TaskExecutor E>
void round_activations(E& executor, std::span<const float> x, const Bf16View& out) {
  executor.run(ceil_div(out.tokens, std::size_t{16}), [&](std::size_t i) {
    round_activations(x, 16 * i, std::min(out.tokens, 16 * (i + 1)), out);
  });
}
template <TaskExecutor E, class Fields>
void sum_activations(E& executor, std::span<const float> x, const AddView<Fields>& out) {
  executor.run(ceil_div(out.tokens, std::size_t{16}), [&](std::size_t i) {
    sum_activations(x, 16 * i, std::min(out.tokens, 16 * (i + 1)), out);
  });
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
