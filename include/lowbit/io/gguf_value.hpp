// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"
#include "lowbit/io/decode.hpp"

/// Metadata values of GGUF: twelve scalar kinds and arrays of them. Arrays of arrays do not exist here.

namespace lowbit::io {

enum class GgufValueType : std::uint32_t {
  u8 = 0, i8 = 1, u16 = 2, i16 = 3, u32 = 4, i32 = 5, f32 = 6, boolean = 7, string = 8, array = 9, u64 = 10, i64 = 11,
  f64 = 12,
};

constexpr std::string_view name(GgufValueType type) noexcept {
  constexpr std::array<std::string_view, 13> names{"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                   "bool", "string", "array", "u64", "i64", "f64"};
  return static_cast<std::size_t>(type) < names.size() ? names[static_cast<std::size_t>(type)] : "unknown";
}

/// A value as it lies in the file, checked but not decoded; it borrows the file's bytes.
struct GgufValue {
  GgufValueType type = GgufValueType::u8;
  GgufValueType element = GgufValueType::u8;  ///< of an array; otherwise equal to `type`
  std::uint64_t count = 1;                    ///< elements of an array; otherwise 1
  std::span<const std::uint8_t> raw;          ///< encoded elements: numbers, or u64 length and bytes per string
};

namespace detail {

/// Bytes of a scalar; for a string those of its length; 0 for an array or an unknown type.
constexpr std::size_t encoded_size(GgufValueType type) noexcept {
  switch (type) {
    case GgufValueType::u8:
    case GgufValueType::i8:
    case GgufValueType::boolean: return 1;
    case GgufValueType::u16:
    case GgufValueType::i16: return 2;
    case GgufValueType::u32:
    case GgufValueType::i32:
    case GgufValueType::f32: return 4;
    case GgufValueType::string:
    case GgufValueType::u64:
    case GgufValueType::i64:
    case GgufValueType::f64: return 8;
    case GgufValueType::array: return 0;
  }
  return 0;
}

template <class T>
concept GgufInteger = std::integral<T> && !std::same_as<T, bool>;

template <GgufInteger T, GgufInteger Stored>
std::optional<T> narrow(Stored value) noexcept {
  if (!std::in_range<T>(value)) return std::nullopt;
  return static_cast<T>(value);
}

constexpr bool is_integer(GgufValueType type) noexcept {
  return encoded_size(type) != 0 && type != GgufValueType::f32 && type != GgufValueType::f64 &&
         type != GgufValueType::boolean && type != GgufValueType::string;
}

/// Whether values stored as `type` may be asked for as T at all.
template <class T>
constexpr bool may_hold(GgufValueType type) noexcept {
  if constexpr (std::same_as<T, bool>)
    return type == GgufValueType::boolean;
  else if constexpr (std::same_as<T, std::string>)
    return type == GgufValueType::string;
  else if constexpr (std::floating_point<T>)
    return type == GgufValueType::f32 || type == GgufValueType::f64;
  else
    return is_integer(type);
}

/// Decodes one element and steps over it; nothing when an integer does not fit T. Needs may_hold<T>(type).
template <class T>
std::optional<T> decode_element(GgufValueType type, const std::uint8_t*& at) {
  const std::uint8_t* const here = at;
  at += encoded_size(type);
  if constexpr (std::same_as<T, bool>) {
    return *here != 0;
  } else if constexpr (std::same_as<T, std::string>) {
    const auto length = static_cast<std::size_t>(load_le<std::uint64_t>(here));
    at += length;
    return std::string(as_text({here + 8, length}));
  } else if constexpr (std::floating_point<T>) {
    if (type == GgufValueType::f32) return static_cast<T>(load_le<float>(here));
    if constexpr (std::same_as<T, float>)
      return round_to_float(load_le<double>(here));
    else
      return load_le<double>(here);
  } else {
    switch (type) {
      case GgufValueType::u8: return narrow<T>(load_le<std::uint8_t>(here));
      case GgufValueType::i8: return narrow<T>(load_le<std::int8_t>(here));
      case GgufValueType::u16: return narrow<T>(load_le<std::uint16_t>(here));
      case GgufValueType::i16: return narrow<T>(load_le<std::int16_t>(here));
      case GgufValueType::u32: return narrow<T>(load_le<std::uint32_t>(here));
      case GgufValueType::i32: return narrow<T>(load_le<std::int32_t>(here));
      case GgufValueType::u64: return narrow<T>(load_le<std::uint64_t>(here));
      default: return narrow<T>(load_le<std::int64_t>(here));
    }
  }
}

template <class T>
inline constexpr bool is_vector = false;
template <class E>
inline constexpr bool is_vector<std::vector<E>> = true;

}  // namespace detail

/// The value as T: bool, an integer type, float, double, std::string, or a std::vector of one of these for an array.
///
/// Any stored integer type will do if the number fits T; f32 and f64 serve float (rounded to nearest) and double;
/// nothing else converts.
/// Errors   malformed (another type), out_of_bounds (does not fit). Cost O(size of the value).
template <class T>
Result<T> decode_value(const GgufValue& value) {
  const auto type_error = [&](GgufValueType found, std::string_view role) {
    return Error{.code = Errc::malformed, .message = std::string(role) + " has type " + std::string(name(found))};
  };
  const std::uint8_t* at = value.raw.data();
  if constexpr (detail::is_vector<T>) {
    using E = typename T::value_type;
    if (value.type != GgufValueType::array) return type_error(value.type, "an array is needed; the value");
    if (!detail::may_hold<E>(value.element)) return type_error(value.element, "another type is needed; each element");
    T out;
    out.reserve(static_cast<std::size_t>(value.count));
    for (std::uint64_t i = 0; i < value.count; ++i) {
      auto element = detail::decode_element<E>(value.element, at);
      if (!element)
        return Error{.code = Errc::out_of_bounds, .message = "element " + std::to_string(i) + " does not fit"};
      out.push_back(std::move(*element));
    }
    return out;
  } else {
    if (!detail::may_hold<T>(value.type)) return type_error(value.type, "another type is needed; the value");
    auto decoded = detail::decode_element<T>(value.type, at);
    if (!decoded) return Error{.code = Errc::out_of_bounds, .message = "the value does not fit"};
    return std::move(*decoded);
  }
}

}  // namespace lowbit::io
