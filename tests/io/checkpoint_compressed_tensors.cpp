// SPDX-License-Identifier: MIT
#include "catch.hpp"
#include "io/allocations.hpp"
#include "io/checkpoint_bed.hpp"
#include "lowbit/io/checkpoint/compressed_tensors.hpp"

namespace lowbit::test::checkpoint_compressed_tensors_tests {
using namespace lowbit::io;
using test::MatrixPlan;
using test::Module;

namespace {

CtTensors ct_tensors_of(const Module& module) {
  return {module.find(".weight_packed"), module.find(".weight_scale"), module.find(".weight_shape"),
          module.find(".weight_zero_point"), module.find(".weight_g_idx")};
}

CtParams params_of(const CodeMatrix& m, CtPacking packing = CtPacking::by_shape) {
  return {.bits = m.bits,
          .group_size = m.group_size,
          .per_tensor = m.per_tensor,
          .symmetric = m.zeros.empty(),
          .scattered = !m.g_idx.empty(),
          .packing = packing};
}

/// Code i of a padded stream: word i / k, shift (i mod k)·b, k = floor(32 / b). `step` words apart, from word `first`.
unsigned padded_code(std::span<const std::uint8_t> bytes, std::size_t first, std::size_t step, unsigned bits, std::size_t i) {
  const std::size_t k = 32 / bits;
  unsigned code = 0;
  for (unsigned b = 0; b < bits; ++b)
    code |= test::naive::word_bit(bytes, 1, first + i / k * step, 0, (i % k) * bits + b) << b;
  return code;
}

}  // namespace

TEST_CASE("compressed-tensors: what is read is what a bit-by-bit decoder reads", "[io][checkpoint]") {
  std::uint64_t seed = 1;
  for (unsigned bits = 2; bits <= 8; ++bits)
    for (const MatrixPlan& plan : {MatrixPlan{1, 1, bits, 1}, MatrixPlan{3, 7, bits, 4, true}, MatrixPlan{17, 151, bits, 32},
                                   MatrixPlan{13, 257, bits, 128, false, true}, MatrixPlan{64, 200, bits, whole_row, true},
                                   MatrixPlan{32, 192, bits, 64, false, false, Dtype::BF16}})
      for (const CtPacking packing : {CtPacking::dense, CtPacking::padded}) {
        CAPTURE(bits, plan.rows, plan.cols, plan.group_size, static_cast<int>(packing));
        const CodeMatrix m = test::random_codes(plan, seed++);
        const Module module(write_pack_quantized(m, packing).value());
        const auto got = read_pack_quantized(ct_tensors_of(module), params_of(m, packing)).value();
        CHECK(got.matrix == m);
        const TensorView& q = *module.find(".weight_packed");
        const TensorView* z = module.find(".weight_zero_point");
        CHECK(test::same_weights(got.matrix, [&](std::size_t r, std::size_t c) {
          const int middle = 1 << (bits - 1);
          const std::size_t g = m.group_of(c), groups = m.groups();
          const bool dense = packing == CtPacking::dense;
          // Signed codes and zero points, as the format has them.
          const int code = static_cast<int>(dense ? test::naive::along(q.bytes, q.shape[1], r, bits, c)
                                                  : padded_code(q.bytes, r * q.shape[1], 1, bits, c)) - middle;
          const int zero = z == nullptr ? 0
                                        : static_cast<int>(dense ? test::naive::down(z->bytes, groups, g, bits, r)
                                                                 : padded_code(z->bytes, g, groups, bits, r)) - middle;
          return m.scale(r, g) * static_cast<float>(code - zero);
        }));
        const auto again = write_pack_quantized(got.matrix, packing).value();
        for (const OwnedTensor& t : again) CHECK(std::ranges::equal(t.bytes, module.find(t.suffix)->bytes));
      }
}

TEST_CASE("compressed-tensors: the width of the words tells the packings apart, or the matrix is refused", "[io][checkpoint]") {
  for (unsigned bits = 2; bits <= 8; ++bits) {
    const std::size_t k = 32 / bits;
    std::size_t widest_doubt = 0;
    for (std::size_t cols = 1; cols <= 200; ++cols) {
      const CodeMatrix m = test::random_codes({2, cols, bits, whole_row, true}, cols);
      for (const CtPacking packing : {CtPacking::dense, CtPacking::padded}) {
        const Module module(write_pack_quantized(m, packing).value());
        const auto got = read_pack_quantized(ct_tensors_of(module), params_of(m));
        const bool same_width = io::detail::words_for(io::detail::WordLayout::dense, cols, bits) ==
                                io::detail::words_for(io::detail::WordLayout::padded, cols, bits);
        const bool doubt = 32 % bits != 0 && same_width && cols > k;
        REQUIRE(got.has_value() == !doubt);
        if (got) REQUIRE(got->matrix == m);
        if (doubt) {
          widest_doubt = cols;
          REQUIRE(got.error().code == Errc::unsupported);
          REQUIRE(read_pack_quantized(ct_tensors_of(module), params_of(m, packing)).value().matrix == m);
        }
      }
    }
    CAPTURE(bits);
    // The published limits: 150 inputs of 3 bits, 90 of 5, 75 of 6, 28 of 7.
    CHECK(widest_doubt == (bits == 3 ? 150u : bits == 5 ? 90u : bits == 6 ? 75u : bits == 7 ? 28u : 0u));
  }
  // Zero points, packed along many outputs, settle what a narrow row leaves open.
  const CodeMatrix m = test::random_codes({160, 40, 3, whole_row}, 4);
  for (const CtPacking packing : {CtPacking::dense, CtPacking::padded}) {
    const Module module(write_pack_quantized(m, packing).value());
    CHECK(read_pack_quantized(ct_tensors_of(module), params_of(m)).value().matrix == m);
    const CtPacking other = packing == CtPacking::dense ? CtPacking::padded : CtPacking::dense;
    CHECK(read_pack_quantized(ct_tensors_of(module), params_of(m, other)).error().code == Errc::shape_mismatch);
  }
}

TEST_CASE("compressed-tensors: words by hand", "[io][checkpoint]") {
  // 2 x 3, 4 bits, one scale per row: codes −8, −1, 7 and 0, 1, 2; zero points −8 and 7.
  CodeMatrix m{.rows = 2, .cols = 3, .bits = 4, .group_size = whole_row};
  m.codes = {0, 7, 15, 8, 9, 10};
  m.zeros = {0, 15};
  for (int i = 0; i < 2; ++i) io::detail::append_le(m.scales, f16::encode(0.5f));
  const auto tensors = write_pack_quantized(m).value();
  REQUIRE(tensors.size() == 4);
  CHECK(tensors[0].shape == std::vector<std::uint64_t>{2, 1});
  CHECK(io::detail::load_le<std::uint32_t>(tensors[0].bytes.data()) == 0xf70u);
  CHECK(io::detail::load_le<std::uint32_t>(tensors[0].bytes.data() + 4) == 0xa98u);
  CHECK(tensors[2].suffix == ".weight_shape");
  CHECK(io::detail::load_le<std::int64_t>(tensors[2].bytes.data() + 8) == 3);
  CHECK(tensors[3].shape == std::vector<std::uint64_t>{1, 1});
  CHECK(io::detail::load_le<std::uint32_t>(tensors[3].bytes.data()) == 0xf0u);
  const Module module{std::vector<OwnedTensor>(tensors)};
  const auto got = read_pack_quantized(ct_tensors_of(module), params_of(m)).value().matrix;
  const float expected[2][3] = {{0.0f, 3.5f, 7.5f}, {-3.5f, -3.0f, -2.5f}};
  for (std::size_t r = 0; r < 2; ++r)
    for (std::size_t c = 0; c < 3; ++c) CHECK(got.weight(r, c) == expected[r][c]);
}

TEST_CASE("compressed-tensors: one scale per tensor, unpacked zero points, unset group indices", "[io][checkpoint]") {
  CodeMatrix m = test::random_codes({5, 40, 4, whole_row, true}, 6);
  m.per_tensor = true;
  m.scales.resize(2);
  Module whole(write_pack_quantized(m).value());
  CHECK(read_pack_quantized(ct_tensors_of(whole), params_of(m)).value().matrix == m);
  CHECK(m.weight(4, 3) == m.scale(0, 0) * static_cast<float>(static_cast<int>(m.codes[4 * 40 + 3]) - 8));

  const CodeMatrix asymmetric = test::random_codes({5, 40, 4, 8}, 7);
  auto tensors = write_pack_quantized(asymmetric).value();
  for (OwnedTensor& t : tensors)
    if (t.suffix == ".weight_zero_point") {
      t = {t.suffix, Dtype::I8, {5, 5}, {}};
      for (const std::uint8_t z : asymmetric.zeros) t.bytes.push_back(static_cast<std::uint8_t>(z - 8));
    }
  Module early(std::move(tensors));
  CHECK(read_pack_quantized(ct_tensors_of(early), params_of(asymmetric)).value().matrix == asymmetric);
  early.owned(".weight_zero_point").bytes[7] = 8;
  const auto outside = read_pack_quantized(ct_tensors_of(early), params_of(asymmetric));
  REQUIRE_FALSE(outside);
  CHECK(outside.error().code == Errc::out_of_bounds);
  CHECK(outside.error().row == 1u);
  CHECK(outside.error().column == 2u);

  const CodeMatrix scattered = test::random_codes({3, 64, 4, 16, true, true}, 8);
  Module ordered(write_pack_quantized(scattered).value());
  CHECK(read_pack_quantized(ct_tensors_of(ordered), params_of(scattered)).value().matrix == scattered);
  CtParams unannounced = params_of(scattered);
  unannounced.scattered = false;
  CHECK(read_pack_quantized(ct_tensors_of(ordered), unannounced).value().warnings.size() == 1);
  for (std::uint8_t& byte : ordered.owned(".weight_g_idx").bytes) byte = 0xff;
  CHECK(read_pack_quantized(ct_tensors_of(ordered), params_of(scattered)).value().matrix.g_idx.empty());
}

TEST_CASE("compressed-tensors: damage is refused by name, before any allocation", "[io][checkpoint]") {
  const CodeMatrix m = test::random_codes({16, 96, 4, 32, false, true}, 9);
  const auto refused = [&](auto damage, Errc code, const std::string& tensor) {
    Module module(write_pack_quantized(m).value());
    damage(module);
    module.refresh();
    const std::size_t before = test::allocated_bytes();
    const auto got = read_pack_quantized(ct_tensors_of(module), params_of(m));
    CHECK(test::allocated_bytes() - before < 64 * 1024);
    REQUIRE_FALSE(got);
    CHECK(to_string(got.error().code) == to_string(code));
    CHECK(got.error().tensor == tensor);
  };
  const auto shape = [](std::int64_t rows, std::int64_t cols) {
    return [=](Module& d) {
      io::detail::store_le(rows, d.owned(".weight_shape").bytes.data());
      io::detail::store_le(cols, d.owned(".weight_shape").bytes.data() + 8);
    };
  };
  refused(shape(-1, 96), Errc::out_of_bounds, "m.weight_shape");
  refused(shape(16, std::int64_t{1} << 40), Errc::out_of_bounds, "m.weight_shape");
  refused(shape(16, std::int64_t{1} << 31), Errc::shape_mismatch, "m.weight_scale");
  refused(shape(16, 97), Errc::shape_mismatch, "m.weight_scale");
  refused(shape(16, 80), Errc::shape_mismatch, "m.weight_packed");
  refused(shape(15, 96), Errc::shape_mismatch, "m.weight_scale");
  for (const char* suffix : {".weight_packed", ".weight_scale", ".weight_shape", ".weight_zero_point", ".weight_g_idx"}) {
    refused([&](Module& d) { d.owned(suffix).dtype = Dtype::U16; }, Errc::unsupported, "m" + std::string(suffix));
    refused([&](Module& d) { d.owned(suffix).shape.push_back(1); }, Errc::shape_mismatch, "m" + std::string(suffix));
  }
  refused([](Module& d) { d.owned(".weight_g_idx").bytes[3] = 0x7f; }, Errc::out_of_bounds, "m.weight_g_idx");
  refused([](Module& d) { d.owned(".weight_g_idx").bytes[0] = 3; }, Errc::out_of_bounds, "m.weight_g_idx");
  refused([](Module& d) { d.owned(".weight_scale").bytes[1] = 0x7e; }, Errc::not_finite, "m.weight_scale");
  refused([](Module& d) { d.all().pop_back(); }, Errc::missing, "m.weight_packed");  // no g_idx, though announced

  const Module module(write_pack_quantized(m).value());
  CtParams symmetric = params_of(m);
  symmetric.symmetric = true;
  CHECK(read_pack_quantized(ct_tensors_of(module), symmetric).error().code == Errc::malformed);
  CtTensors tensors = ct_tensors_of(module);
  tensors.weight_zero_point = nullptr;
  CHECK(read_pack_quantized(tensors, params_of(m)).error().code == Errc::missing);
}

}  // namespace lowbit::test::checkpoint_compressed_tensors_tests
