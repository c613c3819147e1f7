// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace lowbit::detail {

/// A name put together at compile time, such as "e4m3fn" from its numbers. Parts that do not fit do not compile.
struct FormatName {
  std::array<char, 24> text{};
  std::size_t size = 0;

  constexpr FormatName& add(std::string_view part) {
    for (const char c : part) text[size++] = c;
    return *this;
  }
  constexpr FormatName& add(int number) {
    if (number < 0) return add("-").add(-number);
    if (number >= 10) add(number / 10);
    text[size++] = static_cast<char>('0' + number % 10);
    return *this;
  }
  constexpr std::string_view view() const { return {text.data(), size}; }
};

}  // namespace lowbit::detail
