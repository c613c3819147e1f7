// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "lowbit/core/contract.hpp"

/// What went wrong with data, as a value: a named cause, where it lies, and the number that failed.

namespace lowbit {

enum class Errc : std::uint8_t {
  // files
  io_error,             ///< the operating system refused: open, read, write, rename
  truncated,            ///< the file ends before what it promises
  malformed,            ///< bytes that the format forbids
  unsupported,          ///< legal, but not implemented here; named in the message
  out_of_bounds,        ///< a size, offset or index outside its range
  duplicate,            ///< a name or key that may stand once stands twice
  missing,              ///< a tensor, key, file or shard that must be there
  already_exists,       ///< the destination exists and may not be overwritten
  // numbers
  not_finite,           ///< NaN or infinity where a number is needed
  not_positive_definite,///< a Cholesky factorization failed at every damping tried
  shape_mismatch,       ///< two shapes that must agree do not
  // requests
  invalid_argument,     ///< an option or recipe that means nothing
  out_of_range_token,   ///< a token id at or past the vocabulary size
};

constexpr std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::io_error: return "i/o error";
    case Errc::truncated: return "truncated";
    case Errc::malformed: return "malformed";
    case Errc::unsupported: return "unsupported";
    case Errc::out_of_bounds: return "out of bounds";
    case Errc::duplicate: return "duplicate";
    case Errc::missing: return "missing";
    case Errc::already_exists: return "already exists";
    case Errc::not_finite: return "not finite";
    case Errc::not_positive_definite: return "not positive definite";
    case Errc::shape_mismatch: return "shape mismatch";
    case Errc::invalid_argument: return "invalid argument";
    case Errc::out_of_range_token: return "token out of range";
  }
  return "unknown error";
}

/// A failure. `message` says what failed; the optional fields say where, as far as it is known.
struct Error {
  Errc code = Errc::malformed;
  std::string message;
  std::string file{};                       ///< path of the file at fault
  std::string tensor{};                     ///< tensor or key at fault
  std::optional<std::uint64_t> offset{};    ///< byte offset in the file
  std::optional<std::uint64_t> row{};
  std::optional<std::uint64_t> column{};
  std::optional<double> value{};            ///< the number that failed

  /// Names the file (or tensor) of an error that travels up, unless a deeper layer already did.
  Error&& in_file(std::string_view path) && {
    if (file.empty()) file = path;
    return std::move(*this);
  }
  Error&& in_tensor(std::string_view name) && {
    if (tensor.empty()) tensor = name;
    return std::move(*this);
  }
};

/// One line: cause, message, then every known place. Control characters in names come out as '?', since names are
/// whatever a file said.
inline std::string to_string(const Error& error) {
  const auto clean = [](std::string text) {
    for (char& c : text)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return text;
  };
  std::string line = std::string(to_string(error.code)) + ": " + clean(error.message);
  if (!error.tensor.empty()) line += " [tensor " + clean(error.tensor) + "]";
  if (error.row) line += " [row " + std::to_string(*error.row) + "]";
  if (error.column) line += " [column " + std::to_string(*error.column) + "]";
  if (error.value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.9g", *error.value);
    line += std::string(" [value ") + digits + "]";
  }
  if (error.offset) line += " [byte " + std::to_string(*error.offset) + "]";
  if (!error.file.empty()) line += " [" + clean(error.file) + "]";
  return line;
}

#if defined(__cpp_exceptions)
/// What Result::value() throws.
struct BadResult : std::runtime_error {
  explicit BadResult(Error e) : std::runtime_error(to_string(e)), error(std::move(e)) {}
  Error error;
};
#endif

/// A value or an Error; a small stand-in for std::expected<T, Error>. Move-only types are welcome.
template <class T = void>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT: implicit, as in std::expected
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}    // NOLINT

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& operator*() & { return *checked(); }
  const T& operator*() const& { return *const_cast<Result*>(this)->checked(); }
  T&& operator*() && { return std::move(*checked()); }
  T* operator->() { return checked(); }
  const T* operator->() const { return const_cast<Result*>(this)->checked(); }

  /// The value, or BadResult thrown (std::abort without exceptions).
  T& value() & { return throw_if_error(), *checked(); }
  const T& value() const& { return throw_if_error(), **this; }
  T&& value() && { return throw_if_error(), std::move(*checked()); }

  Error& error() & {
    LOWBIT_EXPECTS(!has_value(), "Result::error() needs a Result that holds an error");
    return *std::get_if<1>(&state_);
  }
  const Error& error() const& { return const_cast<Result*>(this)->error(); }
  Error&& error() && { return std::move(error()); }

 private:
  T* checked() {
    LOWBIT_EXPECTS(has_value(), "dereferencing a Result needs one that holds a value");
    return std::get_if<0>(&state_);
  }
  void throw_if_error() const {
#if defined(__cpp_exceptions)
    if (!has_value()) throw BadResult(error());
#else
    if (!has_value()) std::abort();
#endif
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit, as in std::expected

  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
#if defined(__cpp_exceptions)
    if (error_) throw BadResult(*error_);
#else
    if (error_) std::abort();
#endif
  }
  Error& error() & {
    LOWBIT_EXPECTS(error_.has_value(), "Result::error() needs a Result that holds an error");
    return *error_;
  }
  const Error& error() const& { return const_cast<Result*>(this)->error(); }
  Error&& error() && { return std::move(error()); }

 private:
  std::optional<Error> error_;
};

}  // namespace lowbit

/// Declares `name` from a Result, or returns its error from the enclosing function.
#define LOWBIT_TRY(name, expression)                                  \
  auto name##_result = (expression);                                  \
  if (!name##_result) return std::move(name##_result).error();        \
  auto& name = *name##_result  // NOLINT(bugprone-macro-parentheses)

/// Returns the error of a Result<void> from the enclosing function.
#define LOWBIT_CHECK(expression)                                                    \
  do {                                                                              \
    if (auto lowbit_check_result = (expression); !lowbit_check_result)              \
      return std::move(lowbit_check_result).error();                                \
  } while (false)
