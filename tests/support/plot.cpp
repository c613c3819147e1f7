// SPDX-License-Identifier: MIT
#include "support/plot.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tool {
namespace {

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else out += c;
  }
  return out;
}

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char line[512];
  std::snprintf(line, sizeof line, pattern, values...);
  return line;
}

}  // namespace

std::string svg_plot(const std::string& title, const std::string& x_label, const std::string& y_label,
                     const std::vector<PlotPoint>& points, const PlotStyle& style) {
  constexpr double width = 760, height = 480, left = 80, right = 30, top = 50, bottom = 60;
  const char* colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf"};
  std::vector<PlotPoint> shown;
  for (const PlotPoint& p : points)
    if (p.y > 0.0 && std::isfinite(p.y)) shown.push_back(p);
  double x0 = 0, x1 = 1, y0 = -1, y1 = 0;
  if (!shown.empty()) {
    const auto [xa, xb] = std::minmax_element(shown.begin(), shown.end(), [](auto& a, auto& b) { return a.x < b.x; });
    const auto [ya, yb] = std::minmax_element(shown.begin(), shown.end(), [](auto& a, auto& b) { return a.y < b.y; });
    x0 = std::floor(xa->x), x1 = std::max(std::ceil(xb->x), x0 + 1);
    y0 = std::floor(std::log10(ya->y)), y1 = std::max(std::ceil(std::log10(yb->y)), y0 + 1);
  }
  const auto px = [&](double x) { return left + (x - x0) / (x1 - x0) * (width - left - right); };
  const auto py = [&](double y) { return height - bottom - (std::log10(y) - y0) / (y1 - y0) * (height - top - bottom); };

  std::string svg = format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" viewBox=\"0 0 %g %g\" "
                           "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                           width, height, width, height);
  svg += format("<text x=\"%g\" y=\"26\" font-size=\"16\" text-anchor=\"middle\">", width / 2) + escape(title) + "</text>\n";
  for (double decade = y0; decade <= y1; ++decade) {
    const double y = py(std::pow(10.0, decade));
    svg += format("<line x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                  "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">1e%g</text>\n",
                  left, width - right, y, y, left - 8, y + 4, decade);
  }
  const double step = x1 - x0 > 10 ? 2 : 1;
  for (double x = x0; x <= x1; x += step)
    svg += format("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\" stroke=\"#eee\"/>"
                  "<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%g</text>\n",
                  px(x), px(x), top, height - bottom, px(x), height - bottom + 18, x);
  svg += format("<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">", (left + width - right) / 2, height - 18) +
         escape(x_label) + "</text>\n";
  svg += format("<text transform=\"translate(24 %g) rotate(-90)\" text-anchor=\"middle\">", (top + height - bottom) / 2) +
         escape(y_label) + "</text>\n";

  std::vector<std::string> series;
  for (const PlotPoint& p : shown)
    if (std::find(series.begin(), series.end(), p.series) == series.end()) series.push_back(p.series);
  for (std::size_t s = 0; s < series.size(); ++s) {
    const char* colour = colours[s % std::size(colours)];
    std::vector<PlotPoint> own;
    for (const PlotPoint& p : shown)
      if (p.series == series[s]) own.push_back(p);
    std::stable_sort(own.begin(), own.end(), [](auto& a, auto& b) { return a.x < b.x; });
    std::string line;
    for (const PlotPoint& p : own) line += format("%.1f,%.1f ", px(p.x), py(p.y));
    if (style.lines_only_for.empty() || series[s].rfind(style.lines_only_for, 0) == 0)
      svg += format("<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", colour) + line + "\"/>\n";
    for (const PlotPoint& p : own)
      svg += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/><text x=\"%.1f\" y=\"%.1f\" fill=\"%s\">", px(p.x),
                    py(p.y), colour, px(p.x) + 7, py(p.y) + (s % 2 == 0 ? -6.0 : 14.0), colour) +
             escape(p.label) + "</text>\n";
    svg += format("<text x=\"%g\" y=\"%g\" fill=\"%s\" text-anchor=\"end\">", width - right - 6,
                  top + 16 + 18 * static_cast<double>(s), colour) +
           escape(series[s]) + "</text>\n";
  }
  return svg + "</svg>\n";
}

}  // namespace tool
