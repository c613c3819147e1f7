// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/kernel/simd/bytes_avx2.hpp"

#if LOWBIT_HAS_AVX512

/// Sixteen rows of a panel to a register: one word of its stream. Without VNNI as BytesAvx2; with it vpdpbusd sums four
/// products at once, exact for every byte.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

struct BytesAvx512 {
  using isa_tag = isa::avx512;
  static constexpr std::size_t rows = 16;
  static constexpr bool exact_bytes = false;
  using Bytes = __m512i;
  using Ints = __m512i;
  using Floats = __m512;

  LOWBIT_ALWAYS_INLINE static Bytes load(const std::uint8_t* p) noexcept { return _mm512_loadu_si512(p); }
  LOWBIT_ALWAYS_INLINE static void store(std::uint8_t* p, Bytes v) noexcept { _mm512_storeu_si512(p, v); }
  LOWBIT_ALWAYS_INLINE static Bytes splat(int byte) noexcept { return _mm512_set1_epi8(static_cast<char>(byte)); }
  LOWBIT_ALWAYS_INLINE static Bytes both(Bytes a, Bytes b) noexcept { return _mm512_and_si512(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes either(Bytes a, Bytes b) noexcept { return _mm512_or_si512(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes differ(Bytes a, Bytes b) noexcept { return _mm512_xor_si512(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes plus(Bytes a, Bytes b) noexcept { return _mm512_add_epi8(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes minus(Bytes a, Bytes b) noexcept { return _mm512_sub_epi8(a, b); }
  template <int Mask>
  LOWBIT_ALWAYS_INLINE static Bytes negate(Bytes a, Bytes bits) noexcept {
    static_assert((Mask & (Mask - 1)) == 0, "vptestmb asks for any bit");
    return _mm512_mask_sub_epi8(a, _mm512_test_epi8_mask(bits, splat(Mask)), _mm512_setzero_si512(), a);
  }
  LOWBIT_ALWAYS_INLINE static Bytes at_least(Bytes a, int least) noexcept {
    return _mm512_movm_epi8(_mm512_cmpge_epu8_mask(a, splat(least)));
  }
  LOWBIT_ALWAYS_INLINE static Bytes splat32(std::uint32_t v) noexcept { return _mm512_set1_epi32(static_cast<int>(v)); }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes left32(Bytes a) noexcept { return _mm512_maskz_slli_epi32(0xffff, a, N); }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes right32(Bytes a) noexcept { return _mm512_maskz_srli_epi32(0xffff, a, N); }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes funnel32(Bytes high, Bytes low) noexcept {
#ifdef __AVX512VBMI2__
    return _mm512_maskz_shrdi_epi32(0xffff, low, high, N);
#else
    return either(left32<32 - N>(high), right32<N>(low));
#endif
  }
  LOWBIT_ALWAYS_INLINE static Bytes multiply_add32(Bytes a, std::uint32_t factor, std::uint32_t addend) noexcept {
    return _mm512_add_epi32(_mm512_mullo_epi32(a, splat32(factor)), splat32(addend));
  }
  LOWBIT_ALWAYS_INLINE static Bytes sum_bytes(Bytes a, std::uint32_t more) noexcept {
#if LOWBIT_HAS_AVX512_VNNI
    return _mm512_dpbusd_epi32(splat32(more), a, splat(1));
#else
    return _mm512_add_epi32(_mm512_madd_epi16(_mm512_maddubs_epi16(a, splat(1)), _mm512_set1_epi16(1)), splat32(more));
#endif
  }
  template <std::size_t Lane>
  LOWBIT_ALWAYS_INLINE static Bytes next_rows(const std::uint8_t* p) noexcept {
    const __m512i rows = load(p);
    return _mm512_maskz_alignr_epi32(0xffff, rows, rows, 1);
  }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes shift(Bytes a) noexcept {
    if constexpr (N > 0)
      return _mm512_slli_epi16(a, N);
    else if constexpr (N < 0)
      return _mm512_srli_epi16(a, -N);
    else
      return a;
  }
  struct Table16 {
    __m512i entries;
    LOWBIT_ALWAYS_INLINE explicit Table16(const std::uint8_t* t) noexcept
        : entries(_mm512_maskz_broadcast_i32x4(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(t)))) {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept { return _mm512_shuffle_epi8(entries, index); }
  };
  struct Table64 {
    Table16 quarters[4];
    LOWBIT_ALWAYS_INLINE explicit Table64(const std::uint8_t* t) noexcept
        : quarters{Table16(t), Table16(t + 16), Table16(t + 32), Table16(t + 48)} {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept {
      const Bytes low = both(index, splat(15));
      const __mmask64 odd = _mm512_test_epi8_mask(index, splat(16)), high = _mm512_test_epi8_mask(index, splat(32));
      const Bytes a = _mm512_mask_shuffle_epi8(quarters[0](low), odd, quarters[1].entries, low);
      const Bytes b = _mm512_mask_shuffle_epi8(quarters[2](low), odd, quarters[3].entries, low);
      return _mm512_mask_blend_epi8(high, a, b);
    }
  };

  struct Table256 {
    const std::uint8_t* entries;
    LOWBIT_ALWAYS_INLINE explicit Table256(const std::uint8_t* t) noexcept : entries(t) {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept {
      const Bytes low = both(index, splat(15)), high = both(shift<-4>(index), splat(15));
      Bytes found = _mm512_setzero_si512();
      for (int h = 0; h < 16; ++h)
        found = _mm512_mask_shuffle_epi8(found, _mm512_cmpeq_epi8_mask(high, splat(h)), Table16(entries + 16 * h).entries, low);
      return found;
    }
  };

  LOWBIT_ALWAYS_INLINE static Ints set(std::int32_t v) noexcept { return _mm512_set1_epi32(v); }
  LOWBIT_ALWAYS_INLINE static Ints load_ints(const std::int32_t* p) noexcept { return _mm512_loadu_si512(p); }
  LOWBIT_ALWAYS_INLINE static Ints multiply(Ints a, Ints b) noexcept { return _mm512_mullo_epi32(a, b); }
  LOWBIT_ALWAYS_INLINE static Ints add(Ints a, Ints b) noexcept { return _mm512_add_epi32(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes broadcast4(const std::int8_t* x) noexcept {
    std::int32_t four;
    std::memcpy(&four, x, 4);
    return _mm512_set1_epi32(four);
  }
  template <int Most>
  LOWBIT_ALWAYS_INLINE static Ints dot(Ints sum, Bytes w, Bytes x) noexcept {
    const __m512i ones = _mm512_set1_epi16(1);
    if constexpr (Most <= 127) {
      return add(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(w, x), ones));
    } else {
      const Ints low = _mm512_madd_epi16(_mm512_maddubs_epi16(both(w, splat(0x7f)), x), ones);
      const Ints top = _mm512_madd_epi16(_mm512_maddubs_epi16(both(w, splat(0x80)), x), ones);
      return add(sum, add(low, top));
    }
  }

  LOWBIT_ALWAYS_INLINE static float to_bytes(const float* from, std::uint8_t* to) noexcept {
    return BytesAvx2::to_bytes(from, to);
  }

  LOWBIT_ALWAYS_INLINE static Floats zero() noexcept { return _mm512_setzero_ps(); }
  LOWBIT_ALWAYS_INLINE static Floats set_float(float v) noexcept { return _mm512_set1_ps(v); }
  LOWBIT_ALWAYS_INLINE static Floats load_floats(const float* p) noexcept { return _mm512_loadu_ps(p); }
  LOWBIT_ALWAYS_INLINE static void store_floats(float* p, Floats v) noexcept { _mm512_storeu_ps(p, v); }
  LOWBIT_ALWAYS_INLINE static Floats to_float(Ints v) noexcept { return _mm512_maskz_cvtepi32_ps(0xffff, v); }
  LOWBIT_ALWAYS_INLINE static Floats fma(Floats a, Floats b, Floats c) noexcept { return _mm512_fmadd_ps(a, b, c); }
  LOWBIT_ALWAYS_INLINE static void prefetch(const void* p) noexcept { BytesAvx2::prefetch(p); }
};

#if LOWBIT_HAS_AVX512_VNNI
struct BytesAvx512Vnni : BytesAvx512 {
  using isa_tag = isa::avx512_vnni;
  static constexpr bool exact_bytes = true;
  template <int Most>
  LOWBIT_ALWAYS_INLINE static Ints dot(Ints sum, Bytes w, Bytes x) noexcept {
    return _mm512_dpbusd_epi32(sum, w, x);
  }
};
#endif

#if LOWBIT_HAS_AVX512_VBMI
/// With vpermb, a table of 64 bytes costs what one of 16 does.
struct BytesAvx512Vbmi : BytesAvx512Vnni {
  using isa_tag = isa::avx512_vbmi;
  static constexpr bool has_tables_of_128 = true;
  struct Table64 {
    __m512i entries;
    LOWBIT_ALWAYS_INLINE explicit Table64(const std::uint8_t* t) noexcept : entries(_mm512_loadu_si512(t)) {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept {
      return _mm512_maskz_permutexvar_epi8(~__mmask64{0}, index, entries);
    }
  };
  struct Table256 {
    const std::uint8_t* entries;
    LOWBIT_ALWAYS_INLINE explicit Table256(const std::uint8_t* t) noexcept : entries(t) {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept {
      const auto part = [&](int i) LOWBIT_INLINE_LAMBDA { return _mm512_loadu_si512(entries + 64 * i); };
      return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), _mm512_permutex2var_epi8(part(0), index, part(1)),
                                    _mm512_permutex2var_epi8(part(2), index, part(3)));
    }
  };
};
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
