// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "lowbit/core/isa.hpp"
#include "lowbit/quantizer/concept.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#elif LOWBIT_HAS_NEON
#include <arm_neon.h>
#endif

/// Codes to points, a register at a time: by permutation where the table fits registers, by arithmetic where the points
/// are evenly spaced or those of a Minifloat. (Other large tables are left to scalar loads: on Zen 4 a gather is slower
/// than they are.)

namespace lowbit {

/// Quantizers whose weights are scale · levels[code], or scale · levels[code] − offset where a point has an offset: both
/// operations rounded.
template <class Q>
concept LevelQuantizer = Quantizer<Q> && Q::format_type::dim == 1 && requires(const point_params_t<Q> p) {
  { Q::levels[0] } -> std::convertible_to<float>;
  { Q::levels.size() } -> std::convertible_to<std::size_t>;
  { p.scale } -> std::convertible_to<float>;
};

template <class Q>
inline constexpr bool has_offset = requires(const point_params_t<Q> p) { p.offset; };

namespace kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// What is known of Q's levels at compile time.
template <LevelQuantizer Q>
struct LevelFacts {
  static constexpr std::size_t count = Q::levels.size();
  /// levels[c] == (c + first) · step for every code, in float arithmetic.
  static constexpr float step = count > 1 ? Q::levels[1] - Q::levels[0] : 1.0f;
  static constexpr float first = step != 0.0f ? Q::levels[0] / step : 0.0f;
  static constexpr bool even = [] {
    if (!(step > 0.0f)) return false;
    for (std::size_t c = 0; c < count; ++c)
      if (!((static_cast<float>(c) + first) * step == Q::levels[c])) return false;
    return true;
  }();
  /// The points of a Minifloat: exponent and mantissa moved into a float's, subnormals by a product (whose result is normal,
  /// whatever becomes of subnormal floats); infinities and NaN are told apart by their codes.
  static constexpr bool minifloat = [] {
    if constexpr (requires { Q::format_type::exponent_bits; Q::format_type::largest_code; }) {
      using F = typename Q::format_type;
      if (!(F::min_positive >= 1.17549435e-38f) || Q::levels.size() != F::cardinality) return false;
      for (std::size_t c = 0; c < count; ++c) {
        const float at = F::levels[c];
        if (!(Q::levels[c] == at) && at == at) return false;
      }
      return true;
    }
    return false;
  }();
  /// The table with room for whole registers; codes past the end never occur.
  static constexpr std::size_t room = (count + 15) / 16 * 16;
  alignas(64) static constexpr std::array<float, room> table = [] {
    std::array<float, room> all{};
    for (std::size_t c = 0; c < count; ++c) all[c] = Q::levels[c];
    return all;
  }();
};

/// Tables of at most `most` points, or any number of evenly spaced ones or of a Minifloat's.
template <class Q, std::size_t most>
concept RegisterLevels =
    LevelQuantizer<Q> && (LevelFacts<Q>::even || LevelFacts<Q>::count <= most || LevelFacts<Q>::minifloat);

#if LOWBIT_HAS_AVX2
/// Points of eight codes.
template <RegisterLevels<32> Q>
class LevelTableAvx2 {
 public:
  LOWBIT_ALWAYS_INLINE LevelTableAvx2() noexcept {
    if constexpr (tabled)
      for (std::size_t i = 0; i < registers; ++i) part_[i] = _mm256_load_ps(Facts::table.data() + 8 * i);
  }
  LOWBIT_ALWAYS_INLINE __m256 operator()(__m256i c) const noexcept {
    if constexpr (Facts::even) {
      const __m256 sum = _mm256_add_ps(_mm256_cvtepi32_ps(c), _mm256_set1_ps(Facts::first));
      return Facts::step == 1.0f ? sum : _mm256_mul_ps(sum, _mm256_set1_ps(Facts::step));
    } else if constexpr (!tabled) {
      return of_minifloat<typename Q::format_type>(c);
    } else if constexpr (Facts::count <= 8) {
      return _mm256_permutevar8x32_ps(part_[0], c);
    } else if constexpr (Facts::count <= 16) {
      return of_sixteen(part_[0], part_[1], c);
    } else {
      return _mm256_blendv_ps(of_sixteen(part_[0], part_[1], c), of_sixteen(part_[2], part_[3], c),
                              _mm256_castsi256_ps(_mm256_slli_epi32(c, 27)));
    }
  }

 private:
  using Facts = LevelFacts<Q>;
  static constexpr bool tabled = !Facts::even && Facts::count <= 32;
  static constexpr std::size_t registers = tabled ? Facts::room / 8 : 1;
  template <class F>
  LOWBIT_ALWAYS_INLINE static __m256 of_minifloat(__m256i c) noexcept {
    constexpr int magnitude_bits = F::exponent_bits + F::mantissa_bits;
    const __m256i magnitude = _mm256_and_si256(c, _mm256_set1_epi32((1 << magnitude_bits) - 1));
    const __m256i normal = _mm256_add_epi32(_mm256_slli_epi32(magnitude, 23 - F::mantissa_bits),
                                            _mm256_set1_epi32((127 - F::bias) * (1 << 23)));
    const __m256 subnormal = _mm256_mul_ps(_mm256_cvtepi32_ps(magnitude), _mm256_set1_ps(F::min_positive));
    const __m256i is_subnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(1 << F::mantissa_bits), magnitude);
    const __m256 x = _mm256_blendv_ps(_mm256_castsi256_ps(normal), subnormal, _mm256_castsi256_ps(is_subnormal));
    const __m256i sign = _mm256_and_si256(_mm256_slli_epi32(c, 31 - magnitude_bits), _mm256_set1_epi32(1 << 31));
    const __m256 point = _mm256_or_ps(x, _mm256_castsi256_ps(sign));
    if constexpr (F::has_nan || F::has_infinity) {
      __m256i special = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(F::largest_code));
      if constexpr (F::is_nan(F::sign_bit))
        special = _mm256_or_si256(special, _mm256_cmpeq_epi32(c, _mm256_set1_epi32(F::sign_bit)));
      if (_mm256_movemask_ps(_mm256_castsi256_ps(special)) != 0) [[unlikely]] {
        alignas(32) std::uint32_t codes[8];
        alignas(32) float points[8];
        _mm256_store_si256(reinterpret_cast<__m256i*>(codes), c);
        for (std::size_t i = 0; i < 8; ++i) points[i] = Facts::table[codes[i]];
        return _mm256_load_ps(points);
      }
    }
    return point;
  }
  LOWBIT_ALWAYS_INLINE static __m256 of_sixteen(__m256 low, __m256 high, __m256i c) noexcept {
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, c), _mm256_permutevar8x32_ps(high, c),
                            _mm256_castsi256_ps(_mm256_slli_epi32(c, 28)));
  }
  __m256 part_[registers];
};
#endif

#if LOWBIT_HAS_AVX512
/// Points of sixteen codes.
template <RegisterLevels<64> Q>
class LevelTableAvx512 {
 public:
  LOWBIT_ALWAYS_INLINE LevelTableAvx512() noexcept {
    if constexpr (tabled)
      for (std::size_t i = 0; i < registers; ++i) part_[i] = _mm512_load_ps(Facts::table.data() + 16 * i);
  }
  LOWBIT_ALWAYS_INLINE __m512 operator()(__m512i c) const noexcept {
    if constexpr (Facts::even) {
      const __m512 sum = _mm512_add_ps(_mm512_cvtepi32_ps(c), _mm512_set1_ps(Facts::first));
      return Facts::step == 1.0f ? sum : _mm512_mul_ps(sum, _mm512_set1_ps(Facts::step));
    } else if constexpr (!tabled) {
      return of_minifloat<typename Q::format_type>(c);
    } else if constexpr (Facts::count <= 16) {
      return _mm512_permutexvar_ps(c, part_[0]);
    } else if constexpr (Facts::count <= 32) {
      return _mm512_permutex2var_ps(part_[0], c, part_[1]);
    } else {
      constexpr std::size_t last = registers - 1;
      return _mm512_mask_blend_ps(_mm512_test_epi32_mask(c, _mm512_set1_epi32(32)),
                                  _mm512_permutex2var_ps(part_[0], c, part_[1]),
                                  _mm512_permutex2var_ps(part_[2], c, part_[last]));
    }
  }

 private:
  using Facts = LevelFacts<Q>;
  static constexpr bool tabled = !Facts::even && Facts::count <= 64;
  static constexpr std::size_t registers = tabled ? Facts::room / 16 : 1;
  template <class F>
  LOWBIT_ALWAYS_INLINE static __m512 of_minifloat(__m512i c) noexcept {
    constexpr int magnitude_bits = F::exponent_bits + F::mantissa_bits;
    const __m512i magnitude = _mm512_and_si512(c, _mm512_set1_epi32((1 << magnitude_bits) - 1));
    const __m512i normal = _mm512_add_epi32(_mm512_slli_epi32(magnitude, 23 - F::mantissa_bits),
                                            _mm512_set1_epi32((127 - F::bias) * (1 << 23)));
    const __m512 x = _mm512_mask_mul_ps(_mm512_castsi512_ps(normal),
                                        _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(1 << F::mantissa_bits)),
                                        _mm512_cvtepi32_ps(magnitude), _mm512_set1_ps(F::min_positive));
    const __m512i sign = _mm512_and_si512(_mm512_slli_epi32(c, 31 - magnitude_bits), _mm512_set1_epi32(1 << 31));
    const __m512 point = _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(x), sign));
    if constexpr (F::has_nan || F::has_infinity) {
      __mmask16 special = _mm512_cmpgt_epi32_mask(magnitude, _mm512_set1_epi32(F::largest_code));
      if constexpr (F::is_nan(F::sign_bit)) special |= _mm512_cmpeq_epi32_mask(c, _mm512_set1_epi32(F::sign_bit));
      if (special != 0) [[unlikely]] {
        alignas(64) std::uint32_t codes[16];
        alignas(64) float points[16];
        _mm512_store_si512(codes, c);
        for (std::size_t i = 0; i < 16; ++i) points[i] = Facts::table[codes[i]];
        return _mm512_load_ps(points);
      }
    }
    return point;
  }
  __m512 part_[registers];
};
#endif

#if LOWBIT_HAS_NEON
/// Points of four codes.
template <RegisterLevels<64> Q>
class LevelTableNeon {
 public:
  LOWBIT_ALWAYS_INLINE LevelTableNeon() noexcept {
    if constexpr (tabled)
      for (std::size_t i = 0; i < parts; ++i)
        for (std::size_t k = 0; k < 4; ++k)
          part_[i].val[k] = vreinterpretq_u8_f32(vld1q_f32(Facts::table.data() + 16 * i + 4 * k));
  }
  LOWBIT_ALWAYS_INLINE float32x4_t operator()(uint32x4_t c) const noexcept {
    if constexpr (Facts::even) {
      const float32x4_t sum = vaddq_f32(vcvtq_f32_u32(c), vdupq_n_f32(Facts::first));
      return Facts::step == 1.0f ? sum : vmulq_n_f32(sum, Facts::step);
    } else if constexpr (!tabled) {
      return of_minifloat<typename Q::format_type>(c);
    } else {
      const uint8x16_t byte =
          vreinterpretq_u8_u32(vmlaq_u32(vdupq_n_u32(0x03020100), c, vdupq_n_u32(0x04040404)));  // codes below 64
      uint8x16_t found = vqtbl4q_u8(part_[0], byte);
      for (std::size_t i = 1; i < parts; ++i)
        found = vqtbx4q_u8(found, part_[i], vsubq_u8(byte, vdupq_n_u8(static_cast<std::uint8_t>(64 * i))));
      return vreinterpretq_f32_u8(found);
    }
  }

 private:
  using Facts = LevelFacts<Q>;
  static constexpr bool tabled = !Facts::even && Facts::count <= 64;
  static constexpr std::size_t parts = tabled ? Facts::room / 16 : 1;
  template <class F>
  LOWBIT_ALWAYS_INLINE static float32x4_t of_minifloat(uint32x4_t c) noexcept {
    constexpr int magnitude_bits = F::exponent_bits + F::mantissa_bits;
    const uint32x4_t magnitude = vandq_u32(c, vdupq_n_u32((1u << magnitude_bits) - 1u));
    const uint32x4_t normal = vaddq_u32(vshlq_n_u32(magnitude, 23 - F::mantissa_bits),
                                        vdupq_n_u32(static_cast<std::uint32_t>(127 - F::bias) << 23));
    const float32x4_t subnormal = vmulq_n_f32(vcvtq_f32_u32(magnitude), F::min_positive);
    const uint32x4_t is_subnormal = vcltq_u32(magnitude, vdupq_n_u32(1u << F::mantissa_bits));
    const uint32x4_t x = vbslq_u32(is_subnormal, vreinterpretq_u32_f32(subnormal), normal);
    const uint32x4_t sign = vandq_u32(vshlq_n_u32(c, 31 - magnitude_bits), vdupq_n_u32(0x80000000u));
    const float32x4_t point = vreinterpretq_f32_u32(vorrq_u32(x, sign));
    if constexpr (F::has_nan || F::has_infinity) {
      uint32x4_t special = vcgtq_u32(magnitude, vdupq_n_u32(static_cast<std::uint32_t>(F::largest_code)));
      if constexpr (F::is_nan(F::sign_bit))
        special = vorrq_u32(special, vceqq_u32(c, vdupq_n_u32(static_cast<std::uint32_t>(F::sign_bit))));
      if (vmaxvq_u32(special) != 0) [[unlikely]] {
        std::uint32_t codes[4];
        float points[4];
        vst1q_u32(codes, c);
        for (std::size_t i = 0; i < 4; ++i) points[i] = Facts::table[codes[i]];
        return vld1q_f32(points);
      }
    }
    return point;
  }
  uint8x16x4_t part_[parts];
};
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace kernel
}  // namespace lowbit
