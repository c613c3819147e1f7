// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "lowbit/kernel/gemm_add/fields.hpp"
#include "lowbit/quantizer/binary.hpp"
#include "lowbit/quantizer/gguf_ternary.hpp"
#include "lowbit/quantizer/phase.hpp"
#include "lowbit/quantizer/ternary.hpp"
#include "lowbit/quantizer/trit_planes.hpp"

namespace lowbit {
namespace kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The weights of Q as sums of `planes` of scale · (−1, 0 or 1): digit(code, plane) is what Fields makes an index of, and
/// scale(stored, plane, part) what multiplies the sums. A quantizer of such weights adds a specialization.
template <class Q>
struct AddLevels;

namespace add_detail {

template <class F, class S>
struct OneScale {
  using Fields = F;
  using Scale = S;
  static constexpr std::size_t planes = 1;
  static std::uint8_t digit(std::uint8_t code, std::size_t) noexcept { return code; }
  static Scale scale(const Scale& stored, std::size_t, std::size_t) noexcept { return stored; }
};

}  // namespace add_detail

template <class Scale, std::size_t GroupSize, class Layout>
struct AddLevels<TernaryScaled<Scale, GroupSize, Layout>> : add_detail::OneScale<TritFields, Scale> {};
template <>
struct AddLevels<GgufTq1_0> : add_detail::OneScale<TritFields, f16> {};
template <>
struct AddLevels<GgufQ1_0> : add_detail::OneScale<SignFields, f16> {};

template <class S, std::size_t GroupSize, class Layout>
struct AddLevels<TritPlanesScaled<S, GroupSize, Layout>> {
  using Q = TritPlanesScaled<S, GroupSize, Layout>;
  using Fields = TritFields;
  using Scale = S;
  static constexpr std::size_t planes = 2;
  static std::uint8_t digit(std::uint8_t code, std::size_t plane) noexcept {
    return static_cast<std::uint8_t>(Q::format_type::trit(code, static_cast<int>(plane)) + 1);
  }
  static Scale scale(const typename Q::stored_type& stored, std::size_t plane, std::size_t) noexcept {
    return stored[plane];
  }
};

template <int Planes, class S, std::size_t GroupSize>
struct AddLevels<BinaryScaled<Planes, S, GroupSize>> {
  using Q = BinaryScaled<Planes, S, GroupSize>;
  using Fields = SignFields;
  using Scale = S;
  static constexpr std::size_t planes = Planes;
  static std::uint8_t digit(std::uint8_t code, std::size_t plane) noexcept {
    return static_cast<std::uint8_t>(code >> (planes - 1 - plane) & 1u);
  }
  static Scale scale(const typename Q::stored_type& stored, std::size_t plane, std::size_t) noexcept {
    return stored[plane];
  }
};

template <int Stages, class S, std::size_t GroupSize>
struct AddLevels<PhaseScaled<Stages, S, GroupSize>> {
  using Q = PhaseScaled<Stages, S, GroupSize>;
  using Fields = PhaseFields;
  using Scale = S;
  static constexpr std::size_t planes = Stages;
  static std::uint8_t digit(std::uint8_t code, std::size_t plane) noexcept {
    return static_cast<std::uint8_t>(Q::format_type::stage(code, static_cast<int>(plane)));
  }
  static Scale scale(const typename Q::stored_type& stored, std::size_t plane, std::size_t part) noexcept {
    return stored[2 * plane + part];
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace kernel

/// Quantizers whose products need additions only: what compute::add takes.
template <class Q>
concept AddQuantizer = Quantizer<Q> && requires { kernel::AddLevels<Q>::planes; };

}  // namespace lowbit
