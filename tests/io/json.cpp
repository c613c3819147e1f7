// SPDX-License-Identifier: MIT
#include "lowbit/io/json.hpp"

#include <cstdint>
#include <limits>
#include <string>

#include "catch.hpp"

namespace lowbit::test::json_tests {
using namespace lowbit::io;

namespace {

Error refused(std::string_view text, JsonLimits limits = {}) {
  auto parsed = parse_json(text, limits);
  INFO(text);
  REQUIRE_FALSE(parsed);
  return parsed.error();
}

}  // namespace

TEST_CASE("parse_json: every kind of value comes out as written", "[io][json]") {
  auto parsed =
      parse_json(R"( {"a": [1, -2, 2.5, true, false, null, "x\u00e9\n"], "b": {}, "c": [], "d": {"e": [[]]}} )");
  REQUIRE(parsed);
  CHECK(parsed->dump() == R"({"a":[1,-2,2.5,true,false,null,"xé\n"],"b":{},"c":[],"d":{"e":[[]]}})");
  CHECK(parse_json("7")->dump() == "7");
}

TEST_CASE("parse_json: 64-bit integers are exact and wider ones refused", "[io][json]") {
  auto parsed = parse_json(R"([18446744073709551615, -9223372036854775808, 9007199254740993])");
  REQUIRE(parsed);
  CHECK((*parsed)[0].get<std::uint64_t>() == std::numeric_limits<std::uint64_t>::max());
  CHECK((*parsed)[1].get<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
  CHECK((*parsed)[2].get<std::uint64_t>() == 9007199254740993u);
  CHECK(refused("[18446744073709551616]").code == Errc::out_of_bounds);
  CHECK(refused("[-9223372036854775809]").code == Errc::out_of_bounds);
  CHECK(refused("{\"k\": 100000000000000000000000}").tensor == "k");
  CHECK(refused("[1e999]").code == Errc::malformed);
}

TEST_CASE("parse_json: a duplicate key is refused by name at every level", "[io][json]") {
  const Error top = refused(R"({"a": 1, "b": 2, "a": 3})");
  CHECK(top.code == Errc::duplicate);
  CHECK(top.tensor == "a");
  CHECK(top.offset == 19u);  // the quote that ends the second "a"
  CHECK(refused(R"({"x": [{"y": {"a": 1, "a": 1}}]})").code == Errc::duplicate);
  CHECK(refused(R"({"a": 1, "\u0061": 1})").code == Errc::duplicate);
  CHECK(parse_json(R"({"a": {"a": {"a": 1}}, "b": {"a": 2}})"));
}

TEST_CASE("parse_json: depth and size are bounded", "[io][json]") {
  CHECK(parse_json("[[[]]]", {.max_depth = 3}));
  CHECK(refused("[[[]]]", {.max_depth = 2}).code == Errc::out_of_bounds);
  CHECK(refused("[{\"a\": {}}]", {.max_depth = 2}).code == Errc::out_of_bounds);
  CHECK(refused(std::string(5'000'000, '[')).code == Errc::out_of_bounds);
  CHECK(parse_json("1234", {.max_bytes = 4}));
  CHECK(refused("12345", {.max_bytes = 4}).code == Errc::out_of_bounds);
}

TEST_CASE("parse_json: bad syntax and bad text are refused with a place", "[io][json]") {
  const std::string nul_after("{}\0garbage", 10);
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[1,]"), std::string("{\"a\"}"), std::string("{} x"),
        std::string("[01]"), std::string("[NaN]"), std::string("// c\n1"), std::string("\"\x80\""),
        std::string("\"\xC0\xAF\""), std::string("\"\xED\xA0\x80\""), std::string("\"\\ud800\""),
        std::string("\"a\nb\""), std::string("{1: 2}"), nul_after, std::string("nul")}) {
    const Error error = refused(text);
    CHECK(error.code == Errc::malformed);
    CHECK(error.offset.has_value());
  }
  CHECK(refused("[1, 2, x]").offset == 7u);
  CHECK(refused(nul_after).offset == 2u);
}

TEST_CASE("parse_json: every prefix of a document fails cleanly", "[io][json]") {
  const std::string text = R"({"a": [1, -2, 2.5e3, true, null, "x\u00e9\n"], "b": {"c": {}}})";
  for (std::size_t n = 0; n < text.size(); ++n) CHECK_FALSE(parse_json(std::string_view(text).substr(0, n)));
  CHECK(parse_json(text));
}

TEST_CASE("JSON getters: the type must be the one asked for, and errors name the key", "[io][json]") {
  const Json object = *parse_json(
      R"({"u": 3, "i": -3, "f": 2.5, "b": true, "s": "t", "n": null, "o": {"k": 1}, "a": [1],
          "big": 18446744073709551615})");
  CHECK(*get_u64(object, "u") == 3);
  CHECK(*get_i64(object, "i") == -3);
  CHECK(*get_i64(object, "u") == 3);
  CHECK(*get_f64(object, "f") == 2.5);
  CHECK(*get_f64(object, "i") == -3.0);
  CHECK(*get_bool(object, "b"));
  CHECK(*get_string(object, "s") == "t");
  CHECK(*get_u64(**get_object(object, "o"), "k") == 1);
  CHECK((*get_array(object, "a"))->size() == 1);

  CHECK(get_u64(object, "i").error().code == Errc::malformed);
  CHECK(get_u64(object, "f").error().tensor == "f");
  CHECK(get_i64(object, "big").error().code == Errc::out_of_bounds);
  CHECK(get_bool(object, "u").error().code == Errc::malformed);
  CHECK(get_string(object, "u").error().message == "expected a string, found number");
  CHECK(get_f64(object, "s").error().code == Errc::malformed);
  CHECK(get_object(object, "a").error().code == Errc::malformed);
  CHECK(get_array(object, "o").error().code == Errc::malformed);

  CHECK(get_u64(object, "absent").error().code == Errc::missing);
  CHECK(get_string(object, "n").error().code == Errc::missing);
  CHECK(get_u64(Json(7), "k").error().code == Errc::missing);
  CHECK(*get_u64(object, "absent", 9) == 9);
  CHECK(*get_f64(object, "n", 0.5) == 0.5);
  CHECK(*get_string(object, "absent", "d") == "d");
  CHECK_FALSE(*get_bool(object, "absent", false));
  CHECK(*get_i64(object, "absent", -1) == -1);
  CHECK(get_u64(object, "s", 9).error().code == Errc::malformed);
}

}  // namespace lowbit::test::json_tests
