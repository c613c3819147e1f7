// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <concepts>

#include "lowbit/kernel/panel/params.hpp"
#include "lowbit/quantizer/gguf_fp4.hpp"
#include "lowbit/quantizer/mx.hpp"
#include "lowbit/quantizer/nvfp4.hpp"

/// Block scales of one byte, 16 rows at a time.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// 2^(c − 127); finite codes (to_panels refuses the other).
LOWBIT_ALWAYS_INLINE void e8m0_lanes(const Plane& plane, LaneFloats& to) noexcept {
  LaneBytes bytes;
  LaneInts c;
  load_plane(plane, bytes);
  to_ints(bytes, c);
  const LaneInts bits = c == 0 ? c + 0x00400000 : c << 23;
  std::memcpy(&to, &bits, sizeof to);
}
/// Values of UE4M3 bytes below 0x7f, subnormals without a subnormal float on the way.
LOWBIT_ALWAYS_INLINE void ue4m3_lanes(const LaneBytes& bytes, LaneFloats& to) noexcept {
  LaneInts c;
  LaneFloats subnormal, normal;
  to_ints(bytes, c);
  to_floats(c, subnormal);
  const LaneInts bits = (c << 20) + (120 << 23);
  std::memcpy(&normal, &bits, sizeof normal);
  to = c < 8 ? subnormal * 0x1p-9f : normal;
}

template <Quantizer Q>
  requires std::same_as<typename Q::stored_type, E8M0>
struct PanelDecoder<Q> {
  static void decode(const PanelPiece<Q>& piece, PanelParams& to) noexcept {
    const Plane* const blocks = piece.planes(0);
    for_each_group(piece, [&](std::size_t g, std::size_t at) LOWBIT_INLINE_LAMBDA {
      LaneFloats scale;
      e8m0_lanes(blocks[g], scale);
      store_lanes(to.scale[at], scale * PanelLevels<Q>::step);
    });
  }
};

template <>
struct PanelDecoder<Nvfp4> {
  static void decode(const PanelPiece<Nvfp4>& piece, PanelParams& to) noexcept {
    const float tensor_scale = piece.facts.shared[0];
    const Plane* const blocks = piece.planes(0);
    for_each_group(piece, [&](std::size_t g, std::size_t at) LOWBIT_INLINE_LAMBDA {
      LaneBytes block;
      LaneFloats scale;
      load_plane(blocks[g], block);
      ue4m3_lanes(block, scale);
      scale *= tensor_scale;
      const LaneFloats kept = scale * PanelLevels<Nvfp4>::step;
      store_lanes(to.scale[at], scale <= 0x1p-128f ? kept * 0.0f : kept);  // no reciprocal: a zero block
    });
  }
};

template <>
struct PanelDecoder<GgufNvfp4> {
  static void decode(const PanelPiece<GgufNvfp4>& piece, PanelParams& to) noexcept {
    const float tensor_scale = piece.facts.shared[0];
    const Plane* const blocks = piece.planes(0);  // four to a group: one for each run
    for (std::size_t i = piece.begin, at = 0; i < piece.end; ++i, ++at) {
      LaneBytes block;
      LaneFloats scale;
      load_plane(blocks[i], block);
      block = block == 0x7f ? block ^ block : block & 0x7f;
      ue4m3_lanes(block, scale);
      store_lanes(to.scale[at], scale * tensor_scale * PanelLevels<GgufNvfp4>::step);
    }
  }
};

/// A scale and a real zero point of the same storage.
template <int B, UniformOptions O>
  requires(O.zero_point == ZeroPoint::real)
struct PanelDecoder<Uniform<Int<B>, O>> {
  using Q = Uniform<Int<B>, O>;
  static void decode(const PanelPiece<Q>& piece, PanelParams& to) noexcept {
    using Scale = typename Q::scale_type;
    for_each_group(piece, [&](std::size_t g, std::size_t at) LOWBIT_INLINE_LAMBDA {
      const Plane* const planes = piece.planes(g);
      LaneFloats scale, zero;
      widen_planes<Scale>(planes, scale);
      widen_planes<Scale>(planes + sizeof(Scale), zero);
      store_lanes(to.scale[at], scale);
      store_lanes(to.real[at], scale * zero);
    });
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
