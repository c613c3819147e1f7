// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"
#include "lowbit/kernel/int8_activations/scalar.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>

/// Eight rows of a panel to a register: 32-bit lane r holds four consecutive columns of row r, as bytes without sign.
///
/// Lives on vpmaddubsw (bytes to 16-bit pairs) and vpmaddwd (pairs to 32 bits). The pairs are exact for bytes up to 127:
/// 2·127·127 < 2^15. Wider bytes are multiplied in two parts, the low seven bits and the top one.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

struct BytesAvx2 {
  using isa_tag = isa::avx2;
  static constexpr std::size_t rows = 8;
  static constexpr bool exact_bytes = false;  ///< products are exact for all bytes, whatever Most
  using Bytes = __m256i;
  using Ints = __m256i;
  using Floats = __m256;

  LOWBIT_ALWAYS_INLINE static Bytes load(const std::uint8_t* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  LOWBIT_ALWAYS_INLINE static void store(std::uint8_t* p, Bytes v) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  }
  LOWBIT_ALWAYS_INLINE static Bytes splat(int byte) noexcept { return _mm256_set1_epi8(static_cast<char>(byte)); }
  LOWBIT_ALWAYS_INLINE static Bytes both(Bytes a, Bytes b) noexcept { return _mm256_and_si256(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes either(Bytes a, Bytes b) noexcept { return _mm256_or_si256(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes differ(Bytes a, Bytes b) noexcept { return _mm256_xor_si256(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes plus(Bytes a, Bytes b) noexcept { return _mm256_add_epi8(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes minus(Bytes a, Bytes b) noexcept { return _mm256_sub_epi8(a, b); }
  /// −a in the bytes where `bits` has all of Mask, a in the others.
  template <int Mask>
  LOWBIT_ALWAYS_INLINE static Bytes negate(Bytes a, Bytes bits) noexcept {
    const Bytes where = _mm256_cmpeq_epi8(both(bits, splat(Mask)), splat(Mask));
    return minus(differ(a, where), where);
  }
  /// 0xff in the bytes that are at least `least`, 0 in the others.
  LOWBIT_ALWAYS_INLINE static Bytes at_least(Bytes a, int least) noexcept {
    return _mm256_cmpeq_epi8(_mm256_max_epu8(a, splat(least)), a);
  }
  LOWBIT_ALWAYS_INLINE static Bytes splat32(std::uint32_t v) noexcept { return _mm256_set1_epi32(static_cast<int>(v)); }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes left32(Bytes a) noexcept { return _mm256_slli_epi32(a, N); }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes right32(Bytes a) noexcept { return _mm256_srli_epi32(a, N); }
  /// Bits N … N + 31 of high·2^32 + low.
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes funnel32(Bytes high, Bytes low) noexcept {
    return either(left32<32 - N>(high), right32<N>(low));
  }
  LOWBIT_ALWAYS_INLINE static Bytes multiply_add32(Bytes a, std::uint32_t factor, std::uint32_t addend) noexcept {
    return _mm256_add_epi32(_mm256_mullo_epi32(a, splat32(factor)), splat32(addend));
  }
  /// The four bytes of each lane, and `more`.
  LOWBIT_ALWAYS_INLINE static Bytes sum_bytes(Bytes a, std::uint32_t more) noexcept {
    return _mm256_add_epi32(_mm256_madd_epi16(_mm256_maddubs_epi16(a, splat(1)), _mm256_set1_epi16(1)), splat32(more));
  }
  /// Rows Lane + 1 … of a word, row 0 after the last; p: row Lane of it.
  template <std::size_t Lane>
  LOWBIT_ALWAYS_INLINE static Bytes next_rows(const std::uint8_t* p) noexcept {
    if constexpr (Lane == 0) {
      return load(p + 4);
    } else {
      std::int32_t first;
      std::memcpy(&first, p - 4 * Lane, 4);
      const __m256i turned = _mm256_permutevar8x32_epi32(load(p), _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0));
      return _mm256_blend_epi32(turned, _mm256_set1_epi32(first), 0x80);
    }
  }
  /// Bits move N places up (N < 0: down); what crosses from one byte to the next is for the caller to mask.
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes shift(Bytes a) noexcept {
    if constexpr (N > 0)
      return _mm256_slli_epi16(a, N);
    else if constexpr (N < 0)
      return _mm256_srli_epi16(a, -N);
    else
      return a;
  }
  /// Byte i takes table[index[i]]: tables of 16 and of 64 bytes.
  struct Table16 {
    __m256i entries;
    LOWBIT_ALWAYS_INLINE explicit Table16(const std::uint8_t* t) noexcept
        : entries(_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(t)))) {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept { return _mm256_shuffle_epi8(entries, index); }
  };
  struct Table64 {
    Table16 quarters[4];
    LOWBIT_ALWAYS_INLINE explicit Table64(const std::uint8_t* t) noexcept
        : quarters{Table16(t), Table16(t + 16), Table16(t + 32), Table16(t + 48)} {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept {
      const Bytes low = both(index, splat(15)), by4 = shift<3>(index), by5 = shift<2>(index);
      const Bytes a = _mm256_blendv_epi8(quarters[0](low), quarters[1](low), by4);
      const Bytes b = _mm256_blendv_epi8(quarters[2](low), quarters[3](low), by4);
      return _mm256_blendv_epi8(a, b, by5);
    }
  };

  struct Table256 {
    const std::uint8_t* entries;
    LOWBIT_ALWAYS_INLINE explicit Table256(const std::uint8_t* t) noexcept : entries(t) {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept {
      const Bytes low = both(index, splat(15)), high = both(shift<-4>(index), splat(15));
      Bytes found = _mm256_setzero_si256();
      for (int h = 0; h < 16; ++h)
        found = either(found, both(_mm256_cmpeq_epi8(high, splat(h)), Table16(entries + 16 * h)(low)));
      return found;
    }
  };

  LOWBIT_ALWAYS_INLINE static Ints set(std::int32_t v) noexcept { return _mm256_set1_epi32(v); }
  LOWBIT_ALWAYS_INLINE static Ints load_ints(const std::int32_t* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  LOWBIT_ALWAYS_INLINE static Ints multiply(Ints a, Ints b) noexcept { return _mm256_mullo_epi32(a, b); }
  LOWBIT_ALWAYS_INLINE static Ints add(Ints a, Ints b) noexcept { return _mm256_add_epi32(a, b); }
  /// Four activations for all rows.
  LOWBIT_ALWAYS_INLINE static Bytes broadcast4(const std::int8_t* x) noexcept {
    std::int32_t four;
    std::memcpy(&four, x, 4);
    return _mm256_set1_epi32(four);
  }
  /// sum + w·x over the four columns of each row; w ≤ Most.
  template <int Most>
  LOWBIT_ALWAYS_INLINE static Ints dot(Ints sum, Bytes w, Bytes x) noexcept {
    const __m256i ones = _mm256_set1_epi16(1);
    if constexpr (Most <= 127) {
      return add(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), ones));
    } else {
      const Ints low = _mm256_madd_epi16(_mm256_maddubs_epi16(both(w, splat(0x7f)), x), ones);
      const Ints top = _mm256_madd_epi16(_mm256_maddubs_epi16(both(w, splat(0x80)), x), ones);
      return add(sum, add(low, top));
    }
  }

  /// 32 floats as bytes with offset 128, largest magnitude 127; gives the scale. As quantize_token of one run.
  LOWBIT_ALWAYS_INLINE static float to_bytes(const float* from, std::uint8_t* to) noexcept {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    for (int k = 0; k < 4; ++k)
      most = _mm256_max_epu32(
          most, _mm256_and_si256(magnitude, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 8 * k))));
    __m128i top = _mm_max_epu32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    top = _mm_max_epu32(top, _mm_shuffle_epi32(top, 0x4e));
    top = _mm_max_epu32(top, _mm_shuffle_epi32(top, 0xb1));
    const Int8Scale s = int8_scale(static_cast<std::uint32_t>(_mm_cvtsi128_si32(top)));
    const __m256 inverse = _mm256_set1_ps(s.inverse);
    const __m256i used = _mm256_set1_epi32(s.inverse == 0.0f ? 0 : -1);  // NaN times 0 is no code
    __m256i v[4];
    for (int k = 0; k < 4; ++k) {
      const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(from + 8 * k), inverse);
      v[k] = _mm256_and_si256(
          used, _mm256_cvttps_epi32(_mm256_round_ps(scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)));
    }
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm256_xor_si256(_mm256_permutevar8x32_epi32(bytes, order), splat(0x80)));
    return s.scale;
  }

  LOWBIT_ALWAYS_INLINE static Floats zero() noexcept { return _mm256_setzero_ps(); }
  LOWBIT_ALWAYS_INLINE static Floats set_float(float v) noexcept { return _mm256_set1_ps(v); }
  LOWBIT_ALWAYS_INLINE static Floats load_floats(const float* p) noexcept { return _mm256_loadu_ps(p); }
  LOWBIT_ALWAYS_INLINE static void store_floats(float* p, Floats v) noexcept { _mm256_storeu_ps(p, v); }
  LOWBIT_ALWAYS_INLINE static Floats to_float(Ints v) noexcept { return _mm256_cvtepi32_ps(v); }
  LOWBIT_ALWAYS_INLINE static Floats fma(Floats a, Floats b, Floats c) noexcept { return _mm256_fmadd_ps(a, b, c); }
  /// Into the second cache.
  LOWBIT_ALWAYS_INLINE static void prefetch(const void* p) noexcept {
    _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
  }
};

#if LOWBIT_HAS_AVX2_VNNI
/// BytesAvx2 with vpdpbusd: exact for every byte.
struct BytesAvx2Vnni : BytesAvx2 {
  using isa_tag = isa::avx2_vnni;
  static constexpr bool exact_bytes = true;
  template <int Most>
  LOWBIT_ALWAYS_INLINE static Ints dot(Ints sum, Bytes w, Bytes x) noexcept {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return _mm256_dpbusd_epi32(sum, w, x);
#else
    return _mm256_dpbusd_avx_epi32(sum, w, x);
#endif
  }
};
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
