// SPDX-License-Identifier: MIT
// Prints nothing and returns 0 when each object ran its own code and both agree.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "two_isas/product.hpp"

namespace {

int failures = 0;

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

}  // namespace

int main() {
  using namespace two_isas;
  const std::size_t rows = 7, cols = 1111;
  lowbit::QuantizedMatrix<W4> w(rows, cols);
  std::uint32_t state = 1;
  const auto draw = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
  for (auto& byte : w.codes()) byte = static_cast<std::uint8_t>(draw());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t g = 0; g < w.groups().per_row_count(); ++g)
      w.set_params(r, g, {0.25f + static_cast<float>(g), static_cast<float>(draw() % 16)});
  std::vector<float> x(cols);
  for (float& v : x) v = static_cast<float>(draw() % 2001) * 0.001f - 1.0f;

  const Product plain = plain_product(w.view(), x);
  check(plain.native_isa == "scalar", "the plain object runs the scalar kernel");
  check(plain.native == plain.scalar, "the plain object's default is its scalar kernel");
  std::vector<double> want(rows), magnitude(rows);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) {
      const auto p = w.group_params(r, w.groups().of_column(c));
      const unsigned code = (w.view().row_codes(r)[c / 2] >> (c % 2 * 4)) & 15u;
      const double product = static_cast<double>(p.scale) *
                             (static_cast<double>(code) - static_cast<double>(p.zero_point)) *
                             static_cast<double>(x[c]);
      want[r] += product;
      magnitude[r] += std::fabs(product);
    }
  const auto within = [&](const std::vector<float>& y) {
    for (std::size_t r = 0; r < rows; ++r)
      if (!(std::fabs(static_cast<double>(y[r]) - want[r]) <= static_cast<double>(cols + 3) * 0x1.001p-24 * magnitude[r]))
        return false;
    return true;
  };
  check(within(plain.native), "the plain object agrees with double");

  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("fma")) {
    std::puts("skipped: this machine has no AVX-512");
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  const Product wide = avx512_product(w.view(), x);
  check(wide.native_isa == "avx512", "the wide object runs the AVX-512 kernel");
  check(wide.scalar_isa == "scalar", "the wide object runs the scalar kernel where asked");
  check(within(wide.native) && within(wide.scalar), "the wide object agrees with double");
  check(wide.codes == plain.codes, "both objects unpack the same codes");
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
