// SPDX-License-Identifier: MIT
#include "support/roofline.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace tool {
namespace {

std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts;
  std::istringstream in(name);
  for (std::string part; std::getline(in, part, '/');) parts.push_back(part);
  return parts;
}

/// The quantizer, and what makes the row another one than its gemv: "int4_g128 tokens8".
std::string short_name(const std::vector<std::string>& parts) {
  std::string out = parts.size() > 1 ? parts[1] : "";
  for (std::size_t i = 4; i < parts.size(); ++i)
    if (parts[i] != "real_time") out += " " + parts[i];
  return out;
}

}  // namespace

std::vector<PlotPoint> roofline_points(const std::vector<RooflineRow>& rows, double read_gbps, const std::vector<Roof>& roofs) {
  std::vector<PlotPoint> points;
  double low = 0, high = 0;
  for (const RooflineRow& row : rows) {
    if (!(row.gbps > 0 && row.gflops > 0)) continue;
    const std::vector<std::string> parts = parts_of(row.name);
    const double x = std::log2(row.gflops / row.gbps);
    low = points.empty() ? x : std::min(low, x);
    high = points.empty() ? x : std::max(high, x);
    points.push_back({short_name(parts), x, row.gflops, parts[0]});
  }
  if (points.empty() || !(read_gbps > 0)) return points;
  for (const Roof& roof : roofs) {
    if (!(roof.peak > 0)) continue;
    const double ridge = std::log2(roof.peak / read_gbps), from = std::min(low, ridge), to = std::max(high, ridge);
    for (const double x : {from, ridge, to})
      points.push_back({"", x, std::min(roof.peak, read_gbps * std::exp2(x)), "limit " + roof.name});
  }
  return points;
}

std::string roofline_svg(const std::vector<RooflineRow>& rows, double read_gbps, const std::vector<Roof>& roofs) {
  return svg_plot("Products and the limits of the machine", "log2 (operations per byte of weights)", "GFLOP/s",
                  roofline_points(rows, read_gbps, roofs), {.lines_only_for = "limit"});
}

}  // namespace tool
