// SPDX-License-Identifier: MIT
#include <cmath>
#include <numeric>
#include <utility>

#include "catch.hpp"
#include "io/checkpoint_bed.hpp"
#include "lowbit/io/checkpoint/gptq.hpp"

namespace lowbit::test::checkpoint_gptq_tests {
using namespace lowbit::io;
using test::MatrixPlan;
using test::Module;

namespace {

GptqTensors gptq_tensors_of(const Module& module) {
  return {module.find(".qweight"), module.find(".qzeros"), module.find(".scales"), module.find(".g_idx")};
}

GptqParams params_of(const CodeMatrix& m, GptqVersion version) {
  return {.bits = m.bits, .group_size = m.group_size, .symmetric = m.zeros.empty(), .version = version};
}

/// From the tables of the format alone: scale · (q − z), z stored less one in version 1.
float naive_weight(const Module& module, unsigned bits, unsigned minus, std::size_t r, std::size_t c) {
  const TensorView &q = *module.find(".qweight"), &z = *module.find(".qzeros"), &s = *module.find(".scales"),
                   &g_idx = *module.find(".g_idx");
  const std::size_t g = g_idx.bytes[4 * c] + 256u * g_idx.bytes[4 * c + 1];
  const unsigned code = test::naive::down(q.bytes, q.shape[1], r, bits, c);
  const unsigned zero = (test::naive::along(z.bytes, z.shape[1], g, bits, r) + minus) % (1u << bits);
  return test::naive::half(s.bytes, g * s.shape[1] + r) * (static_cast<float>(code) - static_cast<float>(zero));
}

}  // namespace

TEST_CASE("GPTQ: what is read is what a bit-by-bit decoder reads", "[io][checkpoint]") {
  std::uint64_t seed = 1;
  for (const unsigned bits : {2u, 3u, 4u, 8u})
    for (const MatrixPlan& plan : {MatrixPlan{32, 32, bits, whole_row}, MatrixPlan{64, 96, bits, 32}, MatrixPlan{96, 160, bits, 64},
                                   MatrixPlan{32, 128, bits, 32, true}, MatrixPlan{64, 96, bits, 32, false, true}})
      for (const GptqVersion version : {GptqVersion::v1, GptqVersion::v2}) {
        CAPTURE(bits, plan.rows, plan.cols, plan.group_size, plan.scattered, static_cast<int>(version));
        const CodeMatrix m = test::random_codes(plan, seed++);
        const Module module(write_gptq(m, version).value());
        const auto got = read_gptq(gptq_tensors_of(module), params_of(m, version)).value();
        CHECK(got.matrix == m);
        CHECK(got.warnings.empty());
        CHECK(test::same_weights(got.matrix, [&](std::size_t r, std::size_t c) {
          return naive_weight(module, bits, version == GptqVersion::v1 ? 1 : 0, r, c);
        }));
        const auto again = write_gptq(got.matrix, version).value();
        for (const OwnedTensor& t : again) CHECK(std::ranges::equal(t.bytes, module.find(t.suffix)->bytes));
      }
}

TEST_CASE("GPTQ: words by hand", "[io][checkpoint]") {
  // 32 x 32, 4 bits, one group. Output 5 holds codes 0 … 7 in inputs 0 … 7 and zeros elsewhere; its zero point field is 6.
  std::vector<OwnedTensor> hand = {{".qweight", Dtype::I32, {4, 32}, std::vector<std::uint8_t>(4 * 4 * 32, 0)},
                                   {".qzeros", Dtype::I32, {1, 4}, std::vector<std::uint8_t>(16, 0)},
                                   {".scales", Dtype::F16, {1, 32}, std::vector<std::uint8_t>(64, 0)}};
  for (std::size_t i = 0; i < 4; ++i) hand[0].bytes[4 * 5 + i] = static_cast<std::uint8_t>(0x10 + 0x22 * i);  // 0x76543210
  hand[1].bytes[2] = 0x60;                              // bits 20 … 23 of word 0: output 5
  hand[2].bytes[11] = 0x38;                             // 0.5
  const Module module(std::move(hand));
  const GptqParams params{.bits = 4, .group_size = whole_row, .symmetric = false, .version = GptqVersion::v1};
  const auto v1 = read_gptq(gptq_tensors_of(module), params).value().matrix;
  for (std::size_t i = 0; i < 8; ++i) CHECK(v1.weight(5, i) == 0.5f * (static_cast<float>(i) - 7.0f));
  CHECK(v1.weight(5, 8) == -3.5f);
  CHECK(v1.weight(4, 0) == 0.0f);
  GptqParams v2 = params;
  v2.version = GptqVersion::v2;
  CHECK(read_gptq(gptq_tensors_of(module), v2).value().matrix.weight(5, 0) == -3.0f);
  // 3 bits: code 10 takes bits 30 and 31 of word 0 and bit 0 of word 1 of its column.
  std::vector<OwnedTensor> three = {{".qweight", Dtype::I32, {3, 32}, std::vector<std::uint8_t>(4 * 3 * 32, 0)},
                                    {".qzeros", Dtype::I32, {1, 3}, std::vector<std::uint8_t>(12, 0)},
                                    {".scales", Dtype::F16, {1, 32}, std::vector<std::uint8_t>(64, 0x3c)}};
  three[0].bytes[4 * 7 + 3] = 0x40;
  three[0].bytes[4 * 32 + 4 * 7] = 0x01;
  const Module straddling(std::move(three));
  GptqParams wide = v2;
  wide.bits = 3;
  const auto m = read_gptq(gptq_tensors_of(straddling), wide).value().matrix;
  for (std::size_t c = 0; c < 32; ++c) CHECK(static_cast<int>(m.codes[7 * 32 + c]) == (c == 10 ? 5 : 0));
}

TEST_CASE("GPTQ: minus one wraps within each field and leaves its neighbours alone", "[io][checkpoint]") {
  for (const unsigned bits : {2u, 3u, 4u, 8u}) {
    CodeMatrix m = test::random_codes({32, 32, bits, whole_row}, bits);
    const unsigned top = (1u << bits) - 1u;
    for (std::size_t r = 0; r < 32; ++r) m.zeros[r] = static_cast<std::uint8_t>(r % 2 == 0 ? 0 : top);
    const Module module(write_gptq(m, GptqVersion::v1).value());
    const TensorView& z = *module.find(".qzeros");
    for (std::size_t r = 0; r < 32; ++r) CHECK(test::naive::along(z.bytes, z.shape[1], 0, bits, r) == (r % 2 == 0 ? top : top - 1));
    CHECK(read_gptq(gptq_tensors_of(module), params_of(m, GptqVersion::v1)).value().matrix.zeros == m.zeros);
  }
}

TEST_CASE("GPTQ: a symmetric file's data overrule its label, with a warning", "[io][checkpoint]") {
  for (const unsigned bits : {2u, 3u, 4u, 8u})
    for (const GptqVersion written : {GptqVersion::v1, GptqVersion::v2})
      for (const GptqVersion label : {GptqVersion::v1, GptqVersion::v2}) {
        const CodeMatrix m = test::random_codes({32, 64, bits, 32, true}, bits);
        const Module module(write_gptq(m, written).value());
        const auto got = read_gptq(gptq_tensors_of(module), params_of(m, label)).value();
        CHECK(got.matrix == m);
        CHECK(got.warnings.size() == (written == label ? 0u : 1u));
      }
  // Labelled symmetric, but the zero points vary: the version is as labelled, and the zero points stay.
  CodeMatrix m = test::random_codes({32, 64, 4, 32}, 9);
  const Module module(write_gptq(m, GptqVersion::v1).value());
  GptqParams params = params_of(m, GptqVersion::v1);
  params.symmetric = true;
  const auto got = read_gptq(gptq_tensors_of(module), params).value();
  CHECK(got.matrix == m);
  CHECK(got.warnings.size() == 1);
}

TEST_CASE("GPTQ: group indices may be absent, negative, or unset", "[io][checkpoint]") {
  const CodeMatrix m = test::random_codes({32, 96, 4, 32}, 3);
  Module module(write_gptq(m, GptqVersion::v1).value());
  const GptqParams params = params_of(m, GptqVersion::v1);
  GptqTensors without = gptq_tensors_of(module);
  without.g_idx = nullptr;
  CHECK(read_gptq(without, params).value().matrix == m);

  const auto put = [&](std::size_t c, std::int32_t g) { io::detail::store_le(g, module.owned(".g_idx").bytes.data() + 4 * c); };
  put(40, -3);  // from the end: group 0
  put(41, -1);
  auto got = read_gptq(gptq_tensors_of(module), params).value();
  CHECK(got.warnings.size() == 1);
  REQUIRE(got.matrix.g_idx.size() == 96);
  CHECK(got.matrix.g_idx[40] == 0);
  CHECK(got.matrix.g_idx[41] == 2);
  CHECK(got.matrix.g_idx[42] == 1);
  for (const std::int32_t outside : {3, -4, 1 << 30, std::numeric_limits<std::int32_t>::min()}) {
    put(40, outside);
    const auto refused = read_gptq(gptq_tensors_of(module), params);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::out_of_bounds);
    CHECK(refused.error().tensor == "m.g_idx");
    CHECK(refused.error().column == 40u);
  }
  for (std::size_t c = 0; c < 96; ++c) put(c, 0);
  got = read_gptq(gptq_tensors_of(module), params).value();
  CHECK(got.matrix == m);
  CHECK(got.warnings.size() == 1);
}

TEST_CASE("GPTQ: shapes, types, widths and scales that the layout has not are refused by name", "[io][checkpoint]") {
  const CodeMatrix m = test::random_codes({64, 96, 4, 32}, 5);
  const GptqParams params = params_of(m, GptqVersion::v1);
  const auto refused = [&](auto damage, Errc code, const std::string& tensor) {
    Module module(write_gptq(m, GptqVersion::v1).value());
    damage(module);
    module.refresh();
    const auto got = read_gptq(gptq_tensors_of(module), params);
    REQUIRE_FALSE(got);
    CHECK(to_string(got.error().code) == to_string(code));
    CHECK(got.error().tensor == tensor);
  };
  for (const char* suffix : {".qweight", ".qzeros", ".scales", ".g_idx"}) {
    refused([&](Module& d) { d.owned(suffix).dtype = Dtype::U8; }, Errc::unsupported, "m" + std::string(suffix));
    refused([&](Module& d) { d.owned(suffix).shape.push_back(1); }, Errc::shape_mismatch, "m" + std::string(suffix));
    refused([&](Module& d) { d.owned(suffix).shape[0] = std::uint64_t{1} << 40; }, Errc::out_of_bounds, "m" + std::string(suffix));
  }
  refused([](Module& d) { d.owned(".qweight").shape = {12, 60}; }, Errc::unsupported, "m.qweight");
  refused([](Module& d) { d.owned(".qweight").shape = {11, 64}; }, Errc::unsupported, "m.qweight");
  refused([](Module& d) { d.owned(".qweight").shape = {8, 64}; }, Errc::shape_mismatch, "m.scales");
  refused([](Module& d) { d.owned(".scales").shape = {3, 32}; }, Errc::shape_mismatch, "m.scales");
  refused([](Module& d) { d.owned(".qzeros").shape = {2, 8}; }, Errc::shape_mismatch, "m.qzeros");
  refused([](Module& d) { d.owned(".g_idx").shape = {95}; }, Errc::shape_mismatch, "m.g_idx");
  refused([](Module& d) { d.owned(".scales").bytes[2 * (1 * 64 + 7) + 1] = 0x7c; }, Errc::not_finite, "m.scales");
  GptqParams five = params;
  five.bits = 5;
  const Module module(write_gptq(m, GptqVersion::v1).value());
  CHECK(read_gptq(gptq_tensors_of(module), five).error().code == Errc::unsupported);
  GptqTensors none = gptq_tensors_of(module);
  none.qzeros = nullptr;
  CHECK(read_gptq(none, params).error().code == Errc::missing);

  CHECK(write_gptq(test::random_codes({33, 32, 4}, 1), GptqVersion::v1).error().code == Errc::unsupported);
  CHECK(write_gptq(test::random_codes({32, 40, 4}, 1), GptqVersion::v1).error().code == Errc::unsupported);
  CHECK(write_gptq(test::random_codes({32, 32, 5}, 1), GptqVersion::v1).error().code == Errc::unsupported);
  CodeMatrix fine = test::random_codes({32, 32, 4, 32, true, false, Dtype::F32}, 1);
  CHECK(write_gptq(fine, GptqVersion::v1).value()[2].dtype == Dtype::F16);
  io::detail::store_le(1.0f / 3.0f, fine.scales.data());
  CHECK(write_gptq(fine, GptqVersion::v1).error().code == Errc::unsupported);
}

}  // namespace lowbit::test::checkpoint_gptq_tests
