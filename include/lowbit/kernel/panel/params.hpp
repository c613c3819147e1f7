// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "lowbit/core/float16.hpp"
#include "lowbit/kernel/panel/levels.hpp"
#include "lowbit/kernel/panel/shape.hpp"
#include "lowbit/quantizer/matrix.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#elif LOWBIT_HAS_NEON
#include <arm_neon.h>
#endif

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Parameters of 16 rows, decoded for a product, run after run.
struct PanelParams {
  float scale[PanelShape::most_runs][panel_rows];
  union {
    std::int32_t integer[PanelShape::most_runs][panel_rows];
    float real[PanelShape::most_runs][panel_rows];
  };
};

/// Byte b of what is stored of a group, for each of the 16 rows.
using Plane = std::uint8_t[panel_rows];

/// One value per row. The compiler's own vectors, cut or joined to what the instruction set has; by reference, since how
/// they are passed by value depends on it.
using LaneBytes = std::uint8_t __attribute__((vector_size(16)));
using LaneInts = std::int32_t __attribute__((vector_size(64)));
using LaneFloats = float __attribute__((vector_size(64)));

LOWBIT_ALWAYS_INLINE void load_plane(const Plane& from, LaneBytes& to) noexcept { std::memcpy(&to, from, sizeof to); }
LOWBIT_ALWAYS_INLINE void load_lanes(const float* from, LaneFloats& to) noexcept { std::memcpy(&to, from, sizeof to); }
LOWBIT_ALWAYS_INLINE void store_lanes(float* to, const LaneFloats& from) noexcept { std::memcpy(to, &from, sizeof from); }
LOWBIT_ALWAYS_INLINE void to_ints(const LaneBytes& from, LaneInts& to) noexcept {
#if LOWBIT_HAS_AVX512
  to = reinterpret_cast<LaneInts>(_mm512_maskz_cvtepu8_epi32(0xffff, reinterpret_cast<const __m128i&>(from)));
#else
  to = __builtin_convertvector(from, LaneInts);
#endif
}
LOWBIT_ALWAYS_INLINE void to_floats(const LaneInts& from, LaneFloats& to) noexcept {
  to = __builtin_convertvector(from, LaneFloats);
}

/// 16 floats of what scales are stored as, one after the other.
LOWBIT_ALWAYS_INLINE void widen(const std::uint8_t* from, float* to, std::type_identity<f16>) noexcept {
#if LOWBIT_HAS_AVX512
  _mm512_storeu_ps(to, _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
#elif LOWBIT_HAS_AVX2
  for (int half = 0; half < 2; ++half)
    _mm256_storeu_ps(to + 8 * half,
                     _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from) + half)));
#elif LOWBIT_HAS_NEON
  for (int quarter = 0; quarter < 4; ++quarter)
    vst1q_f32(to + 4 * quarter, vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from + 8 * quarter))));
#else
  for (std::size_t r = 0; r < panel_rows; ++r) {
    f16 h;
    std::memcpy(&h, from + 2 * r, 2);
    to[r] = static_cast<float>(h);
  }
#endif
}
LOWBIT_ALWAYS_INLINE void widen(const std::uint8_t* from, float* to, std::type_identity<bf16>) noexcept {
  std::uint16_t bits[panel_rows];
  std::uint32_t words[panel_rows];
  std::memcpy(bits, from, sizeof bits);
  for (std::size_t r = 0; r < panel_rows; ++r) words[r] = static_cast<std::uint32_t>(bits[r]) << 16;
  std::memcpy(to, words, sizeof words);
}
LOWBIT_ALWAYS_INLINE void widen(const std::uint8_t* from, float* to, std::type_identity<float>) noexcept {
  std::memcpy(to, from, panel_rows * sizeof(float));
}
/// The same from planes.
template <class T>
LOWBIT_ALWAYS_INLINE void widen_planes(const Plane* from, LaneFloats& to) noexcept {
  if constexpr (sizeof(T) == 2) {
    using Halves = std::uint16_t __attribute__((vector_size(32)));
    LaneBytes low, high;
    load_plane(from[0], low);
    load_plane(from[1], high);
    const Halves bits = __builtin_convertvector(low, Halves) | __builtin_convertvector(high, Halves) << 8;
    std::uint8_t bytes[sizeof bits];
    float lanes[panel_rows];
    std::memcpy(bytes, &bits, sizeof bits);
    widen(bytes, lanes, std::type_identity<T>{});
    load_lanes(lanes, to);
  } else {
    LaneInts bits{};
    for (int b = 0; b < 4; ++b) {
      LaneBytes bytes;
      LaneInts part;
      load_plane(from[b], bytes);
      to_ints(bytes, part);
      bits |= part << (8 * b);
    }
    std::memcpy(&to, &bits, sizeof to);
  }
}

/// Quantizers whose only parameter is a scale that `widen` reads: 16 of them lie one after the other. What others store
/// of a group lies in planes.
template <class Q>
concept PlainScales =
    !SharedScales<Q> && !SuperBlocks<Q> && std::is_same_v<point_params_t<Q>, typename Q::params_type> &&
    (std::is_same_v<typename Q::stored_type, f16> || std::is_same_v<typename Q::stored_type, bf16> ||
     std::is_same_v<typename Q::stored_type, float>)&&!has_offset<Q>;

/// Where the bytes of a row's stored parameters of group g of a chunk lie, and how to move them.
template <Quantizer Q>
struct StoredPlaces {
  using Stored = typename Q::stored_type;
  static constexpr std::size_t bytes = sizeof(Stored);
  static const std::uint8_t* group(const std::uint8_t* chunk, std::size_t g) noexcept {
    return chunk + g * panel_rows * bytes;
  }
  static void put(std::uint8_t* chunk, std::size_t g, std::size_t row, const Stored& stored) noexcept {
    std::uint8_t* const to = chunk + g * panel_rows * bytes;
    if constexpr (PlainScales<Q>) {
      std::memcpy(to + row * bytes, &stored, bytes);
    } else {
      std::uint8_t in[bytes];
      std::memcpy(in, &stored, bytes);
      for (std::size_t b = 0; b < bytes; ++b) to[b * panel_rows + row] = in[b];
    }
  }
  static Stored get(const std::uint8_t* chunk, std::size_t g, std::size_t row) noexcept {
    std::uint8_t out[bytes];
    for (std::size_t b = 0; b < bytes; ++b)
      out[b] = PlainScales<Q> ? group(chunk, g)[row * bytes + b] : group(chunk, g)[b * panel_rows + row];
    Stored stored;
    std::memcpy(&stored, out, bytes);
    return stored;
  }
};

/// What there is to decode: runs [begin, end) of a chunk, numbered within it; end − begin ≤ most_runs, and begin starts a
/// group unless its groups have more runs than that.
template <Quantizer Q>
struct PanelPiece {
  const PackedView<Q>& facts;  ///< shape, quantizer and shared parameters of the matrix; no codes
  const PanelShape& shape;
  std::size_t row;             ///< the panel's first
  std::size_t chunk;
  const std::uint8_t* from;    ///< the chunk
  std::size_t begin, end;

  const std::uint8_t* zeros() const noexcept {
    return from + shape.groups_of_chunk(chunk) * panel_rows * sizeof(typename Q::stored_type);
  }
  const Plane* planes(std::size_t g) const noexcept {
    return reinterpret_cast<const Plane*>(StoredPlaces<Q>::group(from, g));
  }
};

/// Calls f(group, i) for the runs of a piece, i from 0; groups have one run each, but for long ones.
template <Quantizer Q, class F>
LOWBIT_ALWAYS_INLINE void for_each_group(const PanelPiece<Q>& piece, const F& f) noexcept {
  const std::size_t per_group = piece.shape.runs_per_group(), begin = piece.begin, count = piece.end - begin;
  if (per_group == 1)
    for (std::size_t i = 0; i < count; ++i) f(begin + i, i);
  else
    for (std::size_t i = 0; i < count; ++i) f((begin + i) / per_group, i);
}

/// Decodes the parameters of a piece. The primary template serves every quantizer, row by row; a specialization decodes 16
/// rows together, to the same bits (tests/kernel/panel.cpp compares them).
template <Quantizer Q>
struct PanelDecoder {
  static void decode(const PanelPiece<Q>& piece, PanelParams& to) noexcept {
    using Levels = PanelLevels<Q>;
    const PanelShape& shape = piece.shape;
    for (std::size_t r = 0; r < panel_rows; ++r) {
      typename Q::params_type p{};
      Q q{};
      for (std::size_t i = piece.begin, g = ~std::size_t{0}; i < piece.end; ++i) {
        if (const std::size_t group = i / shape.runs_per_group(); group != g) {
          g = group;
          q = piece.facts.group_quantizer(std::min(piece.row + r, piece.facts.rows - 1),
                                          piece.chunk * shape.chunk_groups() + g);
          p = q.load(StoredPlaces<Q>::get(piece.from, g, r),
                     Q::zero_bits != 0 ? piece.zeros()[g * panel_rows + r] : std::uint8_t{0});
        }
        const auto point = point_params(q, p, i % shape.runs_per_group() * shape.run);
        const std::size_t at = i - piece.begin;
        to.scale[at][r] = Levels::scale(point);
        if constexpr (Levels::kind == PanelOffset::integer) to.integer[at][r] = Levels::integer_offset(point);
        if constexpr (Levels::kind == PanelOffset::real) to.real[at][r] = Levels::real_offset(point);
      }
    }
  }
};

template <Quantizer Q>
  requires PlainScales<Q>
struct PanelDecoder<Q> {
  static void decode(const PanelPiece<Q>& piece, PanelParams& to) noexcept {
    using Stored = typename Q::stored_type;
    using Levels = PanelLevels<Q>;
    const std::uint8_t* const from = piece.from;
    const std::uint8_t* const zeros = Levels::kind == PanelOffset::integer ? piece.zeros() : nullptr;
    for_each_group(piece, [&](std::size_t g, std::size_t at) LOWBIT_INLINE_LAMBDA {
      float* const scale = to.scale[at];
      widen(StoredPlaces<Q>::group(from, g), scale, std::type_identity<Stored>{});
      if constexpr (Levels::step != 1.0f)
        for (std::size_t r = 0; r < panel_rows; ++r) scale[r] *= Levels::step;
      if constexpr (Levels::kind == PanelOffset::integer)
        for (std::size_t r = 0; r < panel_rows; ++r) to.integer[at][r] = zeros[g * panel_rows + r];
    });
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
