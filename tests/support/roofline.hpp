// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "support/plot.hpp"

/// The roofline of a machine with measured products in it: speed against operations per byte of weights, below what memory
/// and arithmetic allow (Williams, Waterman and Patterson, 2009).

namespace tool {

struct RooflineRow {
  std::string name;             ///< op/quantizer/isa/shape/…
  double gbps = 0, gflops = 0;  ///< weights read, operations done; 10^9 per second
};

struct Roof {
  std::string name;   ///< "vnni", …
  double peak = 0;    ///< GFLOP/s; not drawn unless above 0
};

/// x: log2 of operations per byte; y: GFLOP/s. One point per row that has both rates, in a series per op; each roof is a
/// series "limit NAME" from the lowest to the highest intensity of the rows, with a corner where memory meets arithmetic.
std::vector<PlotPoint> roofline_points(const std::vector<RooflineRow>& rows, double read_gbps, const std::vector<Roof>& roofs);

std::string roofline_svg(const std::vector<RooflineRow>& rows, double read_gbps, const std::vector<Roof>& roofs);

}  // namespace tool
