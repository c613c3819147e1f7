// SPDX-License-Identifier: MIT
#pragma once

/// kernel: arithmetic on packed weights and float activations. `dequantize` writes weights out, `gemv` multiplies by one
/// vector, `gemm` by several tokens. kernel/<op>/scalar.hpp is the definition, generic over every Quantizer; the files
/// beside it hold the overloads for wider instruction sets, chosen by tag, and every call returns the tag of the one that
/// did the work. No kernel allocates, throws or starts a thread; threads split rows by RowRange, which changes no bit.

#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/kernel/gemm.hpp"
#include "lowbit/kernel/gemv.hpp"
#include "lowbit/kernel/row_range.hpp"
#include "lowbit/quantizer/uniform.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The name of the widest instruction set of this build: "scalar", "avx2", "avx512" or "neon".
constexpr const char* active_isa() noexcept { return isa::native::name; }

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
