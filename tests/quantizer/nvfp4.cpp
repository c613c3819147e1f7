// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/nvfp4.hpp"

#include <algorithm>
#include <cmath>

#include "catch.hpp"
#include "support/rate_presets.hpp"
#include "support/rate_table.hpp"

namespace lowbit::test::nvfp4_tests {

namespace {

Nvfp4 with(Nvfp4Rule rule) { return test::nvfp4(rule); }

std::vector<float> scaled(std::vector<float> w, float factor) {
  for (float& x : w) x *= factor;
  return w;
}

/// Σ(x − x̂)² of block b of a matrix of one row.
double block_error(const QuantizedMatrix<Nvfp4>& m, std::span<const float> w, std::size_t b) {
  std::vector<float> back(w.size());
  dequantize(m.view(), 0, 1, back);
  double sum = 0.0;
  for (std::size_t i = 16 * b; i < 16 * b + 16; ++i)
    sum += std::pow(static_cast<double>(w[i]) - static_cast<double>(back[i]), 2);
  return sum;
}

}  // namespace

TEST_CASE("NVFP4: the block of the largest weight has scale 448, and that weight comes back within 2 ulp",
          "[quantizer][nvfp4]") {
  for (const float factor : {1.0f, 1e-3f, 0.02f, 1e5f, 3.7e-20f}) {
    const auto w = scaled(test::gaussian_weights(), factor);
    const auto m = quantize_nearest(Nvfp4{}, w, 64, 4096).value();
    const auto at = std::max_element(w.begin(), w.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    const auto i = static_cast<std::size_t>(at - w.begin());
    CHECK(static_cast<float>(m.params()[i / 16]) == 448.0f);
    std::vector<float> back(w.size());
    dequantize(m.view(), 0, 64, back);
    const float ulp = std::nextafter(std::fabs(*at), 1e38f) - std::fabs(*at);
    CHECK(std::fabs(back[i] - *at) <= 2.0f * ulp);
  }
}

TEST_CASE("NVFP4: errs less than MXFP4, by a quarter on Gaussian weights and by two fifths on Laplacian ones",
          "[quantizer][nvfp4]") {
  const auto g = test::gaussian_weights(), l = test::laplacian_weights();
  CHECK(test::distortion(Nvfp4{}, g).nmse < 0.75 * test::distortion(Mxfp4{}, g).nmse);
  CHECK(test::distortion(Nvfp4{}, l).nmse < 0.60 * test::distortion(Mxfp4{}, l).nmse);
}

TEST_CASE("NVFP4: small weights need the tensor scale, or UE5M3", "[quantizer][nvfp4]") {
  const auto w = test::gaussian_weights(), small = scaled(w, 1e-3f);
  using OneLevel = Scaled<E2M1, UE4M3, 16>;
  using Wide = Scaled<E2M1, UE5M3, 16>;
  CHECK(test::distortion(Nvfp4{}, small).nmse == test::Approx(test::distortion(Nvfp4{}, w).nmse).epsilon(1e-3));
  CHECK(test::distortion(OneLevel{}, small).nmse == 1.0);
  CHECK(test::distortion(Wide{}, w).nmse == test::Approx(test::distortion(OneLevel{}, w).nmse).epsilon(1e-3));
  CHECK(test::distortion(Wide{}, small).nmse == test::Approx(test::distortion(Wide{}, w).nmse).epsilon(0.02));
}

TEST_CASE("NVFP4 four over six: no block errs more than when it is forced to 6", "[quantizer][nvfp4]") {
  const auto all = test::gaussian_weights();
  const std::span<const float> w(all.data(), 8192);
  const auto free = quantize_nearest(with(Nvfp4Rule::four_over_six), w, 1, w.size()).value();
  QuantizedMatrix<Nvfp4> forced(1, w.size());
  forced.shared()[0] = free.shared()[0];
  std::vector<std::uint8_t> codes(w.size());
  Nvfp4 six;
  six.tensor_scale = free.shared()[0];
  for (std::size_t b = 0; b < w.size() / 16; ++b) {
    const auto p = six.fit(w.subspan(16 * b, 16));
    forced.set_params(0, b, p);
    for (std::size_t i = 16 * b; i < 16 * b + 16; ++i) codes[i] = six.quantize(w[i], p);
  }
  forced.set_row_codes(0, codes);
  for (std::size_t b = 0; b < w.size() / 16; ++b) CHECK(block_error(free, w, b) <= block_error(forced, w, b) * (1 + 1e-6));
}

TEST_CASE("NVFP4 four over six: about 45 % of Gaussian blocks take 4, and the error falls by a seventh", "[quantizer][nvfp4]") {
  const auto w = test::gaussian_weights();
  Nvfp4 q = with(Nvfp4Rule::four_over_six), six = with(Nvfp4Rule::six), four = with(Nvfp4Rule::four);
  q.tensor_scale = six.tensor_scale = four.tensor_scale = 5.0f / (6 * 256);
  std::size_t fours = 0;
  for (std::size_t b = 0; b < w.size() / 16; ++b) {
    const auto block = std::span(w).subspan(16 * b, 16);
    fours += q.fit(block) == four.fit(block) && !(q.fit(block) == six.fit(block)) ? 1 : 0;
  }
  const double share = static_cast<double>(fours) / static_cast<double>(w.size() / 16);
  CHECK(share >= 0.43);
  CHECK(share <= 0.48);
  CHECK(test::distortion(with(Nvfp4Rule::four_over_six), w).nmse <= 0.86 * test::distortion(Nvfp4{}, w).nmse);
}

TEST_CASE("NVFP4: every measure of four over six is the least by its own measure", "[quantizer][nvfp4]") {
  const auto w = test::gaussian_weights();
  for (const Nvfp4Error error : {Nvfp4Error::squared, Nvfp4Error::absolute, Nvfp4Error::largest}) {
    Nvfp4 q = with(Nvfp4Rule::four_over_six), six = with(Nvfp4Rule::six);
    q.error = error;
    q.tensor_scale = six.tensor_scale = 5.0f / (6 * 256);
    for (std::size_t b = 0; b < 1000; ++b) {
      const auto block = std::span(w).subspan(16 * b, 16);
      const auto measure = [&](const Nvfp4::params_type& p) {
        double sum = 0.0;
        for (const float x : block) {
          const double e = std::fabs(static_cast<double>(q.dequantize(q.quantize(x, p), p)) - static_cast<double>(x));
          sum = error == Nvfp4Error::squared ? sum + e * e : error == Nvfp4Error::absolute ? sum + e : std::max(sum, e);
        }
        return sum;
      };
      CHECK(measure(q.fit(block)) <= measure(six.fit(block)) * (1 + 1e-6));
    }
  }
}

TEST_CASE("NVFP4: zero matrices, zero blocks and short rows", "[quantizer][nvfp4]") {
  const std::vector<float> zeros(40, 0.0f);
  for (const auto rule : {Nvfp4Rule::six, Nvfp4Rule::four, Nvfp4Rule::four_over_six}) {
    const auto m = quantize_nearest(with(rule), zeros, 2, 20).value();
    CHECK(m.shared()[0] == 1.0f);
    std::vector<float> back(40, 1.0f);
    dequantize(m.view(), 0, 2, back);
    CHECK(back == zeros);
  }
  CHECK(quantize_nearest(Nvfp4{}, std::span<const float>{}, 0, 20).value().shared().empty());
  CHECK(quantize_nearest(Nvfp4{}, std::vector<float>{-3.0f}, 1, 1).value().stored_bytes() == 1 + 1 + 4);
}

}  // namespace lowbit::test::nvfp4_tests
