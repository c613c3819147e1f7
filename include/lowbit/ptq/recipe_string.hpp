// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/ptq/hessian.hpp"
#include "lowbit/quantizer/uniform.hpp"

/// Recipes as text, for tools:  [TRANSFORM+…]ROUNDING:FORMAT[:PARAMETER…][:MODIFIER…]
///
///   TRANSFORM  a change of basis before rounding, undone at run time: rht (randomized Hadamard on both sides), kron
///              (Kronecker-factored random orthogonals on both sides), rht_in, kron_in (inputs alone), rescale (QuIP's
///              diagonal); applied from left to right
///   ROUNDING   rtn, gptq, ldlq (gptq with all scales taken from the original weights, columns in natural order: LDLQ on
///              the reversed columns); lnq, dgms, glvq (tables or lattices learned with the codes, each for its own
///              formats); or f32, fp16, bf16 alone: linear layers are stored as floats
///   FORMAT     the name of a format: int2 … int8, nf4, e2m1, ternary, e8p, …, or of a block type: mxfp4, nvfp4, q4_k, …;
///              which ones there are is known to the closed list of stored types (pipeline/stored_types.hpp)
///   PARAMETER  a letter and a number that belong to the format's name: pvq:d16:k27 is pvq_d16_k27
///   MODIFIERS  g32, g128, … any size; grow (one group per row); gtensor
///              sym, asym (integer zero point), asymreal (real zero point)
///              s1 full range, s2 GPTQ's rule, s3 narrow, s4 signed maximum (symmetric scale rules)
///              scale_f16, scale_bf16, scale_f32, … (how scales are stored)
///              one scale search: lp2.4 (grid of clips, least error to that exponent), golden (golden sections, squares),
///              hlp2.4, hgolden (the same weighted by diag H), hfull (least eᵀHe with the group's block of H), pct99.9
///              (percentile), kl (entropy, large groups), hqq (half-quadratic, asymreal), ggml (least squares as in GGUF)
///              floor, even, ceil, rceil (MX scales); six, four, four_over_six (nvfp4); optimal, absmean, absmedian, twn
///              (ternary)
///              act_order, static_groups (gptq), damp0.01, block128, cd3 (coordinate-descent sweeps), zero_dead (gptq, ldlq)
///              parallel (gptq, ldlq: all layers of a block see the same inputs, instead of one after another)
///              dampX and parallel stand after lnq, dgms, glvq too, and cdN is the sweeps of each of their rounds
///              seed7 (of the transform)
///
/// Published systems have names of their own:
///   quip:int2  is  rescale+kron+ldlq:halfoffset2:gtensor:lp2     (Chee et al., arXiv:2307.13304; int3 and int4 too)
///   quip#:2    is  rht+ldlq:e8p:gtensor:cd10                      (Tseng et al., arXiv:2402.04396; 3 and 4 too)
///   qtip:2     is  rht+ldlq:trellis:k2:l16:gtensor                (Tseng et al., arXiv:2406.11235; 1, 1.5, 3, 4 too;
///                  qtip:2:l12 is faster to encode)
///   glvq:d8:b2 is  glvq:glvq:d8:b2                                (Zhang et al., arXiv:2510.20984; d16, and b1 … b4 of d8)
///   lnq:3      is  lnq:codebook3, squeezellm:3 is rtn:codebook3   (GuidedQuant, arXiv:2505.07004; arXiv:2306.07629)
///   dgms:3     is  dgms:tensor_codebook3                          (arXiv:2112.15139)
/// with the same PARAMETERs and MODIFIERs after them.
///
/// Example: gptq:int4:g128:asym:act_order:cd2. Modifiers stand in any order, each kind once. Whether a modifier means
/// anything to the format is for pipeline::resolve to say.

namespace lowbit::ptq {

enum class RoundingKind : std::uint8_t { none, nearest, hessian, lnq, dgms, glvq };

/// A recipe as data: which stored type, and every tunable of the policies.
struct RecipeSpec {
  RoundingKind rounding = RoundingKind::nearest;
  std::string transform;                  ///< kinds joined by '+' (transform/record.hpp), or empty
  std::uint64_t seed = 0;                 ///< of the transform
  std::string format;                     ///< with its parameters; "f32", "f16", "bf16" when rounding is none
  std::string zero_point;                 ///< "sym", "asym", "asymreal", or empty where nothing was said
  std::string scale_storage;              ///< "f16", …, or empty
  std::optional<std::size_t> group_size;
  std::optional<SymmetricRule> rule;
  std::string scale_search;               ///< the word that chose hessian.scale, or empty
  HessianRounding hessian{};              ///< hessian.scale serves rounding to nearest too, hessian.damp the learned kinds
  std::optional<int> sweeps;              ///< cdN, where it was said
  std::string variant;                    ///< how a format with several published encoders chooses, or empty
  bool true_sequential = true;
  std::string text;                       ///< as given
  std::string storage;                    ///< Q::storage_name() of the stored type; pipeline::resolve finds it

  /// Whether codes are chosen by the inputs' second moments.
  bool by_moments() const noexcept { return rounding >= RoundingKind::hessian; }
};

namespace detail {

/// Words for the ways in which published encoders of one format differ.
inline constexpr std::string_view variants[] = {"floor",         "even",    "ceil",    "rceil",     "six", "four",
                                                "four_over_six", "optimal", "absmean", "absmedian", "twn"};

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The rest of `word` after `prefix` as a number, if it has that form.
template <class Number>
std::optional<Number> number_after(std::string_view word, std::string_view prefix) {
  return word.starts_with(prefix) ? parse_number<Number>(word.substr(prefix.size())) : std::nullopt;
}

inline std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

/// The scale search that a word names.
inline std::optional<ScaleSearch> parse_scale_search(std::string_view word) {
  if (const auto p = number_after<float>(word, "lp")) return LpGrid{.p = *p};
  if (const auto p = number_after<float>(word, "hlp")) return LpGrid{.p = *p, .weighted = true};
  if (const auto percent = number_after<float>(word, "pct")) return Percentile{.percent = *percent};
  if (word == "golden") return GoldenSection{};
  if (word == "hgolden") return GoldenSection{.weighted = true};
  if (word == "hfull") return HessianFull{};
  if (word == "kl") return KlEntropy{};
  if (word == "hqq") return Hqq{};
  if (word == "ggml") return GgmlSearch{};
  return std::nullopt;
}

/// What is wrong with a search's numbers, or nothing.
inline std::string_view bad_scale_search(const ScaleSearch& search) {
  if (const auto* grid = std::get_if<LpGrid>(&search); grid != nullptr && !(grid->p > 0.0f && grid->p <= 16.0f))
    return "needs an exponent above 0, at most 16";
  if (const auto* clip = std::get_if<Percentile>(&search);
      clip != nullptr && !(clip->percent >= 50.0f && clip->percent <= 100.0f))
    return "needs a percentile of 50 to 100";
  return {};
}

}  // namespace detail

namespace detail {

/// The names of published systems, spelled out: ROUNDING:FORMAT and the modifiers that a recipe may override.
struct Preset {
  std::string_view name;    ///< ROUNDING:FORMAT as written
  std::string_view rounding, format;
  std::string_view group;   ///< "gtensor", or empty
  std::string_view search;  ///< or empty
  int cd_sweeps;
};
inline constexpr Preset presets[] = {
    {"quip:int2", "rescale+kron+ldlq", "halfoffset2", "gtensor", "lp2", 0},
    {"quip:int3", "rescale+kron+ldlq", "halfoffset3", "gtensor", "lp2", 0},
    {"quip:int4", "rescale+kron+ldlq", "halfoffset4", "gtensor", "lp2", 0},
    {"quip#:2", "rht+ldlq", "e8p", "gtensor", "", 10},
    {"quip#:3", "rht+ldlq", "e8p_3bit", "gtensor", "", 10},
    {"quip#:4", "rht+ldlq", "e8p_4bit", "gtensor", "", 10},
    {"qtip:1", "rht+ldlq", "trellis_k1", "gtensor", "", 0},
    {"qtip:1.5", "rht+ldlq", "trellis_k1.5", "gtensor", "", 0},
    {"qtip:2", "rht+ldlq", "trellis_k2", "gtensor", "", 0},
    {"qtip:3", "rht+ldlq", "trellis_k3", "gtensor", "", 0},
    {"qtip:4", "rht+ldlq", "trellis_k4", "gtensor", "", 0},
    {"lnq:2", "lnq", "codebook2", "", "", 0},
    {"lnq:3", "lnq", "codebook3", "", "", 0},
    {"lnq:4", "lnq", "codebook4", "", "", 0},
    {"squeezellm:2", "rtn", "codebook2", "", "", 0},
    {"squeezellm:3", "rtn", "codebook3", "", "", 0},
    {"squeezellm:4", "rtn", "codebook4", "", "", 0},
    {"dgms:2", "dgms", "tensor_codebook2", "", "", 0},
    {"dgms:3", "dgms", "tensor_codebook3", "", "", 0},
    {"dgms:4", "dgms", "tensor_codebook4", "", "", 0},
};

/// A letter and digits: part of a format's name.
inline bool is_parameter(std::string_view word) {
  return word.size() >= 2 && std::string_view("bdklv").find(word[0]) != std::string_view::npos &&
         word[1] >= '0' && word[1] <= '9' && parse_number<double>(word.substr(1)).has_value();
}

}  // namespace detail

/// Errors: invalid_argument, naming the word that means nothing and what could stand there.
inline Result<RecipeSpec> parse_recipe(std::string_view text) {
  const auto fail = [&](std::string_view word, std::string_view why) {
    return Error{.code = Errc::invalid_argument,
                 .message = "recipe '" + std::string(text) + "': '" + std::string(word) + "' " + std::string(why)};
  };
  RecipeSpec spec;
  spec.text = text;
  const auto words = detail::split(text, ':');
  if (words[0] == "f32" || words[0] == "fp16" || words[0] == "f16" || words[0] == "bf16") {
    if (words.size() > 1) return fail(words[1], "cannot follow a float format");
    spec.rounding = RoundingKind::none;
    spec.format = spec.storage = words[0] == "fp16" ? "f16" : std::string(words[0]);
    return spec;
  }
  std::string_view rounding = words[0], format = words.size() > 1 ? words[1] : std::string_view();
  for (const detail::Preset& preset : detail::presets)
    if (words.size() > 1 && std::string(words[0]) + ":" + std::string(words[1]) == preset.name) {
      rounding = preset.rounding;
      format = preset.format;
      if (!preset.group.empty()) spec.group_size = per_tensor;
      spec.hessian.cd_sweeps = preset.cd_sweeps;
      if (const auto search = detail::parse_scale_search(preset.search)) {
        spec.hessian.scale = *search;
        spec.scale_search = preset.search;
      }
    }
  if (words[0] == "quip" || words[0] == "quip#" || words[0] == "qtip")
    if (rounding == words[0]) return fail(text, "is no published system; choose quip:int2 … int4, quip#:2 … 4, qtip:1, 1.5, 2, 3, 4");
  if (const std::size_t plus = rounding.rfind('+'); plus != std::string_view::npos) {
    spec.transform = rounding.substr(0, plus);
    for (const std::string_view kind : detail::split(spec.transform, '+'))
      if (kind != "rht" && kind != "kron" && kind != "rht_in" && kind != "kron_in" && kind != "rescale")
        return fail(kind, "is no transform; choose rht, kron, rht_in, kron_in, rescale");
    rounding.remove_prefix(plus + 1);
  }
  if (rounding == "gptq" || rounding == "ldlq")
    spec.rounding = RoundingKind::hessian;
  else if (rounding == "lnq")
    spec.rounding = RoundingKind::lnq;
  else if (rounding == "dgms")
    spec.rounding = RoundingKind::dgms;
  else if (rounding == "glvq")
    spec.rounding = RoundingKind::glvq;
  else if (rounding != "rtn")
    return fail(rounding, "is no rounding; choose rtn, gptq, ldlq, lnq, dgms, glvq, or one of f32, fp16, bf16");
  const bool ldlq = rounding == "ldlq", learned = spec.by_moments() && spec.rounding != RoundingKind::hessian;
  spec.hessian.static_groups = ldlq;
  if (format.empty() && words.size() < 2)
    return fail(words[0], "needs a format, as in " + std::string(words[0]) + ":int4");
  spec.format = format;
  if (spec.format.empty()) return fail(spec.format, "is no format");
  std::size_t next = 2;
  if (rounding == "glvq" && detail::is_parameter(format)) {
    spec.format = "glvq";
    next = 1;
  }
  for (; next < words.size() && detail::is_parameter(words[next]); ++next) spec.format += "_" + std::string(words[next]);
  if (words[0] == "qtip" && next == 2) spec.format += "_l16";

  std::vector<std::string_view> kinds;
  for (std::size_t i = next; i < words.size(); ++i) {
    const std::string_view word = words[i];
    std::string_view kind;
    const auto group = detail::number_after<std::size_t>(word, "g");
    const auto damp = detail::number_after<double>(word, "damp");
    const auto block = detail::number_after<std::size_t>(word, "block");
    const auto sweeps = detail::number_after<int>(word, "cd");
    const auto scale = detail::parse_scale_search(word);
    const auto seed = detail::number_after<std::uint64_t>(word, "seed");
    if (group || word == "grow" || word == "gtensor") {
      kind = "group size";
      if (group && (*group == 0 || *group >= per_tensor)) return fail(word, "must be at least g1");
      spec.group_size = group ? *group : word == "grow" ? per_row : per_tensor;
    } else if (word == "sym" || word == "asym" || word == "asymreal") {
      kind = "zero point";
      spec.zero_point = word;
    } else if (word == "s1" || word == "s2" || word == "s3" || word == "s4") {
      kind = "symmetric rule";
      spec.rule = static_cast<SymmetricRule>(word[1] - '1');
    } else if (seed) {
      kind = "seed";
      if (spec.transform.empty()) return fail(word, "needs a transform");
      spec.seed = *seed;
    } else if (word.starts_with("scale_") && word.size() > 6) {
      kind = "scale storage";
      spec.scale_storage = word.substr(6);
    } else if (std::find(std::begin(detail::variants), std::end(detail::variants), word) != std::end(detail::variants)) {
      kind = "variant";
      spec.variant = word;
    } else if (scale) {
      kind = "scale search";
      if (const std::string_view why = detail::bad_scale_search(*scale); !why.empty()) return fail(word, why);
      spec.scale_search = word;
      spec.hessian.scale = *scale;
    } else if (word == "act_order" || word == "static_groups" || damp || block || sweeps || word == "zero_dead" ||
               word == "parallel") {
      if (spec.rounding != RoundingKind::hessian && !(learned && (damp || sweeps || word == "parallel")))
        return fail(word, learned ? "does not apply to " + std::string(rounding) : "needs gptq or ldlq");
      if (ldlq && (word == "act_order" || word == "static_groups"))
        return fail(word, "does not apply: ldlq takes its scales from the original weights, in natural order");
      kind = damp ? "damping" : block ? "block size" : sweeps ? "sweeps" : word;
      if (word == "act_order") spec.hessian.act_order = true;
      if (word == "static_groups") spec.hessian.static_groups = true;
      if (word == "zero_dead") spec.hessian.dead_inputs = DeadInputs::zero;
      if (word == "parallel") spec.true_sequential = false;
      if (damp) {
        if (!(*damp >= 0.0 && *damp <= 1.0)) return fail(word, "must lie between damp0 and damp1");
        spec.hessian.damp = *damp;
      }
      if (block) {
        if (*block == 0) return fail(word, "must be at least block1");
        spec.hessian.block_size = *block;
      }
      if (sweeps) {
        if (*sweeps < 0 || *sweeps > 1000) return fail(word, "must lie between cd0 and cd1000");
        spec.hessian.cd_sweeps = *sweeps;
        spec.sweeps = *sweeps;
      }
    } else {
      return fail(word, "is no modifier; choose from gN grow gtensor, sym asym asymreal, s1 s2 s3 s4, scale_f16 "
                        "scale_bf16 scale_f32 …, lpP hlpP golden hgolden hfull pctP kl hqq ggml, "
                        "floor even ceil rceil six four four_over_six optimal absmean absmedian twn, "
                        "act_order static_groups dampX blockN cdN zero_dead parallel seedN");
    }
    if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end())
      return fail(word, "says the " + std::string(kind) + " a second time");
    kinds.push_back(kind);
  }
  if (!spec.zero_point.empty() && spec.zero_point != "sym" && spec.rule) return fail("s1 … s4", "are rules for sym");
  return spec;
}

}  // namespace lowbit::ptq
