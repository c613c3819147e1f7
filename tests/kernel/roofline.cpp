// SPDX-License-Identifier: MIT
#include "support/roofline.hpp"

#include <cmath>

#include "catch.hpp"

namespace lowbit::test::roofline_tests {

using tool::PlotPoint;

TEST_CASE("roofline: rows lie at their intensity, roofs bend where memory meets arithmetic", "[bench]") {
  const auto points = tool::roofline_points({{"gemv_int8/int4/avx2/64x64/real_time", 16, 64},
                                             {"read/stream", 20, 0},
                                             {"gemm_int8/int4/avx2/64x64/tokens8/cache", 2, 256}},
                                            20, {{"vnni", 320}, {"bf16", 0}});
  REQUIRE(points.size() == 5);  // a yardstick is no row, a roof of 0 is not there
  CHECK(points[0].series == "gemv_int8");
  CHECK(points[0].label == "int4");
  CHECK(points[0].x == Approx(2));
  CHECK(points[0].y == 64);
  CHECK(points[1].label == "int4 tokens8 cache");
  CHECK(points[1].x == Approx(7));
  const double x[] = {2, 4, 7}, y[] = {80, 320, 320};  // 20 GB/s times 4 operations; the ridge at 320/20 = 2^4; the peak
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(points[2 + i].series == "limit vnni");
    CHECK(points[2 + i].x == Approx(x[i]));
    CHECK(points[2 + i].y == Approx(y[i]));
  }
}

TEST_CASE("roofline: a roof reaches its ridge though all rows lie on one side of it", "[bench]") {
  const auto points = tool::roofline_points({{"gemv/a/b/c", 1, 2}}, 10, {{"fma", 100}});
  REQUIRE(points.size() == 4);
  CHECK(points[1].y == Approx(20));
  CHECK(points[3].x == Approx(std::log2(10.0)));
  CHECK(points[3].y == Approx(100));
}

TEST_CASE("roofline: an SVG file with a mark for each row and a line for each roof, or with none", "[bench]") {
  const auto count = [](const std::string& text, const std::string& what) {
    std::size_t n = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
    return n;
  };
  const std::string svg = tool::roofline_svg({{"gemv/a<b/x/y", 1, 2}, {"gemm/a/x/y", 1, 30}}, 10, {{"fma", 100}, {"vnni", 400}});
  CHECK(svg.rfind("<svg ", 0) == 0);
  CHECK(count(svg, "<circle") == 2 + 2 * 3);
  CHECK(count(svg, "<polyline") == 2);
  CHECK(count(svg, "a&lt;b") == 1);
  CHECK(count(svg, "</svg>") == 1);
  CHECK(count(tool::roofline_svg({}, 0, {}), "<circle") == 0);
}

}  // namespace lowbit::test::roofline_tests
