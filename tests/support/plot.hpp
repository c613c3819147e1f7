// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace tool {

struct PlotPoint {
  std::string label;
  double x, y;        ///< y > 0 to appear
  std::string series; ///< points of one series share a colour and a line
};

struct PlotStyle {
  std::string lines_only_for{};  ///< series that start so have their points joined by a line; empty: all
};

/// A scatter plot as SVG text: linear x, logarithmic y, one colour per series, a label at each point.
std::string svg_plot(const std::string& title, const std::string& x_label, const std::string& y_label,
                     const std::vector<PlotPoint>& points, const PlotStyle& style = {});

}  // namespace tool
