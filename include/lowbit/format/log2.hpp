// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"
#include "lowbit/format/rounding.hpp"

namespace lowbit {

/// Logarithmic points for data in [0, 1], such as attention probabilities: code q is 2^−q, the last code is 0.
///
/// Encoding rounds −log2 x, so a code is nearest in ratio and not in distance: `nearest` is false, and the law of
/// nearest points does not hold. Inside the range the relative error is at most √2 − 1; what rounds to 2^−(2^b − 1) or
/// less becomes 0, what is above 1 becomes 1. Negative values become 0; NaN must be refused before. No logarithm is
/// taken: the mantissa's bits are compared with those of √2. The papers simulate 2^b powers beside zero; here zero
/// takes the code of the smallest, since codes have b bits.
/// Source: Lin et al., "FQ-ViT", IJCAI 2022, arXiv:2111.13824.
template <int Bits>
struct Log2 {
  static_assert(Bits >= 2 && Bits <= 6, "lowbit::Log2 has 2 to 6 bits.");
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr bool nearest = false;
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

  static constexpr code_type zero_code = cardinality - 1;
  static constexpr std::array<float, cardinality> levels = [] {
    std::array<float, cardinality> all{};
    for (std::size_t q = 0; q < zero_code; ++q) all[q] = detail::power_of_two(-static_cast<int>(q));
    return all;
  }();

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(x > 0.0f ? x : 0.0f);
    // 0x3504f3 is the mantissa of √2, rounded down: one more carries into the exponent.
    const int q = 127 - static_cast<int>((u + (0x00800000u - 0x003504f4u)) >> 23);
    return static_cast<code_type>(q > 0 ? (q < zero_code ? q : zero_code) : 0);
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr detail::FormatName text = detail::FormatName{}.add("log2_").add(Bits);

 public:
  static constexpr std::string_view name = text.view();
};

/// The same with steps of √2: code q is 2^(−q/2), the last code is 0. Relative error at most 2^(1/4) − 1 inside the
/// range; what rounds to 2^(−(2^b − 1)/2) or less becomes 0. A product is a shift by ⌈q/2⌉, and one by √2 where q is
/// odd.
/// Source: Li et al., "RepQ-ViT", ICCV 2023, arXiv:2212.08254.
template <int Bits>
struct LogSqrt2 {
  static_assert(Bits >= 2 && Bits <= 6, "lowbit::LogSqrt2 has 2 to 6 bits.");
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr bool nearest = false;
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

  static constexpr code_type zero_code = cardinality - 1;
  static constexpr std::array<float, cardinality> levels = [] {
    std::array<float, cardinality> all{};
    for (std::size_t q = 0; q < zero_code; ++q)
      all[q] = detail::power_of_two(-static_cast<int>((q + 1) / 2)) * (q % 2 == 0 ? 1.0f : 1.41421356237309504880f);
    return all;
  }();

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    constexpr auto quarter = static_cast<std::uint32_t>(0.18920711500272106672 * 0x1p23);  // 2^(1/4), rounded down
    constexpr auto three_quarters =
        static_cast<std::uint32_t>(0.68179283050742908606 * 0x1p23);  // 2^(3/4), rounded down
    const auto u = std::bit_cast<std::uint32_t>(x > 0.0f ? x : 0.0f);
    const std::uint32_t mantissa = u & 0x7fffffu;
    const int q =
        254 - static_cast<int>(u >> 23) * 2 - (mantissa > quarter ? 1 : 0) - (mantissa > three_quarters ? 1 : 0);
    return static_cast<code_type>(q > 0 ? (q < zero_code ? q : zero_code) : 0);
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr detail::FormatName text = detail::FormatName{}.add("logsqrt2_").add(Bits);

 public:
  static constexpr std::string_view name = text.view();
};

static_assert(Format<Log2<4>> && Format<LogSqrt2<4>>);

}  // namespace lowbit
