// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

namespace lowbit {

/// What one code means: a finite set of points in R^dim, with no scale of its own.
///
/// Laws, checked for every model by tests/format: encode(decode(c)) names the same point as c; encode(x) is a nearest
/// point to x (Euclidean). `cardinality`, not bits: ternary is 3, an E8 shell is one code for eight weights.
template <class F>
concept Format = std::semiregular<F> && F::dim >= 1 && F::cardinality >= 2 &&
                 std::unsigned_integral<typename F::code_type> &&
                 std::convertible_to<decltype(F::name), std::string_view> &&
                 requires(const F f, std::span<const float, F::dim> x, typename F::code_type c,
                          std::span<float, F::dim> y) {
                   { f.encode(x) } noexcept -> std::same_as<typename F::code_type>;
                   { f.decode(c, y) } noexcept -> std::same_as<void>;
                 };

}  // namespace lowbit
