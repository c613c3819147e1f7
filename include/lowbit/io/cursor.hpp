// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"

namespace lowbit::io::detail {

/// Reads forward through bytes from a stranger. Every read is tested against what remains, by subtraction; errors carry
/// the offset and the name of the field. Internal.
class Cursor {
 public:
  explicit Cursor(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

  std::uint64_t position() const noexcept { return position_; }
  std::uint64_t remaining() const noexcept { return bytes_.size() - position_; }

  Result<std::span<const std::uint8_t>> take(std::uint64_t count, std::string_view field) {
    if (count > remaining())
      return Error{.code = Errc::truncated,
                   .message = std::string(field) + " needs " + std::to_string(count) + " bytes, " +
                              std::to_string(remaining()) + " remain",
                   .offset = position_};
    const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += taken.size();
    return taken;
  }

  template <class T>
  Result<T> read(std::string_view field) {
    LOWBIT_TRY(raw, take(sizeof(T), field));
    return load_le<T>(raw.data());
  }

  /// A u64 length, at most `most`, then that many bytes.
  Result<std::string_view> read_string(std::uint64_t most, std::string_view field) {
    const std::uint64_t start = position_;
    LOWBIT_TRY(length, read<std::uint64_t>(field));
    if (length > most && length <= remaining())
      return Error{.code = Errc::out_of_bounds,
                   .message = std::string(field) + " has " + std::to_string(length) + " bytes, more than the " +
                              std::to_string(most) + " allowed",
                   .offset = start};
    LOWBIT_TRY(raw, take(length, field));
    return as_text(raw);
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t position_ = 0;
};

}  // namespace lowbit::io::detail
