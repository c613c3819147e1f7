// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

/// Little-endian numbers at any address, on hosts of either byte order, and text as bytes.

namespace lowbit::io {

inline std::span<const std::uint8_t> as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const std::uint8_t> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

namespace detail {

template <std::size_t Size>
using unsigned_of_size = std::conditional_t<
    Size == 1, std::uint8_t,
    std::conditional_t<Size == 2, std::uint16_t, std::conditional_t<Size == 4, std::uint32_t, std::uint64_t>>>;

/// The number whose sizeof(T) bytes begin at `bytes`, which need not be aligned.
template <class T>
  requires std::integral<T> || std::floating_point<T>
constexpr T load_le(const std::uint8_t* bytes) noexcept {
  using U = unsigned_of_size<sizeof(T)>;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
  return std::bit_cast<T>(static_cast<U>(value));
}

template <class T>
  requires std::integral<T> || std::floating_point<T>
constexpr void store_le(T value, std::uint8_t* bytes) noexcept {
  const std::uint64_t u = std::bit_cast<unsigned_of_size<sizeof(T)>>(value);
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<std::uint8_t>(u >> (8 * i));
}

template <class T>
void append_le(std::vector<std::uint8_t>& out, T value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof(T));
  store_le(value, out.data() + at);
}

}  // namespace detail

/// Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. O(n).
constexpr bool is_utf8(std::string_view text) noexcept {
  std::size_t i = 0;
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  while (i < text.size()) {
    const std::uint8_t lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t tail = lead >= 0xC2 && lead <= 0xDF   ? 1
                             : (lead & 0xF0) == 0xE0        ? 2
                             : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                            : 0;
    if (tail == 0 || text.size() - i <= tail) return false;
    const std::uint8_t second = byte(i + 1);
    if (lead == 0xE0 && second < 0xA0) return false;  // overlong
    if (lead == 0xED && second > 0x9F) return false;  // surrogates
    if (lead == 0xF0 && second < 0x90) return false;  // overlong
    if (lead == 0xF4 && second > 0x8F) return false;  // past U+10FFFF
    for (std::size_t k = 1; k <= tail; ++k)
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    i += 1 + tail;
  }
  return true;
}

}  // namespace lowbit::io
