// SPDX-License-Identifier: MIT
#pragma once

namespace lowbit::bench {

/// What this machine can do on one core, measured once, before the first benchmark.
struct Machine {
  double read_gbps;   ///< DRAM, one pass over 512 MiB: median of five
  double fma_gflops;  ///< float multiply-adds of the widest registers of the build, 2 flops each: best of five
};
const Machine& machine();

/// The same now, in 10^9 per second of wall time over all threads: shared machines change from one second to the next, so
/// rows that are quoted as shares measure their yardstick before and after themselves. Median of three.
double read_rate(unsigned threads = 1);
/// Byte products into 32-bit sums, 2 operations each: vpdpbusd, or vpmaddubsw, vpmaddwd and vpaddd. 0 without AVX2.
double int8_rate(unsigned threads = 1);
/// vdpbf16ps, 2 operations a product. 0 without AVX512_BF16.
double bf16_rate(unsigned threads = 1);
double fma_rate(unsigned threads = 1);

}  // namespace lowbit::bench
