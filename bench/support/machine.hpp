// SPDX-License-Identifier: MIT
#pragma once

namespace lowbit::bench {

/// What this machine can do on one core, measured once, before the first benchmark.
struct Machine {
  double read_gbps;   ///< DRAM, one pass over 512 MiB: median of five
  double fma_gflops;  ///< float multiply-adds of the widest registers of the build, 2 flops each: best of five
};
const Machine& machine();

}  // namespace lowbit::bench
