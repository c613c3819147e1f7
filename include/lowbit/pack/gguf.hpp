// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/bit_planes.hpp"
#include "lowbit/pack/concept.hpp"
#include "lowbit/pack/joined.hpp"
#include "lowbit/pack/split_fields.hpp"
#include "lowbit/pack/split_nibbles.hpp"

/// The code bytes of GGUF's block types, in file order, where they are not one layout under a name of its own already:
///
///   Q4_0, Q4_1, IQ4_NL, MXFP4, IQ4_XS  SplitNibbles<32>
///   NVFP4                              SplitNibbles<16>
///   Q4_K                               SplitNibbles<64>
///   Q8_0                               SignedBytes
///   Q1_0, Q2_0                         Dense<1>, Dense<2>
///   TQ1_0                              gguf_tq1_0.hpp
///
/// Source: the block structures and dequantize_row_* of ggml (ggml-common.h, ggml-quants.c). i counts codes of a block.

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Q5_0 and Q5_1, 32 codes in qh[4] || qs[16]: bit i of qh, read as one word, is the fifth bit of code i; qs is split
/// nibbles.
using GgufQ5 = Joined<32, Part<BitPlanes<1, 32>, 4>, Part<SplitNibbles<32>, 0>>;

/// Q2_K and TQ2_0, 128 codes in 32 bytes, so 256 in qs[64]: byte 32h + l holds codes 128h + l + 32n at bits 2n.
using GgufQ2_K = SplitFields<2, 128>;
using GgufTQ2_0 = GgufQ2_K;

/// Q3_K, 256 codes in hmask[32] || qs[64]: the low two bits as in Q2_K; bit n of hmask[l] is the third bit of code
/// 32n + l. Code = value + 4: a set bit stands for values 0 … 3.
using GgufQ3_K = Joined<256, Part<SplitFields<1, 256>, 2>, Part<SplitFields<2, 128>, 0>>;

/// Q5_K, 256 codes in qh[32] || qs[128]: the low four bits as in Q4_K; bit n of qh[l] is the fifth bit of code 32n + l.
using GgufQ5_K = Joined<256, Part<SplitFields<1, 256>, 4>, Part<SplitNibbles<64>, 0>>;

/// Q6_K, 256 codes in ql[128] || qh[64]. Per half h of 128: ql[64h + l] holds the low four bits of codes 128h + l (low
/// nibble) and 128h + 64 + l, l < 64; qh[32h + l] holds the high two bits of codes 128h + l + 32n at bits 2n, l < 32.
/// Code = value + 32.
using GgufQ6_K = Joined<256, Part<SplitNibbles<128>, 0>, Part<SplitFields<2, 128>, 4>>;

static_assert(LayoutFor<GgufQ5, Int5> && GgufQ5::bytes_per_block == 20);
static_assert(LayoutFor<GgufQ2_K, Int2> && GgufQ2_K::bytes_per_block == 32);
static_assert(LayoutFor<GgufQ3_K, Int3> && GgufQ3_K::bytes_per_block == 96);
static_assert(LayoutFor<GgufQ5_K, Int5> && GgufQ5_K::bytes_per_block == 160);
static_assert(LayoutFor<GgufQ6_K, Int6> && GgufQ6_K::bytes_per_block == 192);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
