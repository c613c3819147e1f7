// SPDX-License-Identifier: MIT
#pragma once

/// kernel: arithmetic on packed weights. `dequantize` writes weights out, `gemv` multiplies by one vector, `gemm` by several
/// tokens: float activations times packed rows (compute::f32), the same in bf16 (compute::bf16), int8 activations times
/// panels of sixteen rows, packed ahead by `to_panels` (compute::int8), or sums of float activations that panels of signs and
/// trits look up (compute::add). kernel/<op>/scalar.hpp is the definition, generic over the quantizers; the files
/// beside it hold the overloads for wider instruction sets, chosen by tag, and every call returns the tag of the one that
/// did the work. No kernel allocates, throws or starts a thread: threads
/// split rows by RowRange, which changes no bit, and an overload that takes an executor first does so (TaskExecutor: a pool of
/// threads, OpenMP, or the caller's).

#include "lowbit/kernel/add_activations.hpp"
#include "lowbit/kernel/bf16_activations.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/kernel/gemm.hpp"
#include "lowbit/kernel/gemm_add.hpp"
#include "lowbit/kernel/gemm_bf16.hpp"
#include "lowbit/kernel/gemm_int8.hpp"
#include "lowbit/kernel/gemv.hpp"
#include "lowbit/kernel/int8_activations.hpp"
#include "lowbit/kernel/panel.hpp"
#include "lowbit/kernel/parallel.hpp"
#include "lowbit/kernel/row_range.hpp"
#include "lowbit/kernel/task_executor.hpp"
#include "lowbit/quantizer/uniform.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The name of the widest instruction set of this build: "scalar", "avx2", "avx512_vnni", "neon_dotprod", ….
constexpr const char* active_isa() noexcept { return isa::native::name; }

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
