// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "lowbit/format/concept.hpp"
#include "lowbit/quantizer/lanes/grid.hpp"
#include "lowbit/quantizer/lanes/quotient.hpp"

#if LOWBIT_HAS_LANES

namespace lowbit {

template <Format F, class Scale, std::size_t GroupSize, class Layout>
struct Scaled;
template <class F>
struct Mx;
struct Nvfp4;

namespace detail {

/// Scalar formats whose encoding a constant expression can ask, with few enough points to compare with each step.
template <class F>
concept FewLevels = F::dim == 1 && F::cardinality <= 16 && requires {
  F::levels;
  typename std::integral_constant<int, F{}.encode(0.0f)>;
};

/// The order of floats as integers; −0 comes before 0.
template <class I>
LOWBIT_ALWAYS_INLINE constexpr I float_order(I bits) noexcept {
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

/// F's codes in ascending order of what they stand for, and for each but the first the least float that is encoded as it
/// or as a later one, found by halving: the steps of F::encode itself, to the last bit.
template <FewLevels F>
struct Steps {
  static constexpr std::size_t size = F::cardinality;
  std::array<std::uint8_t, size> codes{};
  std::array<std::int32_t, size> first{};  ///< as float_order; [0] is not used

  constexpr Steps() noexcept {
    for (std::size_t c = 0; c < size; ++c) {
      std::size_t at = c;
      for (; at > 0 && less(static_cast<std::uint8_t>(c), codes[at - 1]); --at) codes[at] = codes[at - 1];
      codes[at] = static_cast<std::uint8_t>(c);
    }
    std::array<std::size_t, size> rank{};
    for (std::size_t r = 0; r < size; ++r) rank[codes[r]] = r;
    for (std::size_t r = 1; r < size; ++r) {
      // low is encoded before r; high is at r or later, or past every finite float.
      std::int64_t low = order(-std::numeric_limits<float>::max()) - 1;
      std::int64_t high = order(std::numeric_limits<float>::max()) + 1;
      while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        const float x = std::bit_cast<float>(float_order(static_cast<std::int32_t>(middle)));
        (rank[F{}.encode(x)] >= r ? high : low) = middle;
      }
      first[r] = static_cast<std::int32_t>(high);
    }
  }

 private:
  static constexpr std::int64_t order(float x) noexcept { return float_order(std::bit_cast<std::int32_t>(x)); }
  static constexpr bool less(std::uint8_t a, std::uint8_t b) noexcept {
    return order(F::levels[a]) < order(F::levels[b]);
  }
};

/// Formats of a sign bit above eight ascending magnitudes that encode −x as they encode x.
template <FewLevels F>
inline constexpr bool sign_and_eight = [] {
  if (F::cardinality != 16) return false;
  constexpr Steps<F> steps{};
  for (std::size_t k = 0; k < 8; ++k) {
    if (steps.codes[8 + k] != k || steps.codes[7 - k] != 8 + k || F::levels[8 + k] != -F::levels[k]) return false;
    // The least float of code k or more is minus the last of code 8 + k or more.
    const auto least = k == 0 ? 0 : steps.first[8 + k];
    if (float_order(steps.first[8 - k] - 1) != (least | std::numeric_limits<std::int32_t>::min())) return false;
  }
  return true;
}();

inline namespace LOWBIT_ISA_NAMESPACE {

/// F's nearest point to every lane: one comparison and one selection per step.
template <FewLevels F>
struct LaneLevels {
  static constexpr Steps<F> steps{};

  LOWBIT_ALWAYS_INLINE static i32xn codes(f32xn x) noexcept {
    const i32xn order = float_order(bits_of(x));
    i32xn code = i32xn{} + steps.codes[0];
#pragma GCC unroll 16
    for (std::size_t r = 1; r < steps.size; ++r) code = select(order >= steps.first[r], i32xn{} + steps.codes[r], code);
    return code;
  }
  LOWBIT_ALWAYS_INLINE static f32xn points(f32xn x) noexcept {
    const i32xn order = float_order(bits_of(x));
    f32xn point = broadcast(F::levels[steps.codes[0]]);
#pragma GCC unroll 16
    for (std::size_t r = 1; r < steps.size; ++r)
      point = select(order >= steps.first[r], broadcast(F::levels[steps.codes[r]]), point);
    return point;
  }
};

/// The same by magnitudes: half as many steps.
template <FewLevels F>
  requires sign_and_eight<F>
struct LaneLevels<F> {
  static constexpr Steps<F> steps{};
  static constexpr std::array<float, 8> magnitudes = [] {
    std::array<float, 8> all{};
    for (std::size_t k = 0; k < 8; ++k) all[k] = F::levels[k];
    return all;
  }();

  LOWBIT_ALWAYS_INLINE static i32xn codes(f32xn x) noexcept {
    return rank(x) | ((i32xn)((u32xn)bits_of(x) >> 28) & 8);
  }
  LOWBIT_ALWAYS_INLINE static f32xn points(f32xn x) noexcept {
    const i32xn sign = bits_of(x) & std::numeric_limits<std::int32_t>::min();
    return float_of_bits(bits_of(entry_of_eight(magnitudes, rank(x))) | sign);
  }

 private:
  LOWBIT_ALWAYS_INLINE static i32xn rank(f32xn x) noexcept {
    const i32xn magnitude = bits_of(x) & std::numeric_limits<std::int32_t>::max();
    i32xn count{};
#pragma GCC unroll 8
    for (std::size_t k = 9; k < 16; ++k) count -= magnitude >= steps.first[k];  // a true comparison is −1
    return count;
  }
};

template <FewLevels F, class Scale, std::size_t GroupSize, class Layout>
struct LaneGrid<Scaled<F, Scale, GroupSize, Layout>> {
  using Q = Scaled<F, Scale, GroupSize, Layout>;

  LOWBIT_ALWAYS_INLINE LaneGrid(const Q&, typename Q::params_type p) noexcept
      : scale_(broadcast(p.scale)), steps_(p.scale != 0.0f ? p.scale : 1.0f), kept_(i32xn{} + (p.scale != 0.0f ? -1 : 0)),
        divisor_(p.scale) {}

  LOWBIT_ALWAYS_INLINE i32xn codes(f32xn x) const noexcept { return LaneLevels<F>::codes(in_steps(x)); }
  LOWBIT_ALWAYS_INLINE f32xn points(f32xn x) const noexcept { return scale_ * LaneLevels<F>::points(in_steps(x)); }
#if LOWBIT_HAS_AVX2
  bool products_apply(float largest) const noexcept { return steps_.products_apply(divisor_, largest); }
  LOWBIT_ALWAYS_INLINE f32xn points_by_products(f32xn x) const noexcept {
    return scale_ * LaneLevels<F>::points(steps_.by_products(x));
  }
#endif
  LOWBIT_ALWAYS_INLINE static bool fits_extremes(const Q&) noexcept { return true; }
  LOWBIT_ALWAYS_INLINE static bool fits_magnitude(const Q&) noexcept { return true; }

 private:
  LOWBIT_ALWAYS_INLINE f32xn in_steps(f32xn x) const noexcept { return float_of_bits(bits_of(steps_(x)) & kept_); }

  f32xn scale_;
  Quotient<Scale> steps_;
  i32xn kept_;
  float divisor_;
};

template <FewLevels F>
struct LaneGrid<Mx<F>> {
  using Q = Mx<F>;

  LOWBIT_ALWAYS_INLINE LaneGrid(const Q&, typename Q::params_type p) noexcept
      : scale_(broadcast(p.scale)), inverse_(broadcast(1.0f / p.scale)) {}

  LOWBIT_ALWAYS_INLINE i32xn codes(f32xn x) const noexcept { return LaneLevels<F>::codes(x * inverse_); }
  LOWBIT_ALWAYS_INLINE f32xn points(f32xn x) const noexcept { return scale_ * LaneLevels<F>::points(x * inverse_); }
  LOWBIT_ALWAYS_INLINE static bool fits_extremes(const Q&) noexcept { return true; }
  LOWBIT_ALWAYS_INLINE static bool fits_magnitude(const Q&) noexcept { return true; }

 private:
  f32xn scale_, inverse_;
};

template <class Q>
  requires std::is_same_v<Q, Nvfp4>
struct LaneGrid<Q> {
  using F = typename Q::format_type;

  LOWBIT_ALWAYS_INLINE LaneGrid(const Q&, typename Q::params_type p) noexcept
      : scale_(broadcast(p.scale)), inverse_(broadcast(p.inverse)) {}

  LOWBIT_ALWAYS_INLINE i32xn codes(f32xn x) const noexcept { return LaneLevels<F>::codes(x * inverse_); }
  LOWBIT_ALWAYS_INLINE f32xn points(f32xn x) const noexcept { return scale_ * LaneLevels<F>::points(x * inverse_); }
  LOWBIT_ALWAYS_INLINE static bool fits_extremes(const Q& q) noexcept {
    return q.rule == std::remove_cvref_t<decltype(q.rule)>::six;
  }
  LOWBIT_ALWAYS_INLINE static bool fits_magnitude(const Q&) noexcept { return true; }

 private:
  f32xn scale_, inverse_;
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace detail
}  // namespace lowbit

#endif  // LOWBIT_HAS_LANES
