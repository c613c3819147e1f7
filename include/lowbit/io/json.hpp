// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/bodies.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"

/// JSON from strangers: bounded size and depth, no duplicate keys, exact 64-bit integers, valid UTF-8; every failure is
/// an Error with its byte offset. Nothing here throws, and the getters below name the key at fault.

namespace lowbit::io {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t max_depth = 64;                     ///< arrays and objects inside one another
  std::uint64_t max_bytes = std::uint64_t{128} << 20;
};

namespace detail {

/// Reads characters and tells a counter how far it got: the parser itself reports places only for its own errors.
class CountedChars {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountedChars(const char* at, std::uint64_t* count) noexcept : at_(at), count_(count) {}
  reference operator*() const noexcept { return *at_; }
  CountedChars& operator++() noexcept {
    ++at_;
    ++*count_;
    return *this;
  }
  CountedChars operator++(int) noexcept {
    CountedChars before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const CountedChars& a, const CountedChars& b) noexcept { return a.at_ == b.at_; }

 private:
  const char* at_;
  std::uint64_t* count_;
};

/// What every event handler shares: the first failure, with its place, and the depth.
class JsonEvents {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  explicit JsonEvents(std::size_t max_depth) : max_depth_(max_depth) {}

  bool binary(binary_t&) { return fail(Errc::malformed, "binary values are not JSON"); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& what) {
    std::string_view text = what.what();
    if (const std::size_t bracket = text.find("] "); bracket != std::string_view::npos) text.remove_prefix(bracket + 2);
    return fail(Errc::malformed, std::string(text.substr(0, 200)));
  }

  /// Bytes read so far.
  std::uint64_t* counter() noexcept { return &consumed_; }
  std::uint64_t offset() const noexcept { return consumed_ == 0 ? 0 : consumed_ - 1; }
  std::optional<Error>& error() noexcept { return error_; }

 protected:
  bool fail(Errc code, std::string message, std::string key = {}) {
    if (!error_)
      error_ = Error{.code = code, .message = std::move(message), .tensor = std::move(key), .offset = offset()};
    return false;
  }
  bool enter() {
    if (++depth_ <= max_depth_) return true;
    return fail(Errc::out_of_bounds, "values nested deeper than " + std::to_string(max_depth_));
  }
  void leave() noexcept { --depth_; }
  /// The parser hands over integers past 64 bits as rounded doubles; their text gives them away.
  static bool is_integer_text(const std::string& text) noexcept {
    return text.find_first_of(".eE") == std::string::npos;
  }

 private:
  std::size_t max_depth_;
  std::size_t depth_ = 0;
  std::uint64_t consumed_ = 0;
  std::optional<Error> error_;
};

/// Feeds `text` to a handler derived from JsonEvents.
template <class Events>
Result<> run_json(std::string_view text, Events& events) {
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)  // the parser would stop there
    return Error{.code = Errc::malformed, .message = "a NUL byte in JSON", .offset = nul};
  std::uint64_t ignored = 0;
  const CountedChars first(text.data(), events.counter());
  const CountedChars last(text.data() + text.size(), &ignored);
  if (!Json::sax_parse(first, last, &events) || events.error())
    return events.error() ? std::move(*events.error())
                          : Error{.code = Errc::malformed, .message = "not JSON", .offset = events.offset()};
  return {};
}

/// Builds a Json value from events.
class JsonBuilder : public JsonEvents {
 public:
  using JsonEvents::JsonEvents;

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(number_integer_t value) { return put(value); }
  bool number_unsigned(number_unsigned_t value) { return put(value); }
  bool number_float(number_float_t value, const string_t& text) {
    if (is_integer_text(text)) return fail(Errc::out_of_bounds, "an integer that does not fit 64 bits", key_);
    return put(value);
  }
  bool string(string_t& value) { return put(std::move(value)); }
  bool start_object(std::size_t) { return enter() && open(Json::object()); }
  bool start_array(std::size_t) { return enter() && open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(string_t& name) {
    key_ = name;
    const auto [slot, inserted] = stack_.back()->emplace(std::move(name), nullptr);
    if (!inserted) return fail(Errc::duplicate, "a key stands twice in one object", key_);
    member_ = &*slot;
    return true;
  }

  Json take() { return std::move(root_); }

 private:
  template <class V>
  bool put(V&& value) {
    place(Json(std::forward<V>(value)));
    return true;
  }
  bool open(Json container) {
    stack_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    stack_.pop_back();
    leave();
    return true;
  }
  /// Array elements and members keep their address while their children are read: only the innermost container grows.
  Json* place(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (stack_.back()->is_array()) {
      stack_.back()->push_back(std::move(value));
      return &stack_.back()->back();
    }
    *member_ = std::move(value);
    return member_;
  }

  Json root_;
  std::vector<Json*> stack_;
  Json* member_ = nullptr;
  std::string key_;
};

}  // namespace detail

/// One JSON text.
/// Errors   malformed (syntax, UTF-8, bytes after the value), duplicate (names the key), out_of_bounds (size, depth, an
///          integer past 64 bits). Each carries the byte offset.
/// Cost     O(n log n); memory O(n).
Result<Json> parse_json(std::string_view text, JsonLimits limits = {});
inline Result<Json> parse_json(std::span<const std::uint8_t> text, JsonLimits limits = {}) {
  return parse_json(as_text(text), limits);
}

/// The member, or nullptr when it is absent or null, or when `object` is no object.
inline const Json* find_member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(std::string(key));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

namespace detail {

inline Error wrong_type(std::string_view key, const Json& value, std::string_view wanted) {
  return {.code = Errc::malformed,
          .message = "expected " + std::string(wanted) + ", found " + value.type_name(),
          .tensor = std::string(key)};
}
inline Error no_member(std::string_view key) {
  return {.code = Errc::missing, .message = "a required key is absent", .tensor = std::string(key)};
}

inline Result<std::uint64_t> to_u64(const Json& value, std::string_view key) {
  if (const auto* u = value.get_ptr<const Json::number_unsigned_t*>()) return *u;
  return wrong_type(key, value, "a non-negative integer");
}
inline Result<std::int64_t> to_i64(const Json& value, std::string_view key) {
  if (const auto* u = value.get_ptr<const Json::number_unsigned_t*>()) {
    if (*u <= std::uint64_t{INT64_MAX}) return static_cast<std::int64_t>(*u);
    return Error{.code = Errc::out_of_bounds, .message = "an integer past 2^63 - 1", .tensor = std::string(key)};
  }
  if (const auto* i = value.get_ptr<const Json::number_integer_t*>()) return *i;
  return wrong_type(key, value, "an integer");
}
inline Result<double> to_f64(const Json& value, std::string_view key) {
  if (const auto* f = value.get_ptr<const Json::number_float_t*>()) return *f;
  if (const auto* u = value.get_ptr<const Json::number_unsigned_t*>()) return static_cast<double>(*u);
  if (const auto* i = value.get_ptr<const Json::number_integer_t*>()) return static_cast<double>(*i);
  return wrong_type(key, value, "a number");
}
inline Result<bool> to_bool(const Json& value, std::string_view key) {
  if (const auto* b = value.get_ptr<const Json::boolean_t*>()) return *b;
  return wrong_type(key, value, "true or false");
}
inline Result<std::string> to_text(const Json& value, std::string_view key) {
  if (const auto* s = value.get_ptr<const Json::string_t*>()) return *s;
  return wrong_type(key, value, "a string");
}

}  // namespace detail

/// Typed members. Without a fallback an absent or null member is `missing`; with one it is the fallback. A member of
/// another type is `malformed`: 3.0 is no integer, "3" is no number. The error's `tensor` field names the key.
inline Result<std::uint64_t> get_u64(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  return member == nullptr ? detail::no_member(key) : detail::to_u64(*member, key);
}
inline Result<std::uint64_t> get_u64(const Json& object, std::string_view key, std::uint64_t fallback) {
  const Json* member = find_member(object, key);
  return member == nullptr ? Result<std::uint64_t>(fallback) : detail::to_u64(*member, key);
}
inline Result<std::int64_t> get_i64(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  return member == nullptr ? detail::no_member(key) : detail::to_i64(*member, key);
}
inline Result<std::int64_t> get_i64(const Json& object, std::string_view key, std::int64_t fallback) {
  const Json* member = find_member(object, key);
  return member == nullptr ? Result<std::int64_t>(fallback) : detail::to_i64(*member, key);
}
inline Result<double> get_f64(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  return member == nullptr ? detail::no_member(key) : detail::to_f64(*member, key);
}
inline Result<double> get_f64(const Json& object, std::string_view key, double fallback) {
  const Json* member = find_member(object, key);
  return member == nullptr ? Result<double>(fallback) : detail::to_f64(*member, key);
}
inline Result<bool> get_bool(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  return member == nullptr ? detail::no_member(key) : detail::to_bool(*member, key);
}
inline Result<bool> get_bool(const Json& object, std::string_view key, bool fallback) {
  const Json* member = find_member(object, key);
  return member == nullptr ? Result<bool>(fallback) : detail::to_bool(*member, key);
}
inline Result<std::string> get_string(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  return member == nullptr ? detail::no_member(key) : detail::to_text(*member, key);
}
inline Result<std::string> get_string(const Json& object, std::string_view key, std::string_view fallback) {
  const Json* member = find_member(object, key);
  return member == nullptr ? Result<std::string>(std::string(fallback)) : detail::to_text(*member, key);
}

/// A member that is an object (or array); never null.
inline Result<const Json*> get_object(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member == nullptr) return detail::no_member(key);
  if (!member->is_object()) return detail::wrong_type(key, *member, "an object");
  return member;
}
inline Result<const Json*> get_array(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member == nullptr) return detail::no_member(key);
  if (!member->is_array()) return detail::wrong_type(key, *member, "an array");
  return member;
}

#if defined(LOWBIT_BODY)

LOWBIT_BODY Result<Json> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.max_bytes)
    return Error{.code = Errc::out_of_bounds,
                 .message = "JSON of " + std::to_string(text.size()) + " bytes, more than the " +
                            std::to_string(limits.max_bytes) + " allowed"};
  detail::JsonBuilder builder(limits.max_depth);
  LOWBIT_CHECK(detail::run_json(text, builder));
  return builder.take();
}

#endif

}  // namespace lowbit::io
