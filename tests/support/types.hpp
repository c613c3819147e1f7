// SPDX-License-Identifier: MIT
#pragma once

#include <tuple>
#include <type_traits>

#include "lowbit/format.hpp"
#include "lowbit/kernel.hpp"
#include "lowbit/pack.hpp"
#include "lowbit/quantizer.hpp"

/// The lists of types that laws are checked for. A new format, layout or quantizer is one line here.

namespace lowbit::test {

/// MxInt8 is not here: its code for −2 decodes and is never given (tests/format/integers.cpp).
using formats = std::tuple<  //
    Int2, Int3, Int4, Int5, Int6, Int7, Int8, DInt<3>, DInt<4>, DInt<8>, DIntAsymmetric<4>, HalfOffset<1>,
    HalfOffset<2>, HalfOffset<8>, Binary, Ternary, E2M1, E1M2, E3M0, E2M3, E3M2, E3M4, E4M3FN, E5M2, E4M3FNUZ, E5M2FNUZ,
    RealBiasMinifloat<2, 1>, NF4, NormalFloat<2>, NormalFloat<3>, NormalFloat<8>, BnbFp4, Dynamic8, Dynamic8Unsigned,
    PowerOfTwo<4>, PowerOfTwo<7>, Apot<2>, Apot<3>, Apot<4>, Apot<5>, Post<4>, Log2<4>, LogSqrt2<4>, Power<4>, Phase,
    PhaseSum<2>, PhaseSum<3>, SignPlanes<2>, SignPlanes<4>, TritPlanes<2>, TritPlanes<3>, Iq4Nl>;

template <class L, class F>
struct LayoutOf {
  using layout = L;
  using format = F;
};

using layouts = std::tuple<
    LayoutOf<pack::Dense<1>, Binary>, LayoutOf<pack::dense_for<Int2>, Int2>,
    LayoutOf<pack::dense_for<Int3>, Int3>, LayoutOf<pack::dense_for<Int4>, Int4>, LayoutOf<pack::dense_for<Int5>, Int5>,
    LayoutOf<pack::dense_for<Int6>, Int6>, LayoutOf<pack::dense_for<Int7>, Int7>, LayoutOf<pack::dense_for<Int8>, Int8>,
    LayoutOf<pack::WordPadded<1>, Binary>, LayoutOf<pack::WordPadded<2>, Int2>,
    LayoutOf<pack::WordPadded<3>, Int3>, LayoutOf<pack::WordPadded<4>, Int4>, LayoutOf<pack::WordPadded<5>, Int5>,
    LayoutOf<pack::WordPadded<6>, Int6>, LayoutOf<pack::WordPadded<7>, Int7>, LayoutOf<pack::WordPadded<8>, Int8>,
    LayoutOf<pack::BitPlanes<1>, Binary>, LayoutOf<pack::BitPlanes<2>, Int2>, LayoutOf<pack::BitPlanes<3>, Int3>,
    LayoutOf<pack::BitPlanes<4>, Int4>, LayoutOf<pack::BitPlanes<5>, Int5>, LayoutOf<pack::BitPlanes<6>, Int6>,
    LayoutOf<pack::BitPlanes<7>, Int7>, LayoutOf<pack::BitPlanes<8>, Int8>, LayoutOf<pack::BitPlanes<1, 32>, Binary>,
    LayoutOf<pack::BitPlanes<3, 32>, Int3>, LayoutOf<pack::BitPlanes<8, 32>, Int8>,
    LayoutOf<pack::HighNibbleFirst, Int4>, LayoutOf<pack::SignedBytes, Int8>, LayoutOf<pack::SplitNibbles<2>, Int4>,
    LayoutOf<pack::SplitNibbles<16>, Int4>, LayoutOf<pack::SplitNibbles<32>, Int4>,
    LayoutOf<pack::SplitNibbles<64>, Int4>, LayoutOf<pack::SplitFields<1, 256>, Binary>,
    LayoutOf<pack::SplitFields<2, 12>, Int2>, LayoutOf<pack::Trits5, Ternary>,
    LayoutOf<pack::TritPairs, TritPlanes<2>>,
    LayoutOf<pack::GgufTQ1_0, Ternary>, LayoutOf<pack::GgufTQ2_0, Ternary>, LayoutOf<pack::GgufQ2_K, Int2>,
    LayoutOf<pack::GgufQ3_K, Int3>, LayoutOf<pack::GgufQ5, Int5>, LayoutOf<pack::GgufQ5_K, Int5>,
    LayoutOf<pack::GgufQ6_K, Int6>>;

template <class F, std::size_t G, ZeroPoint Z, ScaleStorage S>
using Grid = Uniform<F, UniformOptions{.group_size = G, .zero_point = Z, .scale = S}>;

/// Every width, every zero point, every storage of the scale; groups that are usual, odd, shared and set at run time.
using uniform_quantizers = std::tuple<  //
    Grid<Int2, 128, ZeroPoint::none, ScaleStorage::f16>, Grid<Int2, 32, ZeroPoint::integer, ScaleStorage::bf16>,
    Grid<Int3, 128, ZeroPoint::integer, ScaleStorage::f16>, Grid<Int3, 5, ZeroPoint::integer, ScaleStorage::f32>,
    Grid<Int4, 128, ZeroPoint::none, ScaleStorage::f16>, Grid<Int4, 32, ZeroPoint::integer, ScaleStorage::f16>,
    Grid<Int4, per_tensor, ZeroPoint::integer, ScaleStorage::f32>,
    Grid<Int4, dynamic_group, ZeroPoint::real, ScaleStorage::f16>, Grid<Int5, 32, ZeroPoint::real, ScaleStorage::bf16>,
    Grid<Int6, per_row, ZeroPoint::none, ScaleStorage::bf16>, Grid<Int7, 8, ZeroPoint::integer, ScaleStorage::f16>,
    Grid<Int7, 5, ZeroPoint::none, ScaleStorage::f16>, Grid<Int8, 128, ZeroPoint::none, ScaleStorage::f16>,
    Grid<Int8, dynamic_group, ZeroPoint::integer, ScaleStorage::f32>>;

/// Every block type of GGUF that is decoded here.
using gguf_quantizers =
    std::tuple<GgufQ4_0, GgufQ4_1, GgufQ5_0, GgufQ5_1, GgufQ8_0, GgufQ2K, GgufQ3K, GgufQ4K, GgufQ5K, GgufQ6K, GgufIq4Nl,
               GgufIq4Xs, GgufTq1_0, GgufTq2_0, GgufMxfp4, GgufNvfp4, GgufQ1_0, GgufQ2_0>;

/// What the laws of quantizers and the kernels are checked for.
using quantizers = decltype(std::tuple_cat(uniform_quantizers{}, gguf_quantizers{}));

template <class F>
using Tabled = Scaled<F, f16, dynamic_group>;

/// Tables of every size, even ones, every kind of Minifloat, and points that groups compute.
using level_quantizers = std::tuple<  //
    Tabled<HalfOffset<2>>, Tabled<NormalFloat<3>>, Scaled<NF4, float, 64>, Tabled<E2M1>, Tabled<E1M2>, Tabled<E3M2>, Tabled<E2M3>,
    Tabled<NormalFloat<5>>, Tabled<E3M4>, Tabled<E4M3FN>, Tabled<E5M2>, Tabled<E4M3FNUZ>, Tabled<E5M2FNUZ>,
    Tabled<Dynamic8>, Mxfp4, Mxfp6E2M3, Mxfp6E3M2, Mxfp8E4M3, Mxfp8E5M2, Mxint8, Nvfp4, TernaryScaled<>, BinaryScaled<1>,
    BinaryScaled<2>, BinaryScaled<3>, BinaryScaled<4>, TwinLog<3>, TwinLog<4>, TritPlanesScaled<>, DIntScaled<4>,
    DIntScaled<3, f16, dynamic_group>, PowerScaled<4>, PowerScaled<3, f16, dynamic_group>, GgufQ4_0, GgufQ4_1, GgufQ5_0, GgufQ5_1,
    GgufQ8_0, GgufQ2K, GgufQ3K, GgufQ4K, GgufQ5K, GgufQ6K, GgufIq4Nl, GgufIq4Xs, GgufTq1_0, GgufTq2_0, GgufMxfp4, GgufNvfp4,
    GgufQ1_0, GgufQ2_0>;

/// A quantizer of the list, ready for use: 24 columns to a group where the size is set at run time.
template <class Q>
Q make_quantizer() {
  Q q{};
  if constexpr (!std::is_empty_v<Q> && requires { q.group_size = 24; }) q.group_size = 24;
  return q;
}

template <class Q, class I>
struct QuantizerOn {
  using quantizer = Q;
  using isa = I;
};

namespace detail {

/// Q on Isa, unless the kernels of Isa for Q are those of a narrower set.
template <class Q, class Isa>
using once = std::conditional_t<std::is_same_v<gemv_isa<Isa, Q>, Isa>, std::tuple<QuantizerOn<Q, Isa>>, std::tuple<>>;

template <class Q>
using on_isas = decltype(std::tuple_cat(once<Q, isa::scalar>{}
#if LOWBIT_HAS_AVX2
                                        ,
                                        once<Q, isa::avx2>{}
#endif
#if LOWBIT_HAS_AVX512
                                        ,
                                        once<Q, isa::avx512>{}
#endif
#if LOWBIT_HAS_NEON
                                        ,
                                        once<Q, isa::neon>{}
#endif
                                        ));

template <class List>
struct across;
template <class... Qs>
struct across<std::tuple<Qs...>> {
  using type = decltype(std::tuple_cat(on_isas<Qs>{}...));
};

}  // namespace detail

using quantizers_x_isas = detail::across<quantizers>::type;

}  // namespace lowbit::test
