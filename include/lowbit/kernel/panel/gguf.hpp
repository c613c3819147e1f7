// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>

#include "lowbit/kernel/panel/params.hpp"
#include "lowbit/kernel/simd/indices.hpp"
#include "lowbit/quantizer/gguf_iq4_xs.hpp"
#include "lowbit/quantizer/gguf_q2_k.hpp"
#include "lowbit/quantizer/gguf_q3_k.hpp"
#include "lowbit/quantizer/gguf_q4_1.hpp"
#include "lowbit/quantizer/gguf_q4_k.hpp"
#include "lowbit/quantizer/gguf_q5_k.hpp"
#include "lowbit/quantizer/gguf_q6_k.hpp"

/// Scales and mins of GGUF's blocks, 16 rows at a time, from planes: plane b holds byte b of stored_type.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The integers of sub-block s: scale(plane, s, out), and min(plane, s, out) where there are mins. d and dmin are the planes
/// of the f16 that multiply them.
template <class Q>
struct PanelSubScales;

template <class Q>
  requires std::same_as<Q, GgufQ4K> || std::same_as<Q, GgufQ5K>
struct PanelSubScales<Q> {
  static constexpr std::size_t d = offsetof(typename Q::stored_type, d), dmin = offsetof(typename Q::stored_type, dmin);
  static constexpr std::size_t scales = offsetof(typename Q::stored_type, scales);
  LOWBIT_ALWAYS_INLINE static void scale(const Plane* p, std::size_t s, LaneInts& out) noexcept {
    LaneBytes a, c;
    load_plane(p[scales + (s < 4 ? s : s - 4)], a);
    load_plane(p[scales + s + 4], c);
    to_ints(s < 4 ? a & 63 : (c & 15) | (a >> 6) << 4, out);
  }
  LOWBIT_ALWAYS_INLINE static void min(const Plane* p, std::size_t s, LaneInts& out) noexcept {
    LaneBytes b, c;
    load_plane(p[scales + s], b);
    load_plane(p[scales + s + 4], c);
    to_ints(s < 4 ? c & 63 : c >> 4 | (b >> 6) << 4, out);
  }
};

template <>
struct PanelSubScales<GgufQ2K> {
  static constexpr std::size_t d = offsetof(GgufQ2K::stored_type, d), dmin = offsetof(GgufQ2K::stored_type, dmin);
  LOWBIT_ALWAYS_INLINE static void scale(const Plane* p, std::size_t s, LaneInts& out) noexcept {
    LaneBytes both;
    load_plane(p[s], both);
    to_ints(both & 15, out);
  }
  LOWBIT_ALWAYS_INLINE static void min(const Plane* p, std::size_t s, LaneInts& out) noexcept {
    LaneBytes both;
    load_plane(p[s], both);
    to_ints(both >> 4, out);
  }
};

template <>
struct PanelSubScales<GgufQ3K> {
  static constexpr std::size_t d = offsetof(GgufQ3K::stored_type, d);
  LOWBIT_ALWAYS_INLINE static void scale(const Plane* p, std::size_t s, LaneInts& out) noexcept {
    LaneBytes low, high;
    load_plane(p[s % 8], low);
    load_plane(p[8 + s % 4], high);
    to_ints((low >> static_cast<int>(s < 8 ? 0 : 4) & 15) | (high >> static_cast<int>(2 * (s / 4)) & 3) << 4, out);
    out -= 32;
  }
};

template <>
struct PanelSubScales<GgufQ6K> {
  static constexpr std::size_t d = offsetof(GgufQ6K::stored_type, d);
  LOWBIT_ALWAYS_INLINE static void scale(const Plane* p, std::size_t s, LaneInts& out) noexcept {
    LaneBytes bytes;
    load_plane(p[s], bytes);
    to_ints(bytes ^ 0x80, out);
    out -= 128;
  }
};

template <>
struct PanelSubScales<GgufIq4Xs> {
  using Stored = GgufIq4Xs::stored_type;
  static constexpr std::size_t d = offsetof(Stored, d), low = offsetof(Stored, low), high = offsetof(Stored, high);
  LOWBIT_ALWAYS_INLINE static void scale(const Plane* p, std::size_t s, LaneInts& out) noexcept {
    LaneBytes below, above;
    load_plane(p[low + s / 2], below);
    load_plane(p[high + s / 4], above);
    to_ints((below >> static_cast<int>(4 * (s % 2)) & 15) | (above >> static_cast<int>(2 * (s % 4)) & 3) << 4, out);
    out -= 32;
  }
};

template <Quantizer Q>
  requires requires { PanelSubScales<Q>::d; }
struct PanelDecoder<Q> {
  static void decode(const PanelPiece<Q>& piece, PanelParams& to) noexcept {
    using Subs = PanelSubScales<Q>;
    const std::size_t per_group = piece.shape.runs_per_group(), end = piece.end - piece.begin;
    std::size_t g = piece.begin / per_group;
    for (std::size_t i = 0; i < end; ++g) {
      const Plane* const p = piece.planes(g);
      LaneFloats d;
      [[maybe_unused]] LaneFloats dmin;
      widen_planes<f16>(p + Subs::d, d);
      if constexpr (requires { Subs::dmin; }) widen_planes<f16>(p + Subs::dmin, dmin);
      const auto sub = [&](std::size_t s) LOWBIT_INLINE_LAMBDA {
        LaneInts n;
        LaneFloats x;
        Subs::scale(p, s, n);
        to_floats(n, x);
        store_lanes(to.scale[i + s], d * x * PanelLevels<Q>::step);
        if constexpr (requires { Subs::dmin; }) {
          Subs::min(p, s, n);
          to_floats(n, x);
          store_lanes(to.real[i + s], dmin * x);
        }
      };
      constexpr std::size_t whole = Q::group_size / Q::sub_group;
      const std::size_t count = std::min(end - i, per_group);
      if (count == whole)
        for_each_index<whole>([&](auto s) LOWBIT_INLINE_LAMBDA { sub(s); });  // where s says which bits: constants
      else
        for (std::size_t s = 0; s < count; ++s) sub(s);
      i += count;
    }
  }
};

/// Q4_1 and Q5_1: d, then m, the offset with the other sign.
template <Quantizer Q>
  requires std::same_as<typename Q::stored_type, detail::StoredScaleAndMin>
struct PanelDecoder<Q> {
  static void decode(const PanelPiece<Q>& piece, PanelParams& to) noexcept {
    for_each_group(piece, [&](std::size_t g, std::size_t at) LOWBIT_INLINE_LAMBDA {
      const Plane* const planes = piece.planes(g);
      LaneFloats d, m;
      widen_planes<f16>(planes, d);
      widen_planes<f16>(planes + sizeof(f16), m);
      store_lanes(to.scale[at], d);
      store_lanes(to.real[at], -m);
    });
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
