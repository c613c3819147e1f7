// SPDX-License-Identifier: MIT
#include "lowbit/io/gguf.hpp"

#include <bit>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/allocations.hpp"
#include "io/gguf_bytes.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/io/gguf_validate.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::gguf_tests {
using namespace lowbit::io;
using test::Bytes;
using test::Exact;
using test::gguf_array;
using test::gguf_bytes;
using test::gguf_number;
using test::gguf_text;
using test::RawTensor;

namespace {

Error refused(const Bytes& file) {
  const Exact exact(file);
  const std::size_t before = test::allocated_bytes();
  auto parsed = GgufFile::parse(exact.span());
  CHECK(test::allocated_bytes() - before < 65536 + 64 * file.size());
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().offset.has_value());
  return parsed.error();
}
Error refused_key(const Bytes& key) { return refused(gguf_bytes({key}, {}, {})); }
Error refused_tensor(const RawTensor& tensor, std::size_t data = 64) {
  return refused(gguf_bytes({}, {tensor}, Bytes(data)));
}
bool accepted(const Bytes& file) {
  const Exact exact(file);
  return GgufFile::parse(exact.span()).has_value();
}

}  // namespace

TEST_CASE("GgmlType: the table is consistent and refuses retired and unknown ids", "[io][gguf]") {
  for (const GgmlTypeInfo& info : ggml_types) {
    CHECK(find_ggml_type(static_cast<std::uint32_t>(info.type)) == &info);
    CHECK(find_ggml_type(info.name) == &info);
    CHECK(name(info.type) == info.name);
    CHECK(std::has_single_bit(info.block_length));
    CHECK(info.first_half + 2 <= static_cast<std::int32_t>(info.block_bytes));
    CHECK(info.second_half + 2 <= static_cast<std::int32_t>(info.block_bytes));
  }
  for (const std::uint32_t id : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 43u, 100u, 0x80000000u, 0xFFFFFFFFu})
    CHECK(find_ggml_type(id) == nullptr);
  // The fields of each block in bytes, summed in order; half scales stand where the sums before them say.
  struct Row {
    std::uint32_t id, length;
    std::int32_t before, halves, after;  ///< bytes before the half scales, how many halves, bytes after
  };
  const Row rows[] = {
      {0, 1, 0, 0, 4},       {1, 1, 0, 1, 0},        {2, 32, 0, 1, 16},      {3, 32, 0, 2, 16},
      {6, 32, 0, 1, 4 + 16}, {7, 32, 0, 2, 4 + 16},  {8, 32, 0, 1, 32},      {9, 32, 0, 2, 32},
      {10, 256, 16 + 64, 2, 0},       {11, 256, 32 + 64 + 12, 1, 0}, {12, 256, 0, 2, 12 + 128},
      {13, 256, 0, 2, 12 + 32 + 128}, {14, 256, 128 + 64 + 16, 1, 0}, {15, 256, 0, 0, 4 + 256 + 32},
      {16, 256, 0, 1, 64},   {17, 256, 0, 1, 64 + 8}, {18, 256, 0, 1, 96},   {19, 256, 0, 1, 32 + 16},
      {20, 32, 0, 1, 16},    {21, 256, 0, 1, 64 + 8 + 32 + 4}, {22, 256, 0, 1, 64 + 8 + 8},
      {23, 256, 0, 1, 2 + 4 + 128},   {24, 1, 0, 0, 1}, {25, 1, 0, 0, 2}, {26, 1, 0, 0, 4}, {27, 1, 0, 0, 8},
      {28, 1, 0, 0, 8},      {29, 256, 0, 0, 32 + 16 + 8}, {30, 1, 0, 0, 2}, {34, 256, 48 + 4, 1, 0},
      {35, 256, 64, 1, 0},   {39, 32, 0, 0, 1 + 16},  {40, 64, 0, 0, 4 + 32}, {41, 128, 0, 1, 16}, {42, 64, 0, 1, 16},
  };
  CHECK(std::size(rows) == ggml_types.size());
  for (const Row& row : rows) {
    const GgmlTypeInfo* info = find_ggml_type(row.id);
    REQUIRE(info != nullptr);
    INFO(info->name);
    CHECK(info->block_length == row.length);
    CHECK(info->block_bytes == static_cast<std::uint32_t>(row.before + 2 * row.halves + row.after));
    CHECK(info->first_half == (row.halves > 0 ? row.before : -1));
    CHECK(info->second_half == (row.halves > 1 ? row.before + 2 : -1));
  }
}

TEST_CASE("gguf: a file written by hand reads as its bytes say", "[io][gguf]") {
  const unsigned char golden[] =
      "GGUF" "\x03\0\0\0" "\x01\0\0\0\0\0\0\0" "\x02\0\0\0\0\0\0\0"
      "\x14\0\0\0\0\0\0\0" "general.architecture" "\x08\0\0\0" "\x04\0\0\0\0\0\0\0" "test"
      "\x01\0\0\0\0\0\0\0" "n" "\x02\0\0\0" "\x39\x30"
      "\x01\0\0\0\0\0\0\0" "w" "\x02\0\0\0" "\x20\0\0\0\0\0\0\0" "\x01\0\0\0\0\0\0\0" "\x02\0\0\0" "\0\0\0\0\0\0\0\0"
      "\0\0\0\0"
      "\x00\x38" "\x80\x91\xa2\xb3\xc4\xd5\xe6\xf7\x08\x19\x2a\x3b\x4c\x5d\x6e\x7f"
      "\0\0\0\0\0\0\0\0\0\0\0\0\0";
  const Bytes bytes(golden, golden + sizeof golden);  // the literal's own terminator is the last byte of padding
  REQUIRE(bytes.size() % 32 == 0);
  const test::NaiveGguf naive = test::read_naively(bytes);
  auto file = GgufFile::parse(bytes);
  REQUIRE(file);
  CHECK(file->version() == 3);
  CHECK(file->alignment() == 32);
  CHECK(*file->get<std::string>("general.architecture") == "test");
  CHECK(naive.texts.at("general.architecture") == "test");
  CHECK(*file->get<int>("n") == 12345);
  CHECK(naive.numbers.at("n") == 12345);
  const GgufTensor* w = file->find("w");
  REQUIRE(w != nullptr);
  CHECK(w->type == GgmlType::Q4_0);
  CHECK(w->dims == std::vector<std::uint64_t>{32, 1});
  CHECK(w->dims == naive.tensors[0].dims);
  REQUIRE(w->bytes.size() == 18);
  CHECK(w->bytes.data() == bytes.data() + naive.data_begin);
  // Q4_0: x = d (q - 8); low nibbles are elements 0..15, high nibbles 16..31; here d = 1/2.
  const float d = f16::decode(static_cast<std::uint16_t>(w->bytes[0] | w->bytes[1] << 8));
  CHECK(d == 0.5f);
  for (int j = 0; j < 16; ++j) {
    const std::uint8_t byte = w->bytes[static_cast<std::size_t>(2 + j)];
    CHECK(d * static_cast<float>((byte & 15) - 8) == 0.5f * static_cast<float>(j - 8));
    CHECK(d * static_cast<float>((byte >> 4) - 8) == 0.5f * static_cast<float>((j + 8) % 16 - 8));
  }
  CHECK(validate_data(*file));
}

TEST_CASE("gguf: magic, version and byte order", "[io][gguf]") {
  CHECK(accepted(gguf_bytes({}, {}, {}, 32, 3)));
  CHECK(accepted(gguf_bytes({}, {}, {}, 32, 2)));
  CHECK(refused(gguf_bytes({}, {}, {}, 32, 1)).code == Errc::unsupported);
  CHECK(refused(gguf_bytes({}, {}, {}, 32, 0)).code == Errc::unsupported);
  CHECK(refused(gguf_bytes({}, {}, {}, 32, 4)).code == Errc::unsupported);
  const Error swapped = refused(gguf_bytes({}, {}, {}, 32, 0x03000000));
  CHECK(swapped.code == Errc::unsupported);
  CHECK(swapped.message.find("byte order") != std::string::npos);
  Bytes wrong = gguf_bytes({}, {}, {});
  wrong[3] = 'G';
  CHECK(refused(wrong).code == Errc::malformed);
  CHECK(refused({}).code == Errc::truncated);
}

TEST_CASE("gguf: huge counts in a small file are refused without memory", "[io][gguf]") {
  for (const std::size_t at : {8u, 16u})
    for (const std::uint64_t count : {std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{65'536}, std::uint64_t{65'537},
                                      std::uint64_t{1'048'577}, std::uint64_t{1} << 31, std::uint64_t{1} << 32,
                                      std::uint64_t{1} << 60, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
      Bytes file = gguf_bytes({gguf_number("a", 4, 1, 4)}, {}, {});
      for (std::size_t i = 0; i < 8; ++i) file[at + i] = static_cast<std::uint8_t>(count >> (8 * i));
      const std::size_t before = test::allocated_bytes();
      const bool opened = GgufFile::parse(file).has_value();
      CHECK_FALSE(opened);
      CHECK(test::allocated_bytes() - before < 4096);
    }
  for (const std::uint32_t element : {0u, 4u, 8u, 10u})
    for (const std::uint64_t count : {std::uint64_t{1} << 20, std::uint64_t{1} << 32, std::uint64_t{1} << 61,
                                      std::uint64_t{1} << 63, ~std::uint64_t{0}})
      CHECK(refused_key(gguf_array("a", element, count, Bytes(16))).code == Errc::truncated);
  GgufLimits few;
  few.max_keys = 1;
  const Bytes two = gguf_bytes({gguf_number("a", 0, 1, 1), gguf_number("b", 0, 1, 1)}, {}, {});
  CHECK(GgufFile::parse(two));
  CHECK(GgufFile::parse(two, few).error().code == Errc::out_of_bounds);
}

TEST_CASE("gguf: strings are bounded by the file and by the limits", "[io][gguf]") {
  for (const std::uint64_t length : {std::uint64_t{1000}, std::uint64_t{1} << 31, std::uint64_t{1} << 63,
                                     ~std::uint64_t{0} - 8, ~std::uint64_t{0}}) {
    Bytes value = gguf_text("a", "");
    for (std::size_t i = 0; i < 8; ++i) value[value.size() - 8 + i] = static_cast<std::uint8_t>(length >> (8 * i));
    CHECK(refused_key(value).code == Errc::truncated);
    Bytes key = gguf_text("a", "");
    for (std::size_t i = 0; i < 8; ++i) key[i] = static_cast<std::uint8_t>(length >> (8 * i));
    CHECK(refused_key(key).code == Errc::truncated);
  }
  CHECK(accepted(gguf_bytes({gguf_number(std::string(65535, 'k'), 0, 1, 1)}, {}, {})));
  CHECK(refused_key(gguf_number(std::string(65536, 'k'), 0, 1, 1)).code == Errc::out_of_bounds);
  GgufLimits short_strings;
  short_strings.max_string_bytes = 3;
  CHECK(GgufFile::parse(gguf_bytes({gguf_text("a", "123")}, {}, {}), short_strings));
  CHECK(GgufFile::parse(gguf_bytes({gguf_text("a", "1234")}, {}, {}), short_strings).error().tensor == "a");
  CHECK(GgufFile::parse(gguf_bytes({gguf_text("tokenizer.huggingface.json", "1234")}, {}, {}), short_strings));
}

TEST_CASE("gguf: keys are unique, not empty, printable ASCII", "[io][gguf]") {
  for (const std::string& key : {std::string(), std::string("a b"), std::string("a\n"), std::string("é"),
                                std::string("a\0b", 3), std::string("\x7f")})
    CHECK(refused_key(gguf_number(key, 0, 1, 1)).code == Errc::malformed);
  const Error twice = refused(
      gguf_bytes({gguf_number("a", 0, 1, 1), gguf_number("b", 0, 1, 1), gguf_number("a", 4, 2, 4)}, {}, {}));
  CHECK(twice.code == Errc::duplicate);
  CHECK(twice.tensor == "a");
}

TEST_CASE("gguf: value types, bools and nested arrays are checked", "[io][gguf]") {
  for (const std::uint32_t type : {13u, 14u, 255u, 0x80000000u, 0xFFFFFFFFu}) {
    CHECK(refused_key(gguf_number("a", type, 0, 8)).code == Errc::malformed);
    CHECK(refused_key(gguf_array("a", type, 1, Bytes(8))).code == Errc::malformed);
  }
  CHECK(refused_key(gguf_array("a", 9, 1, Bytes(32))).code == Errc::unsupported);
  CHECK(accepted(gguf_bytes({gguf_number("a", 7, 1, 1)}, {}, {})));
  CHECK(refused_key(gguf_number("a", 7, 2, 1)).code == Errc::malformed);
  CHECK(refused_key(gguf_array("a", 7, 3, Bytes{0, 1, 255})).code == Errc::malformed);
  CHECK(accepted(gguf_bytes({gguf_array("a", 4, 0, {})}, {}, {})));
}

TEST_CASE("gguf: the alignment is a u32 power of two from 8 to 65536, and used", "[io][gguf]") {
  for (const std::uint32_t alignment : {8u, 16u, 64u, 4096u, 65536u}) {
    const Bytes file =
        gguf_bytes({gguf_number("general.alignment", 4, alignment, 4)}, {{"t", {3}, 24, 0}}, Bytes(alignment),
                   alignment);
    const Exact exact(file);
    auto parsed = GgufFile::parse(exact.span());
    REQUIRE(parsed);
    CHECK(parsed->alignment() == alignment);
    CHECK(static_cast<std::size_t>(parsed->find("t")->bytes.data() - exact.span().data()) % alignment == 0);
  }
  for (const std::uint32_t alignment : {0u, 1u, 4u, 7u, 12u, 33u, 131072u, 0x80000000u, 0xFFFFFFFFu})
    CHECK(refused_key(gguf_number("general.alignment", 4, alignment, 4)).code == Errc::out_of_bounds);
  CHECK(refused_key(gguf_number("general.alignment", 10, 32, 8)).code == Errc::malformed);
  CHECK(refused_key(gguf_text("general.alignment", "")).code == Errc::malformed);
  CHECK(refused_key(gguf_array("general.alignment", 4, 0, {})).code == Errc::malformed);
}

TEST_CASE("gguf: dimensions, types and sizes of a tensor are checked", "[io][gguf]") {
  CHECK(accepted(gguf_bytes({}, {{"t", {16}, 0, 0}}, Bytes(64))));
  CHECK(accepted(gguf_bytes({}, {{"t", {2, 2, 2, 2}, 0, 0}}, Bytes(64))));
  CHECK(refused_tensor({"t", {}, 0, 0}).code == Errc::out_of_bounds);
  CHECK(refused_tensor({"t", {1, 1, 1, 1, 1}, 0, 0}).code == Errc::out_of_bounds);
  const Error zero = refused_tensor({"t", {16, 0}, 0, 0});
  CHECK(zero.code == Errc::out_of_bounds);
  CHECK(zero.tensor == "t");
  CHECK(refused_tensor({"t", {(std::uint64_t{1} << 40) + 1}, 24, 0}).code == Errc::out_of_bounds);
  CHECK(refused_tensor({"t", {std::uint64_t{1} << 40}, 24, 0}).code == Errc::truncated);
  const std::uint64_t wide = std::uint64_t{1} << 40;
  CHECK(refused_tensor({"t", {wide, wide, wide, wide}, 0, 0}).code == Errc::out_of_bounds);
  CHECK(refused_tensor({"t", {wide, std::uint64_t{1} << 24}, 0, 0}).code == Errc::out_of_bounds);  // 2^64 elements
  CHECK(refused_tensor({"t", {wide, std::uint64_t{1} << 22}, 0, 0}).code == Errc::out_of_bounds);  // 2^64 bytes
  CHECK(refused_tensor({"t", {wide, (std::uint64_t{1} << 22) - 1}, 0, 0}).code == Errc::truncated);
  CHECK(refused_tensor({"t", {wide - 1, std::uint64_t{1} << 24}, 24, 0}).code == Errc::truncated);
  for (const std::uint32_t type : {4u, 5u, 31u, 33u, 36u, 38u, 43u, 0xFFFFFFFFu})
    CHECK(refused_tensor({"t", {32}, type, 0}).code == Errc::unsupported);
  CHECK(refused_tensor({"t", {31}, 2, 0}).code == Errc::malformed);
  CHECK(accepted(gguf_bytes({}, {{"t", {32, 1}, 2, 0}}, Bytes(32))));
  CHECK(refused_tensor({"t", {16, 2}, 2, 0}, 32).code == Errc::malformed);  // 32 elements, but no whole row
  CHECK(refused_tensor({"t", {17}, 0, 0}).code == Errc::truncated);
}

TEST_CASE("gguf: every type takes the bytes of its table row, no more and no less", "[io][gguf]") {
  for (const GgmlTypeInfo& info : ggml_types) {
    const std::size_t bytes = std::size_t{info.block_bytes} * 6;
    const std::size_t padded = (bytes + 31) / 32 * 32;
    const RawTensor tensor{"t", {std::uint64_t{info.block_length} * 2, 3}, static_cast<std::uint32_t>(info.type), 0};
    const Bytes file = gguf_bytes({}, {tensor}, Bytes(padded));
    auto parsed = GgufFile::parse(file);
    REQUIRE(parsed);
    CHECK(parsed->tensors()[0].bytes.size() == bytes);
    CHECK(parsed->tensors()[0].element_count() == info.block_length * 6);
    CHECK(refused(gguf_bytes({}, {tensor}, Bytes(padded - 1))).code == Errc::truncated);
    CHECK(refused(gguf_bytes({}, {tensor}, Bytes(padded + 1))).code == Errc::malformed);
  }
}

TEST_CASE("gguf: tensor names are UTF-8 of 1 to 63 bytes, unique, and otherwise free", "[io][gguf]") {
  CHECK(accepted(gguf_bytes({}, {{std::string(63, 'n'), {8}, 0, 0}}, Bytes(32))));
  CHECK(accepted(gguf_bytes({}, {{"../é\x1b[2J\n%n", {8}, 0, 0}}, Bytes(32))));
  CHECK(refused_tensor({std::string(64, 'n'), {16}, 0, 0}).code == Errc::out_of_bounds);
  CHECK(refused_tensor({"", {16}, 0, 0}).code == Errc::malformed);
  CHECK(refused_tensor({"\xff", {16}, 0, 0}).code == Errc::malformed);
  CHECK(refused_tensor({std::string("a\0b", 3), {16}, 0, 0}).code == Errc::malformed);
  const Error twice = refused(gguf_bytes({}, {{"t", {8}, 0, 0}, {"u", {8}, 0, 32}, {"t", {8}, 0, 64}}, Bytes(96)));
  CHECK(twice.code == Errc::duplicate);
  CHECK(twice.tensor == "t");
}

TEST_CASE("gguf: tensors lie one after the other and any other place is refused", "[io][gguf]") {
  std::size_t good = 0;
  for (std::uint64_t first = 0; first <= 128; first += 8)
    for (std::uint64_t second = 0; second <= 128; second += 8) {
      const bool placed = accepted(gguf_bytes({}, {{"a", {9}, 0, first}, {"b", {1}, 0, second}}, Bytes(96)));
      CHECK(placed == (first == 0 && second == 64));
      good += placed;
    }
  CHECK(good == 1);
  for (const std::uint64_t offset : {std::uint64_t{1} << 31, std::uint64_t{1} << 32, std::uint64_t{1} << 63,
                                     ~std::uint64_t{0} - 31, ~std::uint64_t{0}})
    CHECK(refused_tensor({"t", {16}, 0, offset}).code == Errc::malformed);
  CHECK(refused(gguf_bytes({}, {{"a", {16}, 0, 0}}, Bytes(65))).code == Errc::malformed);
  CHECK(refused(gguf_bytes({}, {}, Bytes(1))).code == Errc::malformed);
}

TEST_CASE("gguf: getters convert only between integers that fit, and name the key", "[io][gguf]") {
  Bytes strings;
  test::put_string(strings, "a");
  test::put_string(strings, "");
  Bytes halves;
  for (const float x : {0.5f, -2.0f}) test::put_number(halves, std::bit_cast<std::uint32_t>(x), 4);
  const Bytes bytes = gguf_bytes(
      {gguf_number("u8", 0, 200, 1), gguf_number("i8", 1, 0xFF, 1), gguf_number("u16", 2, 60000, 2),
       gguf_number("i16", 3, 0x8000, 2), gguf_number("u32", 4, 0xFFFFFFFF, 4), gguf_number("i32", 5, 7, 4),
       gguf_number("f32", 6, std::bit_cast<std::uint32_t>(1.5f), 4), gguf_number("bool", 7, 1, 1),
       gguf_text("s", "text"),
       gguf_number("u64", 10, ~std::uint64_t{0}, 8), gguf_number("i64", 11, std::uint64_t{1} << 63, 8),
       gguf_number("f64", 12, std::bit_cast<std::uint64_t>(0.1), 8), gguf_array("ss", 8, 2, strings),
       gguf_array("fs", 6, 2, halves), gguf_array("is", 5, 2, Bytes{1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}),
       gguf_array("bs", 7, 2, Bytes{1, 0})},
      {}, {});
  auto file = GgufFile::parse(bytes);
  REQUIRE(file);
  CHECK(*file->get<std::uint64_t>("u8") == 200);
  CHECK(file->get<std::int8_t>("u8").error().code == Errc::out_of_bounds);
  CHECK(*file->get<std::int64_t>("i8") == -1);
  CHECK(file->get<std::uint64_t>("i8").error().code == Errc::out_of_bounds);
  CHECK(*file->get<std::uint32_t>("u16") == 60000);
  CHECK(*file->get<int>("i16") == -32768);
  CHECK(*file->get<std::uint64_t>("u32") == 0xFFFFFFFF);
  CHECK(*file->get<std::uint8_t>("i32") == 7);
  CHECK(*file->get<float>("f32") == 1.5f);
  CHECK(*file->get<double>("f32") == 1.5);
  CHECK(*file->get<bool>("bool"));
  CHECK(*file->get<std::string>("s") == "text");
  CHECK(*file->get<std::uint64_t>("u64") == std::numeric_limits<std::uint64_t>::max());
  CHECK(*file->get<std::int64_t>("i64") == std::numeric_limits<std::int64_t>::min());
  CHECK(*file->get<double>("f64") == 0.1);
  CHECK(*file->get<float>("f64") == 0.1f);
  CHECK(*file->get<std::vector<std::string>>("ss") == std::vector<std::string>{"a", ""});
  CHECK(*file->get<std::vector<float>>("fs") == std::vector<float>{0.5f, -2.0f});
  CHECK(*file->get<std::vector<std::int32_t>>("is") == std::vector<std::int32_t>{1, -1});
  CHECK(*file->get<std::vector<bool>>("bs") == std::vector<bool>{true, false});

  CHECK(file->get<std::vector<std::uint32_t>>("is").error().code == Errc::out_of_bounds);
  for (const char* key : {"f32", "s", "bool", "is"}) {
    CHECK(file->get<std::uint64_t>(key).error().code == Errc::malformed);
    CHECK(file->get<std::uint64_t>(key, 3).error().tensor == key);
  }
  CHECK(file->get<float>("u32").error().code == Errc::malformed);
  CHECK(file->get<bool>("u8").error().code == Errc::malformed);
  CHECK(file->get<std::string>("ss").error().code == Errc::malformed);
  CHECK(file->get<std::vector<float>>("is").error().code == Errc::malformed);
  CHECK(file->get<std::vector<float>>("f32").error().code == Errc::malformed);
  CHECK(file->get<std::vector<float>>("bs").error().code == Errc::malformed);
  CHECK(file->get<int>("absent").error().code == Errc::missing);
  CHECK(file->get<int>("absent").error().tensor == "absent");
  CHECK(*file->get<int>("absent", 5) == 5);
  CHECK(*file->get<std::string>("absent", "d") == "d");
}

TEST_CASE("validate_data: a scale that is not finite is found, wherever the type keeps it", "[io][gguf]") {
  std::size_t checked = 0;
  for (const GgmlTypeInfo& info : ggml_types) {
    GgufTensor tensor{.name = "t", .dims = {info.block_length, 3}, .type = info.type, .bytes = {}};
    for (const std::int32_t half : {info.first_half, info.second_half}) {
      if (half < 0) continue;
      for (const unsigned pattern : {0x7C00u, 0xFC00u, 0x7E00u, 0x7C01u, 0x7BFFu}) {
        Bytes data(std::size_t{info.block_bytes} * 3);
        const std::size_t at = 2 * info.block_bytes + static_cast<std::size_t>(half);
        data[at] = static_cast<std::uint8_t>(pattern);
        data[at + 1] = static_cast<std::uint8_t>(pattern >> 8);
        tensor.bytes = data;
        const auto valid = validate_data(tensor);
        CHECK(valid.has_value() == (pattern == 0x7BFFu));
        if (!valid) CHECK(valid.error().column == 2u);
        ++checked;
      }
    }
  }
  CHECK(checked >= 5 * 25);
  const auto last_block = [](GgmlType type, Bytes block) {
    const GgufTensor tensor{.name = "t", .dims = {1}, .type = type, .bytes = block};
    return validate_data(tensor).has_value();
  };
  CHECK_FALSE(last_block(GgmlType::F32, {0, 0, 0x80, 0x7f}));
  CHECK(last_block(GgmlType::F32, {0xff, 0xff, 0x7f, 0x7f}));
  CHECK_FALSE(last_block(GgmlType::BF16, {0x80, 0xff}));
  CHECK_FALSE(last_block(GgmlType::F64, {0, 0, 0, 0, 0, 0, 0xf0, 0x7f}));
  Bytes mx(17);
  mx[0] = 254;
  CHECK(last_block(GgmlType::MXFP4, mx));
  mx[0] = 255;
  CHECK_FALSE(last_block(GgmlType::MXFP4, mx));
  Bytes iq1(56);
  iq1[48 + 7] = 0x70;  // top nibble of the last u16: the half's exponent and sign
  iq1[48 + 5] = 0xC0;
  CHECK_FALSE(last_block(GgmlType::IQ1_M, iq1));
  iq1[48 + 5] = 0x80;
  CHECK(last_block(GgmlType::IQ1_M, iq1));
}

TEST_CASE("gguf: errors of an opened file name it", "[io][gguf]") {
  test::TempDir dir;
  test::write_file(dir / "bad.gguf", "GGU");
  auto file = GgufFile::open(dir / "bad.gguf");
  REQUIRE_FALSE(file);
  CHECK(file.error().code == Errc::truncated);
  CHECK(file.error().file == (dir / "bad.gguf").string());
}

}  // namespace lowbit::test::gguf_tests
