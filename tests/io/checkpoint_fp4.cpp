// SPDX-License-Identifier: MIT
#include <cmath>

#include "catch.hpp"
#include "io/checkpoint_bed.hpp"
#include "lowbit/io/checkpoint/fp4.hpp"
#include "lowbit/io/checkpoint/mlx.hpp"

namespace lowbit::test::checkpoint_fp4_tests {
using namespace lowbit::io;
using test::Module;

namespace {

Fp4Tensors fp4_tensors_of(const Module& module) {
  return {module.find(".weight_packed"), module.find(".weight_scale"), module.find(".weight_global_scale")};
}

Fp4Matrix random_fp4(Fp4Kind kind, std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Rng rng(seed);
  Fp4Matrix m{.kind = kind, .rows = rows, .cols = cols};
  for (std::size_t i = 0; i < rows * cols; ++i) m.codes.push_back(static_cast<std::uint8_t>(rng.below(16)));
  for (std::size_t i = 0; i < rows * m.groups(); ++i)
    m.scales.push_back(static_cast<std::uint8_t>(kind == Fp4Kind::nvfp4 ? rng.below(127) : 100 + rng.below(50)));
  if (kind == Fp4Kind::nvfp4) m.global_scale = 448.0f * 6.0f / 3.0f;
  return m;
}

}  // namespace

TEST_CASE("fp4: bytes by hand, low nibble first", "[io][checkpoint]") {
  // One row of 16: codes 0 … 15, scale 1.5 (0x3c), global scale 4 (divides).
  std::vector<OwnedTensor> hand = {{".weight_packed", Dtype::U8, {1, 8}, {0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe}},
                                   {".weight_scale", Dtype::F8_E4M3, {1, 1}, {0x3c}},
                                   {".weight_global_scale", Dtype::F32, {1}, {0, 0, 0x80, 0x40}}};
  const Module module(std::move(hand));
  const Fp4Matrix m = read_fp4(fp4_tensors_of(module), Fp4Kind::nvfp4).value().matrix;
  const float points[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(m.codes[i] == i);
    CHECK(fp4_weight(m, 0, i) == (i < 8 ? 1.0f : -1.0f) * points[i % 8] * 1.5f / 4.0f);
  }
  // The reciprocal spelling multiplies.
  const Fp4Matrix reciprocal = read_fp4(fp4_tensors_of(module), Fp4Kind::nvfp4, true).value().matrix;
  CHECK(fp4_weight(reciprocal, 0, 7) == 36.0f);
  // mxfp4: 2^(s − 127) and no global scale.
  std::vector<OwnedTensor> mx = {{".weight_packed", Dtype::U8, {1, 16}, std::vector<std::uint8_t>(16, 0x7e)},
                                 {".weight_scale", Dtype::U8, {1, 1}, {125}}};
  const Module other(std::move(mx));
  const Fp4Matrix m2 = read_fp4(fp4_tensors_of(other), Fp4Kind::mxfp4).value().matrix;
  CHECK(fp4_weight(m2, 0, 0) == -1.0f);
  CHECK(fp4_weight(m2, 0, 1) == 1.5f);
}

TEST_CASE("fp4: read and write are inverse, and damage is refused by name", "[io][checkpoint]") {
  for (const Fp4Kind kind : {Fp4Kind::nvfp4, Fp4Kind::mxfp4})
    for (const std::size_t rows : {1u, 7u, 64u})
      for (const std::size_t cols : {32u, 96u, 416u}) {
        const Fp4Matrix m = random_fp4(kind, rows, cols, rows + cols);
        Module module(write_fp4(m).value());
        CHECK(read_fp4(fp4_tensors_of(module), kind).value().matrix == m);
        if (kind == Fp4Kind::nvfp4) {
          // The largest weight is what the definition of the global scale promises, for either spelling.
          CHECK(largest_fp4_scale(m) <= 448.0f);
          Fp4Matrix spelled = m;
          spelled.multiplies = true;
          spelled.global_scale = 1.0f / m.global_scale;
          for (std::size_t c = 0; c < cols; ++c) CHECK(std::fabs(fp4_weight(m, 0, c) - fp4_weight(spelled, 0, c)) <= 1e-6f);
          const Module rewritten(write_fp4(spelled).value());
          CHECK(read_fp4(fp4_tensors_of(rewritten), kind).value().matrix.global_scale == test::Approx(m.global_scale));
        }
      }
  const auto refused = [&](Fp4Kind kind, auto damage, Errc code, const std::string& tensor) {
    Module module(write_fp4(random_fp4(kind, 4, 64, 1)).value());
    damage(module);
    module.refresh();
    const auto got = read_fp4(fp4_tensors_of(module), kind);
    REQUIRE_FALSE(got);
    CHECK(to_string(got.error().code) == to_string(code));
    CHECK(got.error().tensor == tensor);
  };
  refused(Fp4Kind::nvfp4, [](Module& d) { d.owned(".weight_scale").bytes[6] = 0xff; }, Errc::not_finite, "m.weight_scale");
  refused(Fp4Kind::mxfp4, [](Module& d) { d.owned(".weight_scale").bytes[7] = 0xff; }, Errc::not_finite, "m.weight_scale");
  refused(Fp4Kind::nvfp4, [](Module& d) { d.owned(".weight_scale").dtype = Dtype::U8; }, Errc::unsupported, "m.weight_scale");
  refused(Fp4Kind::nvfp4, [](Module& d) { d.owned(".weight_scale").shape = {2, 8}; }, Errc::shape_mismatch, "m.weight_scale");
  refused(Fp4Kind::nvfp4, [](Module& d) { d.owned(".weight_packed").shape = {128, 1}; }, Errc::unsupported, "m.weight_packed");
  refused(Fp4Kind::nvfp4, [](Module& d) { d.owned(".weight_global_scale").bytes[3] = 0xc5; }, Errc::malformed, "m.weight_global_scale");
  refused(Fp4Kind::nvfp4, [](Module& d) { d.owned(".weight_global_scale").bytes = {0, 0, 0xc0, 0x7f}; }, Errc::not_finite,
          "m.weight_global_scale");
  refused(Fp4Kind::nvfp4, [](Module& d) { d.all().pop_back(); }, Errc::missing, "weight_global_scale");
}

TEST_CASE("MLX: what is read is what a bit-by-bit decoder reads", "[io][checkpoint]") {
  Rng rng(5);
  for (const unsigned bits : {2u, 3u, 4u, 5u, 6u, 8u})
    for (const std::size_t group : {32u, 64u, 128u}) {
      const std::size_t rows = 3, cols = 256, words = cols * bits / 32, groups = cols / group;
      std::vector<OwnedTensor> tensors = {{".weight", Dtype::U32, {rows, words}, {}},
                                          {".scales", Dtype::F16, {rows, groups}, {}},
                                          {".biases", Dtype::F16, {rows, groups}, {}}};
      for (std::size_t i = 0; i < 4 * rows * words; ++i) tensors[0].bytes.push_back(static_cast<std::uint8_t>(rng.below(256)));
      for (std::size_t i = 0; i < rows * groups; ++i) {
        io::detail::append_le(tensors[1].bytes, f16::encode(static_cast<float>(1 + rng.below(99)) / 64.0f));
        io::detail::append_le(tensors[2].bytes, f16::encode(-static_cast<float>(rng.below(99)) / 64.0f));
      }
      const Module module(std::move(tensors));
      const MlxTensors t{module.find(".weight"), module.find(".scales"), module.find(".biases")};
      const AffineMatrix m = read_mlx(t, bits, group).value().matrix;
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c) {
          const std::size_t g = r * groups + c / group;
          const auto q = static_cast<float>(test::naive::along(t.weight->bytes, words, r, bits, c));
          REQUIRE(m.weight(r, c) == test::naive::half(t.scales->bytes, g) * q + test::naive::half(t.biases->bytes, g));
        }
      CHECK(read_mlx(t, bits, group == 32 ? 64 : 32).error().code == Errc::shape_mismatch);
      CHECK(read_mlx(t, bits, 48).error().code == Errc::unsupported);
    }
}

TEST_CASE("MLX: biases that are whole steps become zero points, others do not", "[io][checkpoint]") {
  AffineMatrix affine;
  affine.codes = test::random_codes({4, 64, 4, 32, true}, 3);
  for (std::size_t r = 0; r < 4; ++r)
    for (std::size_t g = 0; g < 2; ++g) {
      io::detail::store_le(f16::encode(0.25f * static_cast<float>(r + 1)), affine.codes.scales.data() + 2 * (2 * r + g));
      io::detail::append_le(affine.biases, f16::encode(-static_cast<float>(4 * r + g) * 0.25f * static_cast<float>(r + 1)));
    }
  const auto same = with_integer_zeros(affine);
  REQUIRE(same);
  for (std::size_t r = 0; r < 4; ++r)
    for (std::size_t c = 0; c < 64; ++c) CHECK(same->weight(r, c) == affine.weight(r, c));
  AffineMatrix between = affine;
  io::detail::store_le(f16::encode(-0.3f), between.biases.data());
  CHECK_FALSE(with_integer_zeros(between));
  AffineMatrix above = affine;
  io::detail::store_le(f16::encode(0.25f), above.biases.data());  // z = −1
  CHECK_FALSE(with_integer_zeros(above));
}

}  // namespace lowbit::test::checkpoint_fp4_tests
