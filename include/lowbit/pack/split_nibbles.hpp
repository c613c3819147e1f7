// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/split_fields.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Four-bit codes in blocks of two halves: byte j of a block holds code j in its low nibble and code j + Codes/2 in its
/// high nibble. GGUF: 32 for Q4_0, Q4_1, IQ4_NL, IQ4_XS and MXFP4; 16 for NVFP4; 64 for Q4_K.
template <std::size_t Codes>
using SplitNibbles = SplitFields<4, Codes>;

static_assert(LayoutFor<SplitNibbles<32>, Int4>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
