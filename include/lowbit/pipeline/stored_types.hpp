// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lowbit/format.hpp"
#include "lowbit/format/d4_ball.hpp"
#include "lowbit/format/e8_ball.hpp"
#include "lowbit/format/e8p.hpp"
#include "lowbit/format/e8p_residual.hpp"
#include "lowbit/format/trellis/hyb.hpp"
#include "lowbit/format/trellis/one_mad.hpp"
#include "lowbit/format/trellis/three_inst.hpp"
#include "lowbit/format/voronoi_code.hpp"
#include "lowbit/pipeline/codec.hpp"
#include "lowbit/pipeline/gguf_export.hpp"
#include "lowbit/quantizer.hpp"
#include "lowbit/quantizer/pvq.hpp"
#include "lowbit/quantizer/trellis/trellis_scaled.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"

/// The closed list: every stored type that recipe strings and files can name, in one place. A new family is one function
/// here, and one source that instantiates it (see examples/codecs).

namespace lowbit::pipeline {

/// The uniform quantizers of one width: symmetric, asymmetric and real zero points; f16, bf16 and f32 scales.
template <int Bits>
std::vector<const Codec*> uniform_codecs() {
  using F = Int<Bits>;
  constexpr auto with = [](ZeroPoint zero, ScaleStorage scale) {
    return UniformOptions{.group_size = dynamic_group, .zero_point = zero, .scale = scale};
  };
  return codecs_of(TypeList<Uniform<F, with(ZeroPoint::none, ScaleStorage::f16)>,
                            Uniform<F, with(ZeroPoint::none, ScaleStorage::bf16)>,
                            Uniform<F, with(ZeroPoint::none, ScaleStorage::f32)>,
                            Uniform<F, with(ZeroPoint::integer, ScaleStorage::f16)>,
                            Uniform<F, with(ZeroPoint::integer, ScaleStorage::bf16)>,
                            Uniform<F, with(ZeroPoint::integer, ScaleStorage::f32)>,
                            Uniform<F, with(ZeroPoint::real, ScaleStorage::f16)>>{});
}

/// GGUF's block types. (A template like its neighbour, so that one source instantiates it.)
template <class Blocks = TypeList<GgufQ4_0, GgufQ4_1, GgufQ5_0, GgufQ5_1, GgufQ8_0, GgufQ2K, GgufQ3K, GgufQ4K, GgufQ5K,
                                 GgufQ6K, GgufIq4Nl, GgufIq4Xs, GgufTq1_0, GgufTq2_0, GgufMxfp4, GgufNvfp4, GgufQ1_0,
                                 GgufQ2_0>>
std::vector<const Codec*> gguf_codecs() {
  return codecs_of(Blocks{});
}

namespace detail {

template <class F, class Scale = f16>
using AnyGroup = Scaled<F, Scale, dynamic_group>;

}  // namespace detail

/// One scale per group times a table of points: four-bit formats.
template <class Scaled4 = TypeList<detail::AnyGroup<E2M1>, detail::AnyGroup<E1M2>, detail::AnyGroup<E3M0>,
                                   detail::AnyGroup<E2M1, UE4M3>, detail::AnyGroup<E2M1, UE5M3>, detail::AnyGroup<NF4>,
                                   detail::AnyGroup<NF4, float>, DoubleQuantized<NF4, dynamic_group>,
                                   detail::AnyGroup<BnbFp4>, detail::AnyGroup<DInt<4>>, detail::AnyGroup<PowerOfTwo<4>>,
                                   detail::AnyGroup<Apot<4>>, detail::AnyGroup<Post<4>>>>
std::vector<const Codec*> four_bit_codecs() {
  return codecs_of(Scaled4{});
}

/// The same at other widths, and sums of signs, trits, phases and logarithms.
template <class Others =
              TypeList<detail::AnyGroup<NormalFloat<2>>, detail::AnyGroup<NormalFloat<3>>, detail::AnyGroup<HalfOffset<2>>,
                       detail::AnyGroup<HalfOffset<3>>, detail::AnyGroup<HalfOffset<4>>, TritPlanesScaled<f16, dynamic_group>,
                       detail::AnyGroup<E2M3>, detail::AnyGroup<E3M2>, detail::AnyGroup<E3M4>, detail::AnyGroup<E4M3FN>,
                       detail::AnyGroup<E5M2>, detail::AnyGroup<Dynamic8, float>, BinaryScaled<1, f16, dynamic_group>,
                       BinaryScaled<2, f16, dynamic_group>, TernaryScaled<f16, dynamic_group>,
                       PhaseScaled<1, f16, dynamic_group>, PhaseScaled<2, f16, dynamic_group>, TwinLog<3, dynamic_group>,
                       TwinLog<4, dynamic_group>>>
std::vector<const Codec*> other_codecs() {
  return codecs_of(Others{});
}

/// Blocks of fixed size: OCP microscaling and NVFP4.
template <class Blocks = TypeList<Mxfp4, Mxfp6E2M3, Mxfp6E3M2, Mxfp8E4M3, Mxfp8E5M2, Mxint8, Nvfp4>>
std::vector<const Codec*> block_codecs() {
  return codecs_of(Blocks{});
}

/// One scale per group times the points of a lattice.
template <class Lattices = TypeList<VectorScaled<E8P, f16, dynamic_group>, VectorScaled<E8P3, f16, dynamic_group>,
                                    VectorScaled<E8P4, f16, dynamic_group>, VectorScaled<E8Ball<8>, f16, dynamic_group>,
                                    VectorScaled<E8Ball<12>, f16, dynamic_group>, VectorScaled<D4Ball<8>, f16, dynamic_group>,
                                    VectorScaled<D4Ball<12>, f16, dynamic_group>, VectorScaled<E8Voronoi<8>, f16, dynamic_group>,
                                    VectorScaled<E8Voronoi<16>, f16, dynamic_group>>>
std::vector<const Codec*> lattice_codecs() {
  return codecs_of(Lattices{});
}

/// Pyramid vector quantization: pulses and a length for 16 weights.
template <class Pyramids = TypeList<Pvq2, Pvq2_5, Pvq3, Pvq3_25, Pvq4>>
std::vector<const Codec*> pyramid_codecs() {
  return codecs_of(Pyramids{});
}

/// Trellis codes of 2^12 and 2^16 states.
template <class Trellises = TypeList<TrellisScaled<trellis::OneMad, 12, 1>, TrellisScaled<trellis::OneMad, 12, 2>,
                                     TrellisScaled<trellis::OneMad, 12, 3>, TrellisScaled<trellis::OneMad, 12, 4>,
                                     TrellisScaled<trellis::OneMad, 16, 1>, TrellisScaled<trellis::OneMad, 16, 2>,
                                     TrellisScaled<trellis::OneMad, 16, 3>, TrellisScaled<trellis::OneMad, 16, 4>,
                                     TrellisScaled<trellis::Hyb<9>, 12, 1, f16, dynamic_group, 3>,
                                     TrellisScaled<trellis::Hyb<9>, 16, 1, f16, dynamic_group, 3>,
                                     TrellisScaled<trellis::Hyb<9>, 12, 2, f16, dynamic_group, 5>,
                                     TrellisScaled<trellis::Hyb<9>, 16, 2>, TrellisScaled<trellis::ThreeInst, 16, 2>>>
std::vector<const Codec*> trellis_codecs() {
  return codecs_of(Trellises{});
}

#if defined(LOWBIT_EXTERN_CODECS)
// Instantiated in sources of their own, in parallel.
extern template std::vector<const Codec*> uniform_codecs<2>();
extern template std::vector<const Codec*> uniform_codecs<3>();
extern template std::vector<const Codec*> uniform_codecs<4>();
extern template std::vector<const Codec*> uniform_codecs<5>();
extern template std::vector<const Codec*> uniform_codecs<6>();
extern template std::vector<const Codec*> uniform_codecs<7>();
extern template std::vector<const Codec*> uniform_codecs<8>();
extern template std::vector<const Codec*> gguf_codecs<>();
extern template std::vector<const Codec*> four_bit_codecs<>();
extern template std::vector<const Codec*> other_codecs<>();
extern template std::vector<const Codec*> block_codecs<>();
extern template std::vector<const Codec*> lattice_codecs<>();
extern template std::vector<const Codec*> pyramid_codecs<>();
extern template std::vector<const Codec*> trellis_codecs<>();
#endif

inline const std::vector<const Codec*>& all_codecs() {
  static const std::vector<const Codec*> all = [] {
    std::vector<const Codec*> codecs;
    for (const auto& family : {uniform_codecs<2>(), uniform_codecs<3>(), uniform_codecs<4>(), uniform_codecs<5>(),
                               uniform_codecs<6>(), uniform_codecs<7>(), uniform_codecs<8>(), gguf_codecs<>(), four_bit_codecs<>(),
                               other_codecs<>(), block_codecs<>(),
                               lattice_codecs<>(), pyramid_codecs<>(), trellis_codecs<>()})
      codecs.insert(codecs.end(), family.begin(), family.end());
    return codecs;
  }();
  return all;
}

/// Other words for formats with long names: what a recipe calls word is format.
struct FormatAlias {
  std::string_view word, format;
};
inline constexpr FormatAlias format_aliases[] = {
    {"pvq2", "pvq_d16k11g3"},         {"pvq2.5", "pvq_d16k17g3"},     {"pvq3", "pvq_d16k24g7"},
    {"pvq3.25", "pvq_d16k29g7"},      {"pvq4", "pvq_d16k49g14"},      {"pvq_d16_k11", "pvq_d16k11g3"},
    {"pvq_d16_k17", "pvq_d16k17g3"},  {"pvq_d16_k24", "pvq_d16k24g7"}, {"pvq_d16_k29", "pvq_d16k29g7"},
    {"pvq_d16_k49", "pvq_d16k49g14"},
};

/// The codec of a storage name. Errors: unsupported, naming it.
inline Result<const Codec*> find_codec(std::string_view storage_name) {
  for (const Codec* codec : all_codecs())
    if (codec->storage_name() == storage_name) return codec;
  return Error{.code = Errc::unsupported, .message = "no stored type is called '" + std::string(storage_name) + "'"};
}

}  // namespace lowbit::pipeline
