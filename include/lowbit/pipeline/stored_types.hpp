// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lowbit/pipeline/codec.hpp"
#include "lowbit/pipeline/gguf_export.hpp"
#include "lowbit/quantizer.hpp"

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
template <class Blocks = TypeList<GgufQ4_0, GgufQ8_0>>
std::vector<const Codec*> gguf_codecs() {
  return codecs_of(Blocks{});
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
#endif

inline const std::vector<const Codec*>& all_codecs() {
  static const std::vector<const Codec*> all = [] {
    std::vector<const Codec*> codecs;
    for (const auto& family : {uniform_codecs<2>(), uniform_codecs<3>(), uniform_codecs<4>(), uniform_codecs<5>(),
                               uniform_codecs<6>(), uniform_codecs<7>(), uniform_codecs<8>(), gguf_codecs<>()})
      codecs.insert(codecs.end(), family.begin(), family.end());
    return codecs;
  }();
  return all;
}

/// The codec of a storage name. Errors: unsupported, naming it.
inline Result<const Codec*> find_codec(std::string_view storage_name) {
  for (const Codec* codec : all_codecs())
    if (codec->storage_name() == storage_name) return codec;
  return Error{.code = Errc::unsupported, .message = "no stored type is called '" + std::string(storage_name) + "'"};
}

}  // namespace lowbit::pipeline
