// SPDX-License-Identifier: MIT
#pragma once

/// Instruction sets as types, and what this build may use of them.
///
/// `LOWBIT_HAS_*` is always 0 or 1; preset it to 0 to forbid an instruction set that the compiler flags would allow.
/// Tags inherit, so overload resolution is the fallback rule: a call with `isa::avx512` reaches the widest overload that
/// exists. Every overload returns the tag of the instruction set that did the work.

#ifndef LOWBIT_HAS_AVX2
#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LOWBIT_HAS_AVX2 1
#else
#define LOWBIT_HAS_AVX2 0
#endif
#endif

#ifndef LOWBIT_HAS_AVX512
#if LOWBIT_HAS_AVX2 && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define LOWBIT_HAS_AVX512 1
#else
#define LOWBIT_HAS_AVX512 0
#endif
#endif

/// The 256-bit forms of the byte products vpdpbusd, with either encoding.
#ifndef LOWBIT_HAS_AVX2_VNNI
#if LOWBIT_HAS_AVX2 && (defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__)))
#define LOWBIT_HAS_AVX2_VNNI 1
#else
#define LOWBIT_HAS_AVX2_VNNI 0
#endif
#endif

#ifndef LOWBIT_HAS_AVX512_VNNI
#if LOWBIT_HAS_AVX512 && defined(__AVX512VNNI__)
#define LOWBIT_HAS_AVX512_VNNI 1
#else
#define LOWBIT_HAS_AVX512_VNNI 0
#endif
#endif

#ifndef LOWBIT_HAS_AVX512_VBMI
#if LOWBIT_HAS_AVX512_VNNI && defined(__AVX512VBMI__)
#define LOWBIT_HAS_AVX512_VBMI 1
#else
#define LOWBIT_HAS_AVX512_VBMI 0
#endif
#endif

#ifndef LOWBIT_HAS_AVX512_BF16
#if LOWBIT_HAS_AVX512_VBMI && defined(__AVX512BF16__)
#define LOWBIT_HAS_AVX512_BF16 1
#else
#define LOWBIT_HAS_AVX512_BF16 0
#endif
#endif

/// Of 64-bit Arm, little-endian.
#ifndef LOWBIT_HAS_NEON
#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN)
#define LOWBIT_HAS_NEON 1
#else
#define LOWBIT_HAS_NEON 0
#endif
#endif

/// The byte products sdot and udot.
#ifndef LOWBIT_HAS_NEON_DOTPROD
#if LOWBIT_HAS_NEON && defined(__ARM_FEATURE_DOTPROD)
#define LOWBIT_HAS_NEON_DOTPROD 1
#else
#define LOWBIT_HAS_NEON_DOTPROD 0
#endif
#endif

/// The byte products of i8mm: usdot.
#ifndef LOWBIT_HAS_NEON_I8MM
#if LOWBIT_HAS_NEON_DOTPROD && defined(__ARM_FEATURE_MATMUL_INT8)
#define LOWBIT_HAS_NEON_I8MM 1
#else
#define LOWBIT_HAS_NEON_I8MM 0
#endif
#endif

#if LOWBIT_HAS_AVX512 && !LOWBIT_HAS_AVX2
#error "LOWBIT_HAS_AVX512 is 1 but LOWBIT_HAS_AVX2 is 0: the wider set builds on the narrower one."
#endif
#if (LOWBIT_HAS_AVX2_VNNI && !LOWBIT_HAS_AVX2) || (LOWBIT_HAS_AVX512_VNNI && !LOWBIT_HAS_AVX512) || \
    (LOWBIT_HAS_AVX512_VBMI && !LOWBIT_HAS_AVX512_VNNI) || (LOWBIT_HAS_AVX512_BF16 && !LOWBIT_HAS_AVX512_VBMI) || \
    (LOWBIT_HAS_NEON_DOTPROD && !LOWBIT_HAS_NEON) || (LOWBIT_HAS_NEON_I8MM && !LOWBIT_HAS_NEON_DOTPROD)
#error "A LOWBIT_HAS_* of a wider set is 1 where that of the set it builds on is 0: see the order of the tags."
#endif

/// The inline namespace that holds every body of `pack/` and `kernel/`, so that objects built with different flags
/// cannot swap code at link time.
#if LOWBIT_HAS_AVX512_BF16
#define LOWBIT_ISA_NAMESPACE build_avx512_bf16
#elif LOWBIT_HAS_AVX512_VBMI
#define LOWBIT_ISA_NAMESPACE build_avx512_vbmi
#elif LOWBIT_HAS_AVX512_VNNI
#define LOWBIT_ISA_NAMESPACE build_avx512_vnni
#elif LOWBIT_HAS_AVX512
#define LOWBIT_ISA_NAMESPACE build_avx512
#elif LOWBIT_HAS_AVX2_VNNI
#define LOWBIT_ISA_NAMESPACE build_avx2_vnni
#elif LOWBIT_HAS_AVX2
#define LOWBIT_ISA_NAMESPACE build_avx2
#elif LOWBIT_HAS_NEON_I8MM
#define LOWBIT_ISA_NAMESPACE build_neon_i8mm
#elif LOWBIT_HAS_NEON_DOTPROD
#define LOWBIT_ISA_NAMESPACE build_neon_dotprod
#elif LOWBIT_HAS_NEON
#define LOWBIT_ISA_NAMESPACE build_neon
#else
#define LOWBIT_ISA_NAMESPACE build_scalar
#endif

/// For the few bodies outside those namespaces that kernels run: they leave no symbol behind to be swapped.
#if defined(__GNUC__)
#define LOWBIT_ALWAYS_INLINE inline __attribute__((always_inline))
#define LOWBIT_INLINE_LAMBDA __attribute__((always_inline))  // after a lambda's parameters
#else
#define LOWBIT_ALWAYS_INLINE inline
#define LOWBIT_INLINE_LAMBDA
#endif

namespace lowbit::isa {

struct scalar {
  static constexpr const char* name = "scalar";
};
struct avx2 : scalar {
  static constexpr const char* name = "avx2";
};
struct avx2_vnni : avx2 {
  static constexpr const char* name = "avx2_vnni";
};
/// F, BW, VL and DQ.
struct avx512 : avx2_vnni {
  static constexpr const char* name = "avx512";
};
struct avx512_vnni : avx512 {
  static constexpr const char* name = "avx512_vnni";
};
/// VNNI and VBMI.
struct avx512_vbmi : avx512_vnni {
  static constexpr const char* name = "avx512_vbmi";
};
/// VNNI, VBMI and BF16.
struct avx512_bf16 : avx512_vbmi {
  static constexpr const char* name = "avx512_bf16";
};
struct neon : scalar {
  static constexpr const char* name = "neon";
};
struct neon_dotprod : neon {
  static constexpr const char* name = "neon_dotprod";
};
/// i8mm and dotprod.
struct neon_i8mm : neon_dotprod {
  static constexpr const char* name = "neon_i8mm";
};

/// The widest instruction set of this build.
#if LOWBIT_HAS_AVX512_BF16
using native = avx512_bf16;
#elif LOWBIT_HAS_AVX512_VBMI
using native = avx512_vbmi;
#elif LOWBIT_HAS_AVX512_VNNI
using native = avx512_vnni;
#elif LOWBIT_HAS_AVX512
using native = avx512;
#elif LOWBIT_HAS_AVX2_VNNI
using native = avx2_vnni;
#elif LOWBIT_HAS_AVX2
using native = avx2;
#elif LOWBIT_HAS_NEON_I8MM
using native = neon_i8mm;
#elif LOWBIT_HAS_NEON_DOTPROD
using native = neon_dotprod;
#elif LOWBIT_HAS_NEON
using native = neon;
#else
using native = scalar;
#endif

}  // namespace lowbit::isa
