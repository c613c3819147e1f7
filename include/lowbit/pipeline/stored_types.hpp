// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/pipeline/codec.hpp"

/// The closed list: every stored type that recipe strings and files can name, in one place. A new family is a header in
/// stored_types/, a line in each of the two lists here, and one source that compiles it (examples/codecs).

#if !defined(LOWBIT_EXTERN_CODECS)
#include "lowbit/pipeline/stored_types/block.hpp"
#include "lowbit/pipeline/stored_types/codebook.hpp"
#include "lowbit/pipeline/stored_types/four_bit.hpp"
#include "lowbit/pipeline/stored_types/gguf.hpp"
#include "lowbit/pipeline/stored_types/lattice.hpp"
#include "lowbit/pipeline/stored_types/other.hpp"
#include "lowbit/pipeline/stored_types/pyramid.hpp"
#include "lowbit/pipeline/stored_types/trellis.hpp"
#include "lowbit/pipeline/stored_types/uniform.hpp"
#endif

namespace lowbit::pipeline {

#if defined(LOWBIT_EXTERN_CODECS)
template <int Bits>
std::vector<const Codec*> uniform_codecs();
std::vector<const Codec*> gguf_codecs();
std::vector<const Codec*> four_bit_codecs();
std::vector<const Codec*> other_codecs();
std::vector<const Codec*> block_codecs();
std::vector<const Codec*> lattice_codecs();
std::vector<const Codec*> pyramid_codecs();
std::vector<const Codec*> trellis_codecs();
std::vector<const Codec*> codebook_codecs();
#endif

inline const std::vector<const Codec*>& all_codecs() {
  static const std::vector<const Codec*> all = [] {
    std::vector<const Codec*> codecs;
    for (const auto& family :
         {uniform_codecs<2>(), uniform_codecs<3>(), uniform_codecs<4>(), uniform_codecs<5>(), uniform_codecs<6>(),
          uniform_codecs<7>(), uniform_codecs<8>(), gguf_codecs(), four_bit_codecs(), other_codecs(), block_codecs(),
          lattice_codecs(), pyramid_codecs(), trellis_codecs(), codebook_codecs()})
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
    {"pvq_d16_k49", "pvq_d16k49g14"}, {"glvq_d8_b2", "glvq_d8_b2_half"},
    {"codebook_d4_b8", "codebook4d8b"},
};

/// The codec of a storage name. Errors: unsupported, naming it.
inline Result<const Codec*> find_codec(std::string_view storage_name) {
  for (const Codec* codec : all_codecs())
    if (codec->storage_name() == storage_name) return codec;
  return Error{.code = Errc::unsupported, .message = "no stored type is called '" + std::string(storage_name) + "'"};
}

}  // namespace lowbit::pipeline
