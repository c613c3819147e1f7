// SPDX-License-Identifier: MIT
#include <cmath>
#include <cstdio>
#include <vector>

#include <lowbit/core/version.hpp>
#include <lowbit/kernel.hpp>
#include <lowbit/linalg.hpp>
#include <lowbit/quantizer.hpp>

int main() {
  const std::vector<float> weights{1.0f, -2.0f, 3.0f, -4.0f}, x{1.0f, 1.0f};
  std::vector<float> y(2);
  const auto packed = lowbit::quantize_nearest(lowbit::Uniform<lowbit::Int8>{}, weights, 2, 2).value();
  lowbit::gemv(packed.view(), x, y);
  const lowbit::Matrix w = Eigen::Map<const lowbit::Matrix>(weights.data(), 2, 2);
  std::printf("lowbit %s: %g %g (exact %g %g)\n", lowbit::version.string, static_cast<double>(y[0]),
              static_cast<double>(y[1]), static_cast<double>(w.row(0).sum()), static_cast<double>(w.row(1).sum()));
  return std::fabs(y[0] + 1.0f) < 0.05f && std::fabs(y[1] + 1.0f) < 0.05f ? 0 : 1;
}
