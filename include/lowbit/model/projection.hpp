// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lowbit/model/config.hpp"

/// The seven linear maps of a decoder layer: what they are called, what shape they have, whose outputs they read.

namespace lowbit::model {

enum class Projection : std::uint8_t { q, k, v, o, gate, up, down };

/// In the order in which a layer computes them.
inline constexpr std::array<Projection, 7> projections{Projection::q,    Projection::k,  Projection::v,   Projection::o,
                                                       Projection::gate, Projection::up, Projection::down};

/// Projections that read the same activations share a site; so they share their calibration statistics.
enum class Site : std::uint8_t {
  attention_input,   ///< q, k, v: the normalized hidden state
  attention_output,  ///< o: the mixed values
  mlp_input,         ///< gate, up: the normalized hidden state after attention
  mlp_hidden,        ///< down: silu(gate) · up
};

inline constexpr std::array<Site, 4> sites{Site::attention_input, Site::attention_output, Site::mlp_input,
                                           Site::mlp_hidden};

constexpr Site site_of(Projection projection) noexcept {
  switch (projection) {
    case Projection::q:
    case Projection::k:
    case Projection::v: return Site::attention_input;
    case Projection::o: return Site::attention_output;
    case Projection::gate:
    case Projection::up: return Site::mlp_input;
    case Projection::down: break;
  }
  return Site::mlp_hidden;
}

/// "self_attn.q_proj", … "mlp.down_proj": the module inside a layer of a Hugging Face checkpoint.
constexpr std::string_view module_name(Projection projection) noexcept {
  constexpr std::array<std::string_view, 7> names{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                                  "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                                  "mlp.down_proj"};
  return names[static_cast<std::size_t>(projection)];
}

/// "model.layers.3."
inline std::string layer_prefix(std::size_t layer) { return "model.layers." + std::to_string(layer) + "."; }

/// "model.layers.3.self_attn.q_proj"; tensors add ".weight" and ".bias".
inline std::string hf_name(std::size_t layer, Projection projection) {
  return layer_prefix(layer).append(module_name(projection));
}

/// A weight's [out × in].
struct ProjectionShape {
  std::size_t rows = 0, cols = 0;
  friend bool operator==(const ProjectionShape&, const ProjectionShape&) = default;
};

inline ProjectionShape shape_of(const LlamaConfig& config, Projection projection) noexcept {
  switch (projection) {
    case Projection::q: return {config.query_size(), config.hidden_size};
    case Projection::k:
    case Projection::v: return {config.key_value_size(), config.hidden_size};
    case Projection::o: return {config.hidden_size, config.query_size()};
    case Projection::gate:
    case Projection::up: return {config.intermediate_size, config.hidden_size};
    case Projection::down: break;
  }
  return {config.hidden_size, config.intermediate_size};
}

inline bool has_bias(const LlamaConfig& config, Projection projection) noexcept {
  return projection <= Projection::o ? config.attention_bias : config.mlp_bias;
}

inline constexpr std::string_view embedding_name = "model.embed_tokens.weight";
inline constexpr std::string_view final_norm_name = "model.norm.weight";
inline constexpr std::string_view head_name = "lm_head.weight";
inline std::string input_norm_name(std::size_t layer) { return layer_prefix(layer) + "input_layernorm.weight"; }
inline std::string post_attention_norm_name(std::size_t layer) {
  return layer_prefix(layer) + "post_attention_layernorm.weight";
}

}  // namespace lowbit::model
