// SPDX-License-Identifier: MIT
#include "lowbit/io/safetensors.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/allocations.hpp"
#include "io/test_bytes.hpp"
#include "lowbit/io/decode.hpp"
#include "support/shared.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::safetensors_tests {
using namespace lowbit::io;
using test::Bytes;
using test::Exact;
using test::safetensors_bytes;

namespace {

Error refused_header(const Bytes& file) {
  const Exact exact(file);
  auto parsed = SafetensorsFile::parse(exact.span());
  REQUIRE_FALSE(parsed);
  return parsed.error();
}
Error refused_header(std::string_view json, const Bytes& data = {}) {
  INFO(json);
  return refused_header(safetensors_bytes(json, data));
}
bool accepted(std::string_view json, const Bytes& data = {}) {
  const Exact exact(safetensors_bytes(json, data));
  return SafetensorsFile::parse(exact.span()).has_value();
}

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return "\"" + std::string(name) + R"(":{"dtype":")" + std::string(dtype) + R"(","shape":[)" + std::string(shape) +
         R"(],"data_offsets":[)" + std::string(offsets) + "]}";
}

}  // namespace

TEST_CASE("safetensors: a file written by hand reads as its bytes say", "[io][safetensors]") {
  // 0x90 bytes of header with 7 of padding; "half" = {1, -2} in F16; "u" = {1, 2, 3} in U8.
  const char golden[] =
      "\x90\0\0\0\0\0\0\0"
      "{\"__metadata__\":{\"k\":\"vv\"},"
      "\"half\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[0,4]},"
      "\"u\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[4,7]}}       "
      "\x00\x3c\x00\xc0"
      "\x01\x02\x03";
  const std::string_view text(golden, sizeof golden - 1);
  const Bytes bytes(text.begin(), text.end());
  auto file = SafetensorsFile::parse(bytes);
  REQUIRE(file);
  REQUIRE(file->tensors().size() == 2);
  CHECK(file->metadata() == std::map<std::string, std::string>{{"k", "vv"}});
  const TensorView* half = file->find("half");
  REQUIRE(half != nullptr);
  CHECK(half->dtype == Dtype::F16);
  CHECK(half->shape == std::vector<std::uint64_t>{2, 1});
  CHECK(half->element_count() == 2);
  std::vector<float> values(2);
  REQUIRE(to_floats(*half, values));
  CHECK(values == std::vector<float>{1.0f, -2.0f});
  const TensorView* u = file->find("u");
  REQUIRE(u != nullptr);
  CHECK(Bytes(u->bytes.begin(), u->bytes.end()) == Bytes{1, 2, 3});
  CHECK(file->find("absent") == nullptr);
  CHECK(file->find("") == nullptr);
}

TEST_CASE("safetensors: empty files, scalars, empty tensors, odd names and padding are legal", "[io][safetensors]") {
  CHECK(accepted("{}"));
  CHECK(accepted("{}      "));
  CHECK(accepted(R"({"__metadata__":{}})"));
  CHECK(accepted("{" + entry("s", "F32", "", "0,4") + "}", Bytes(4)));
  CHECK(accepted("{" + entry("e", "F32", "0,7", "0,0") + "}"));
  CHECK(accepted("{" + entry("e", "F32", "0", "4,4") + "," + entry("s", "F32", "", "0,4") + "}", Bytes(4)));
  CHECK(accepted("{" + entry("f4", "F4", "2", "0,1") + "}", Bytes(1)));
  CHECK(accepted("{" + entry("f6", "F6_E2M3", "4", "0,3") + "}", Bytes(3)));
  CHECK(accepted("{" + entry("../../etc/passwd", "U8", "1", "0,1") + "}", Bytes(1)));
  CHECK(accepted("{" + entry("\\u0001\\u001b[2J%n\\u0000", "U8", "1", "0,1") + "}", Bytes(1)));
  CHECK(accepted("{" + entry("", "U8", "1", "0,1") + "}", Bytes(1)));
  CHECK(accepted("{ \"a\" : { \"shape\" : [ 1 ] ,\n\"data_offsets\":[0,1],\"dtype\":\"U8\" } }", Bytes(1)));
}

TEST_CASE("safetensors: a header length past the file or past the limit is refused before anything is allocated",
          "[io][safetensors]") {
  const Bytes valid = safetensors_bytes("{" + entry("a", "U8", "1", "0,1") + "}", Bytes(1));
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{valid.size()},
                                     std::uint64_t{100'000'000}, std::uint64_t{100'000'001}, std::uint64_t{1} << 31,
                                     std::uint64_t{1} << 32, std::uint64_t{1} << 63, ~std::uint64_t{0} - 7,
                                     ~std::uint64_t{0} - 1, ~std::uint64_t{0}}) {
    Bytes bytes = valid;
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(length >> (8 * i));
    const std::size_t before = test::allocated_bytes();
    const bool opened = SafetensorsFile::parse(bytes).has_value();
    CHECK_FALSE(opened);
    CHECK(test::allocated_bytes() - before < 8192);
  }
  Bytes huge;
  test::put_number(huge, 100'000'001, 8);
  huge.resize(100'000'100, ' ');
  CHECK(refused_header(huge).code == Errc::out_of_bounds);
}

TEST_CASE("safetensors: the header is one JSON object, from '{' to '}' and spaces", "[io][safetensors]") {
  CHECK(refused_header(Bytes{}).code == Errc::truncated);
  CHECK(refused_header(Bytes(7)).code == Errc::truncated);
  CHECK(refused_header("").offset == 8u);
  for (const char* json : {" {}", "[]", "{}\n", "{}\t", "{} x", "{}{}", "{", "{\"a\"}", "7", "\xEF\xBB\xBF{}", "{},",
                           "{\"a\":}"})
    CHECK(refused_header(json).code == Errc::malformed);
  CHECK(refused_header(std::string_view("{}\0}", 4)).code == Errc::malformed);
  CHECK(refused_header(std::string_view("{}\0", 3)).code == Errc::malformed);
  CHECK(refused_header("{\"__metadata__\":{\"k\":\"\xFF\"}}").code == Errc::malformed);
  CHECK(refused_header("{\"__metadata__\":{\"k\":\"\xED\xA0\x80\"}}").code == Errc::malformed);
}

TEST_CASE("safetensors: every value has the type that the format gives it", "[io][safetensors]") {
  for (const char* json : {
           R"({"a":1})", R"({"a":null})", R"({"a":"x"})", R"({"a":[]})", R"({"a":true})",
           R"({"__metadata__":1})", R"({"__metadata__":[]})", R"({"__metadata__":null})",
           R"({"__metadata__":{"k":1}})", R"({"__metadata__":{"k":null}})", R"({"__metadata__":{"k":{}}})",
           R"({"__metadata__":{"k":["v"]}})",
           R"({"a":{"dtype":1,"shape":[],"data_offsets":[0,4]}})",
           R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})",
           R"({"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}})",
           R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})",
           R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})",
           R"({"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}})",
           R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0]}})",
           R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,4]}})",
           R"({"a":{"dtype":"F32","shape":[],"data_offsets":[]}})",
           R"({"a":{"dtype":"F32","shape":[],"data_offsets":4}})",
           R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"strides":[1]}})",
       })
    CHECK(refused_header(json, Bytes(4)).code == Errc::malformed);
  for (const char* json : {
           R"({"a":{}})", R"({"a":{"dtype":"F32","shape":[]}})", R"({"a":{"dtype":"F32","data_offsets":[0,4]}})",
           R"({"a":{"shape":[],"data_offsets":[0,4]}})",
       }) {
    const Error error = refused_header(json, Bytes(4));
    CHECK(error.code == Errc::missing);
    CHECK(error.tensor == "a");
  }
  const Error unknown = refused_header("{" + entry("w", "F128", "", "0,4") + "}", Bytes(4));
  CHECK(unknown.code == Errc::unsupported);
  CHECK(unknown.tensor == "w");
}

TEST_CASE("safetensors: integers are exact, unsigned and 64 bits wide", "[io][safetensors]") {
  for (const char* extent : {"-1", "-0", "1.0", "1e0", "0.5", "18446744073709551616", "1e400", "01", "+1", "0x1"}) {
    CHECK(refused_header("{" + entry("a", "U8", extent, "0,1") + "}", Bytes(1)).code == Errc::malformed);
    CHECK(refused_header("{" + entry("a", "U8", "1", std::string("0,").append(extent)) + "}", Bytes(1)).code ==
          Errc::malformed);
  }
  // Past 2^53 a parser that goes through double would see the same number twice.
  CHECK(refused_header("{" + entry("a", "U8", "9007199254740993", "0,9007199254740992") + "}", Bytes(1)).code ==
        Errc::truncated);
  for (const char* number : {"1", "2", "2147483648", "4294967296", "9223372036854775808", "18446744073709551614",
                             "18446744073709551615"}) {
    CHECK_FALSE(accepted("{" + entry("a", "U8", number, "0,0") + "}"));
    CHECK_FALSE(accepted("{" + entry("a", "U8", "0", std::string(number) + ",0") + "}"));
    CHECK_FALSE(accepted("{" + entry("a", "U8", "0", std::string("0,") + number) + "}"));
    CHECK_FALSE(accepted("{" + entry("a", "U8", "0", std::string(number) + "," + number) + "}"));
  }
}

TEST_CASE("safetensors: a shape product that wraps is refused, even beside a zero", "[io][safetensors]") {
  for (const char* shape : {"4294967296,4294967296", "9223372036854775808,2", "18446744073709551615,18446744073709551615",
                            "0,9223372036854775808,2", "9223372036854775808,2,0", "9223372036854775808,0,2",
                            "4611686018427387905,4", "2305843009213693952"})
    CHECK(refused_header("{" + entry("a", "F32", shape, "0,0") + "}").code == Errc::out_of_bounds);
  CHECK(accepted("{" + entry("a", "U8", "0,1152921504606846976", "0,0") + "}"));
  CHECK(refused_header("{" + entry("a", "F4", "3", "0,1") + "}", Bytes(1)).code == Errc::malformed);
  CHECK(refused_header("{" + entry("a", "F4", "3", "0,2") + "}", Bytes(2)).code == Errc::malformed);
  CHECK(refused_header("{" + entry("a", "F6_E3M2", "2", "0,2") + "}", Bytes(2)).code == Errc::malformed);
  CHECK(refused_header("{" + entry("a", "F32", "2", "0,7") + "}", Bytes(7)).code == Errc::malformed);
}

TEST_CASE("safetensors: a duplicate key is refused by name at every level", "[io][safetensors]") {
  const std::string a = entry("a", "U8", "1", "0,1");
  const Error names = refused_header("{" + a + "," + entry("a", "U8", "1", "1,2") + "}", Bytes(2));
  CHECK(names.code == Errc::duplicate);
  CHECK(names.tensor == "a");
  CHECK(refused_header("{" + a + "," + a + "}", Bytes(1)).code == Errc::duplicate);
  CHECK(refused_header("{" + a + "," + entry("\\u0061", "U8", "1", "1,2") + "}", Bytes(2)).code == Errc::duplicate);
  CHECK(refused_header(R"({"__metadata__":{},"__metadata__":{}})").code == Errc::duplicate);
  CHECK(refused_header(R"({"__metadata__":{"k":"1","k":"1"}})").code == Errc::duplicate);
  for (const char* field : {R"("dtype":"U8")", R"("shape":[1])", R"("data_offsets":[0,1])"})
    CHECK(refused_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],)" + std::string(field) + "}}", Bytes(1)).code ==
          Errc::duplicate);
}

TEST_CASE("safetensors: two tensors are accepted exactly when they tile the data", "[io][safetensors]") {
  constexpr unsigned size = 5;
  std::size_t wrong = 0, good = 0;
  for (unsigned b1 = 0; b1 <= size + 1; ++b1)
    for (unsigned e1 = b1; e1 <= size + 1; ++e1)
      for (unsigned b2 = 0; b2 <= size + 1; ++b2)
        for (unsigned e2 = b2; e2 <= size + 1; ++e2) {
          bool tiles = e1 <= size && e2 <= size;
          for (unsigned byte = 0; byte < size; ++byte)
            tiles = tiles && (b1 <= byte && byte < e1) + (b2 <= byte && byte < e2) == 1;
          if (b1 == e1) tiles = tiles && (b1 == b2 || b1 == e2);  // an empty tensor lies at a border
          if (b2 == e2) tiles = tiles && (b2 == b1 || b2 == e1);
          std::string json = "{";
          json += entry("x", "U8", std::to_string(e1 - b1), std::to_string(b1) + "," + std::to_string(e1));
          json += ',';
          json += entry("y", "U8", std::to_string(e2 - b2), std::to_string(b2) + "," + std::to_string(e2));
          json += '}';
          wrong += accepted(json, Bytes(size)) != tiles;
          good += tiles;
        }
  CHECK(wrong == 0);
  CHECK(good == 2 * (size + 1));
  CHECK(refused_header("{" + entry("a", "U8", "1", "0,1") + "}", Bytes(2)).code == Errc::malformed);  // a trailing byte
  CHECK(refused_header("{}", Bytes(1)).code == Errc::malformed);
  CHECK(refused_header("{" + entry("a", "U8", "1", "2,1") + "}", Bytes(2)).code == Errc::malformed);
}

TEST_CASE("safetensors: nesting is bounded", "[io][safetensors]") {
  const std::string deep(1'000'000, '[');
  CHECK_FALSE(accepted("{\"a\":" + deep + "}"));
  std::string objects = "{";
  for (int i = 0; i < 100'000; ++i) objects += "\"a\":{";
  CHECK_FALSE(accepted(objects + "}"));
}

TEST_CASE("safetensors: memory stays proportional to the header", "[io][safetensors]") {
  std::string json = "{";
  for (int i = 0; i < 2000; ++i)
    json.append(i == 0 ? "" : ",").append(entry(std::to_string(i), "U8", "0", "0,0"));
  std::string shape(200'000, '0');
  for (std::size_t i = 1; i < shape.size(); i += 2) shape[i] = ',';
  shape.pop_back();
  json.append(",").append(entry("long", "U8", shape, "0,0")).append("}");
  const Bytes bytes = safetensors_bytes(json);
  const std::size_t before = test::allocated_bytes();
  CHECK(SafetensorsFile::parse(bytes).has_value());
  CHECK(test::allocated_bytes() - before < 40 * bytes.size());
}

TEST_CASE("safetensors: errors of an opened file name it", "[io][safetensors]") {
  test::TempDir dir;
  test::write_file(dir / "bad.safetensors", "short");
  auto file = SafetensorsFile::open(dir / "bad.safetensors");
  REQUIRE_FALSE(file);
  CHECK(file.error().code == Errc::truncated);
  CHECK(file.error().file == (dir / "bad.safetensors").string());
  CHECK(SafetensorsFile::open(dir / "none").error().code == Errc::missing);
}

}  // namespace lowbit::test::safetensors_tests
