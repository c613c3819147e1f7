// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/contract.hpp"

/// The Llama architecture in GGUF: tensor names, and the order of query and key rows.

namespace lowbit::pipeline {

namespace detail {

inline constexpr std::pair<std::string_view, std::string_view> gguf_layer_names[] = {
    {"input_layernorm", "attn_norm"},        {"self_attn.q_proj", "attn_q"},   {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},          {"self_attn.o_proj", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"}, {"mlp.gate_proj", "ffn_gate"},    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};
inline constexpr std::pair<std::string_view, std::string_view> gguf_outer_names[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};

}  // namespace detail

/// "model.layers.3.self_attn.q_proj.weight" → "blk.3.attn_q.weight"; nothing for a tensor that GGUF's Llama lacks.
inline std::optional<std::string> gguf_name(std::string_view hugging_face_name) {
  const std::size_t dot = hugging_face_name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view stem = hugging_face_name.substr(0, dot), kind = hugging_face_name.substr(dot);
  if (kind != ".weight" && kind != ".bias") return std::nullopt;
  for (const auto& [hf, gguf] : detail::gguf_outer_names)
    if (stem == hf) return std::string(gguf) + std::string(kind);
  constexpr std::string_view prefix = "model.layers.";
  if (!stem.starts_with(prefix)) return std::nullopt;
  const std::size_t end = stem.find('.', prefix.size());
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view number = stem.substr(prefix.size(), end - prefix.size());
  for (const auto& [hf, gguf] : detail::gguf_layer_names)
    if (stem.substr(end + 1) == hf) return "blk." + std::string(number) + "." + std::string(gguf) + std::string(kind);
  return std::nullopt;
}

/// True for the projections whose rows GGUF stores in another order.
inline bool gguf_permutes_rows(std::string_view hugging_face_name) {
  return hugging_face_name.find(".q_proj.") != std::string_view::npos ||
         hugging_face_name.find(".k_proj.") != std::string_view::npos;
}

/// Reorders the rows of a query or key projection between the two conventions of rotary embedding: Hugging Face rotates
/// pairs (i, i + d/2) of a head of d rows, GGUF neighbours (2i, 2i + 1). Rows are `row_bytes` long and move whole, so any
/// row-wise format goes along. to_gguf: which way. rows = heads · d, d even.
inline std::vector<std::uint8_t> permute_rotary_rows(std::span<const std::uint8_t> bytes, std::size_t heads,
                                                     std::size_t rows, bool to_gguf) {
  LOWBIT_EXPECTS(heads > 0 && rows % (2 * heads) == 0 && bytes.size() % rows == 0, "a head holds an even number of rows");
  const std::size_t row_bytes = bytes.size() / rows, d = rows / heads;
  std::vector<std::uint8_t> out(bytes.size());
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t i = 0; i < d / 2; ++i)
      for (std::size_t s = 0; s < 2; ++s) {
        const std::size_t gguf = h * d + 2 * i + s, hf = h * d + i + s * (d / 2);
        std::memcpy(out.data() + (to_gguf ? gguf : hf) * row_bytes, bytes.data() + (to_gguf ? hf : gguf) * row_bytes,
                    row_bytes);
      }
  return out;
}

}  // namespace lowbit::pipeline
