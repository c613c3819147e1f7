// SPDX-License-Identifier: MIT
#include "catch.hpp"
#include "io/checkpoint_bed.hpp"
#include "lowbit/io/checkpoint/awq.hpp"
#include "lowbit/io/checkpoint/compressed_tensors.hpp"
#include "lowbit/io/checkpoint/gptq.hpp"

namespace lowbit::test::checkpoint_awq_tests {
using namespace lowbit::io;
using test::MatrixPlan;
using test::Module;

namespace {

AwqTensors tensors_of(const Module& module) {
  return {module.find(".qweight"), module.find(".qzeros"), module.find(".scales")};
}

/// Nibble p of a word belongs to output order[p].
unsigned naive_code(const TensorView& t, std::size_t row, std::size_t out) {
  constexpr unsigned order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  for (unsigned p = 0; p < 8; ++p)
    if (order[p] == out % 8) {
      unsigned code = 0;
      for (unsigned b = 0; b < 4; ++b) code |= test::naive::word_bit(t.bytes, t.shape[1], row, out / 8, 4 * p + b) << b;
      return code;
    }
  return 99;
}

}  // namespace

TEST_CASE("AWQ: what is read is what a bit-by-bit decoder reads", "[io][checkpoint]") {
  std::uint64_t seed = 1;
  for (const MatrixPlan& plan : {MatrixPlan{8, 1, 4, 1}, MatrixPlan{8, 32, 4, whole_row}, MatrixPlan{24, 60, 4, 20},
                                 MatrixPlan{40, 130, 4, 13}, MatrixPlan{128, 256, 4, 64}, MatrixPlan{16, 64, 4, 32, true}}) {
    CAPTURE(plan.rows, plan.cols, plan.group_size);
    CodeMatrix m = test::random_codes(plan, seed++);
    const Module module(write_awq(m).value());
    const auto got = read_awq(tensors_of(module), m.group_size).value();
    if (m.zeros.empty()) m.zeros.assign(m.rows * m.groups(), 8);  // AWQ writes the middle out
    CHECK(got.matrix == m);
    CHECK(test::same_weights(got.matrix, [&](std::size_t r, std::size_t c) {
      const std::size_t g = plan.group_size == whole_row ? 0 : c / plan.group_size;
      const auto q = static_cast<float>(naive_code(*module.find(".qweight"), c, r));
      const auto z = static_cast<float>(naive_code(*module.find(".qzeros"), g, r));
      return test::naive::half(module.find(".scales")->bytes, g * m.rows + r) * (q - z);
    }));
    const auto again = write_awq(got.matrix).value();
    for (const OwnedTensor& t : again) CHECK(std::ranges::equal(t.bytes, module.find(t.suffix)->bytes));
  }
}

TEST_CASE("AWQ: a word by hand", "[io][checkpoint]") {
  // One input, eight outputs with codes 0 … 7: nibbles from the low end 0 2 4 6 1 3 5 7.
  CodeMatrix m{.rows = 8, .cols = 1, .bits = 4, .group_size = 1};
  m.codes = {0, 1, 2, 3, 4, 5, 6, 7};
  m.zeros = {8, 9, 10, 11, 12, 13, 14, 15};
  for (int i = 0; i < 8; ++i) io::detail::append_le(m.scales, f16::encode(1.0f));
  const auto tensors = write_awq(m).value();
  CHECK(io::detail::load_le<std::uint32_t>(tensors[0].bytes.data()) == 0x75316420u);
  CHECK(io::detail::load_le<std::uint32_t>(tensors[1].bytes.data()) == 0xfdb9eca8u);
}

TEST_CASE("AWQ: what the layout cannot hold is refused with its reason", "[io][checkpoint]") {
  const auto why = [](const CodeMatrix& m) { return write_awq(m).error().message; };
  CHECK(why(test::random_codes({8, 32, 3}, 1)).find("4 bits") != std::string::npos);
  CHECK(why(test::random_codes({12, 32, 4}, 1)).find("multiple of 8") != std::string::npos);
  CHECK(why(test::random_codes({8, 48, 4, 32}, 1)).find("does not divide") != std::string::npos);
  CHECK(why(test::random_codes({8, 64, 4, 32, false, true}, 1)).find("consecutive") != std::string::npos);
  CodeMatrix tiny = test::random_codes({8, 32, 4, 32, true, false, Dtype::BF16}, 1);
  CHECK(write_awq(tiny));
  io::detail::store_le(bf16::encode(1e-30f), tiny.scales.data());
  CHECK(why(tiny).find("F16") != std::string::npos);

  const CodeMatrix m = test::random_codes({16, 64, 4, 32}, 2);
  const auto refused = [&](auto damage, Errc code, const std::string& tensor) {
    Module module(write_awq(m).value());
    damage(module);
    module.refresh();
    const auto got = read_awq(tensors_of(module), 32);
    REQUIRE_FALSE(got);
    CHECK(to_string(got.error().code) == to_string(code));
    CHECK(got.error().tensor == tensor);
  };
  for (const char* suffix : {".qweight", ".qzeros", ".scales"}) {
    refused([&](Module& d) { d.owned(suffix).dtype = Dtype::I64; }, Errc::unsupported, "m" + std::string(suffix));
    refused([&](Module& d) { d.owned(suffix).shape = {64}; }, Errc::shape_mismatch, "m" + std::string(suffix));
  }
  refused([](Module& d) { d.owned(".qweight").shape = {2, 64}; }, Errc::unsupported, "m.qweight");
  refused([](Module& d) { d.owned(".qweight").shape = {32, 4}; }, Errc::shape_mismatch, "m.qzeros");
  refused([](Module& d) { d.owned(".scales").shape = {1, 32}; }, Errc::shape_mismatch, "m.scales");
  refused([](Module& d) { d.owned(".scales").bytes[1] = 0xfe; }, Errc::not_finite, "m.scales");
  refused([](Module& d) { d.owned(".qweight").shape = {64, std::uint64_t{1} << 33}; }, Errc::out_of_bounds, "m.qweight");
}

TEST_CASE("conversion: GPTQ, AWQ and compressed-tensors carry the same codes, scales and zero points", "[io][checkpoint]") {
  for (const MatrixPlan& plan : {MatrixPlan{32, 64, 4, 32}, MatrixPlan{64, 192, 4, 96}, MatrixPlan{96, 32, 4, whole_row}}) {
    const CodeMatrix m = test::random_codes(plan, 77);  // zero points 0 and 15 are among them
    REQUIRE(std::ranges::count(m.zeros, 0) > 0);
    const Module awq(write_awq(m).value());
    const CodeMatrix from_awq = read_awq(tensors_of(awq), m.group_size).value().matrix;
    const Module v1(write_gptq(from_awq, GptqVersion::v1).value());
    const GptqParams labelled{.bits = 4, .group_size = m.group_size, .symmetric = false, .version = GptqVersion::v1};
    const CodeMatrix from_v1 =
        read_gptq({v1.find(".qweight"), v1.find(".qzeros"), v1.find(".scales"), v1.find(".g_idx")}, labelled).value().matrix;
    const Module ct(write_pack_quantized(from_v1).value());
    const CtParams ct_params{.bits = 4, .group_size = m.group_size, .symmetric = false};
    const CodeMatrix from_ct = read_pack_quantized({ct.find(".weight_packed"), ct.find(".weight_scale"), ct.find(".weight_shape"),
                                                    ct.find(".weight_zero_point"), nullptr},
                                                   ct_params)
                                   .value()
                                   .matrix;
    const Module v2(write_gptq(from_ct, GptqVersion::v2).value());
    GptqParams second = labelled;
    second.version = GptqVersion::v2;
    const CodeMatrix from_v2 =
        read_gptq({v2.find(".qweight"), v2.find(".qzeros"), v2.find(".scales"), v2.find(".g_idx")}, second).value().matrix;
    CHECK(from_v2 == m);
    const auto back = write_awq(from_v2).value();
    for (const OwnedTensor& t : back) CHECK(std::ranges::equal(t.bytes, awq.find(t.suffix)->bytes));
  }
}

}  // namespace lowbit::test::checkpoint_awq_tests
