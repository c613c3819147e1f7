// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/model/llama.hpp"

/// A random Llama small enough to check by hand, and the same arithmetic a second time: in double, without matrices,
/// caches or batches.

namespace lowbit::test {

inline Matrix random_matrix(std::size_t rows, std::size_t cols, double scale, Rng& rng) {
  Matrix m(static_cast<Index>(rows), static_cast<Index>(cols));
  for (Index r = 0; r < m.rows(); ++r)
    for (Index c = 0; c < m.cols(); ++c) m(r, c) = static_cast<float>(scale * rng.normal());
  return m;
}
inline Vector random_vector(std::size_t size, double scale, double offset, Rng& rng) {
  Vector v(static_cast<Index>(size));
  for (Index i = 0; i < v.size(); ++i) v(i) = static_cast<float>(offset + scale * rng.normal());
  return v;
}

/// Three query heads share a key head, head_dim is not hidden / heads, every projection has a bias, and the llama3
/// scaling keeps the first frequency, blends the second and divides the others.
inline model::LlamaConfig tiny_config() {
  model::LlamaConfig config;
  config.vocab_size = 37;
  config.hidden_size = 20;
  config.intermediate_size = 27;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.max_position_embeddings = 64;
  config.rms_norm_eps = 1e-5;
  config.rope_theta = 100.0;
  config.rope_scaling = {.kind = model::RopeScaling::Kind::llama3,
                         .factor = 4.0,
                         .low_freq_factor = 1.0,
                         .high_freq_factor = 4.0,
                         .original_max_position_embeddings = 32};
  config.attention_bias = true;
  config.mlp_bias = true;
  config.bos_token_ids = {1};
  return config;
}

inline model::LlamaWeights random_weights(const model::LlamaConfig& config, std::uint64_t seed) {
  Rng rng(seed);
  model::LlamaWeights weights;
  weights.embedding = std::make_shared<const Matrix>(random_matrix(config.vocab_size, config.hidden_size, 1.0, rng));
  weights.final_norm = random_vector(config.hidden_size, 0.2, 1.0, rng);
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
    model::DecoderLayer layer;
    layer.input_norm = random_vector(config.hidden_size, 0.2, 1.0, rng);
    layer.post_attention_norm = random_vector(config.hidden_size, 0.2, 1.0, rng);
    for (const model::Projection p : model::projections) {
      const auto shape = model::shape_of(config, p);
      const double scale = 1.0 / std::sqrt(static_cast<double>(shape.cols));
      layer[p].linear = std::make_unique<model::FloatLinear>(random_matrix(shape.rows, shape.cols, 1.5 * scale, rng));
      if (model::has_bias(config, p)) layer[p].bias = random_vector(shape.rows, 0.3, 0.0, rng);
    }
    weights.layers.push_back(std::move(layer));
  }
  if (!config.tie_word_embeddings)
    weights.head = std::make_unique<model::FloatLinear>(random_matrix(config.vocab_size, config.hidden_size, 0.5, rng));
  return weights;
}

inline model::Llama tiny_model(std::uint64_t seed = 1) {
  const model::LlamaConfig config = tiny_config();
  return model::Llama::make(config, random_weights(config, seed)).value();
}

inline std::vector<std::uint32_t> random_tokens(std::size_t count, std::size_t vocab, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::uint32_t> tokens(count);
  for (std::uint32_t& t : tokens) t = static_cast<std::uint32_t>(rng.below(vocab));
  return tokens;
}

using Rows = std::vector<std::vector<double>>;

namespace naive {

inline std::vector<double> times(const model::Linear& linear, const Vector& bias, const std::vector<double>& x) {
  const Matrix w = linear.dequantized();
  std::vector<double> y(static_cast<std::size_t>(w.rows()));
  for (Index r = 0; r < w.rows(); ++r) {
    y[static_cast<std::size_t>(r)] = bias.size() != 0 ? static_cast<double>(bias(r)) : 0.0;
    for (Index c = 0; c < w.cols(); ++c)
      y[static_cast<std::size_t>(r)] += static_cast<double>(w(r, c)) * x[static_cast<std::size_t>(c)];
  }
  return y;
}

inline std::vector<double> norm(const std::vector<double>& x, const Vector& weight, double eps) {
  double mean = 0.0;
  for (const double v : x) mean += v * v / static_cast<double>(x.size());
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    y[i] = x[i] / std::sqrt(mean + eps) * static_cast<double>(weight(static_cast<Index>(i)));
  return y;
}

/// A pair of coordinates is a complex number; its frequency follows the published llama3 rule, written as a chain of
/// ifs.
inline void rotate(const model::LlamaConfig& c, double* x, std::size_t position) {
  const std::size_t half = c.head_dim / 2;
  for (std::size_t i = 0; i < half; ++i) {
    double frequency = 1.0 / std::pow(c.rope_theta, static_cast<double>(2 * i) / static_cast<double>(c.head_dim));
    const model::RopeScaling& s = c.rope_scaling;
    if (s.kind == model::RopeScaling::Kind::linear) frequency /= s.factor;
    if (s.kind == model::RopeScaling::Kind::llama3) {
      const double wavelength = 2.0 * std::acos(-1.0) / frequency;
      const auto original = static_cast<double>(s.original_max_position_embeddings);
      if (wavelength > original / s.low_freq_factor) {
        frequency /= s.factor;
      } else if (wavelength >= original / s.high_freq_factor) {
        const double smooth = (original / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        frequency = (1.0 - smooth) * frequency / s.factor + smooth * frequency;
      }
    }
    const double angle = frequency * static_cast<double>(position);
    const double a = x[i], b = x[i + half];
    x[i] = a * std::cos(angle) - b * std::sin(angle);
    x[i + half] = a * std::sin(angle) + b * std::cos(angle);
  }
}

/// Logits of every token.
inline Rows forward(const model::Llama& model, const std::vector<std::uint32_t>& tokens) {
  const model::LlamaConfig& c = model.config();
  const model::LlamaWeights& w = model.weights();
  Rows hidden;
  for (const std::uint32_t t : tokens) {
    std::vector<double> row;
    for (Index i = 0; i < w.embedding->cols(); ++i) row.push_back(static_cast<double>((*w.embedding)(t, i)));
    hidden.push_back(row);
  }
  for (const model::DecoderLayer& layer : w.layers) {
    Rows q, k, v;
    for (std::size_t t = 0; t < hidden.size(); ++t) {
      const auto x = norm(hidden[t], layer.input_norm, c.rms_norm_eps);
      q.push_back(times(*layer.q.linear, layer.q.bias, x));
      k.push_back(times(*layer.k.linear, layer.k.bias, x));
      v.push_back(times(*layer.v.linear, layer.v.bias, x));
      for (std::size_t h = 0; h < c.num_attention_heads; ++h) rotate(c, &q[t][h * c.head_dim], t);
      for (std::size_t h = 0; h < c.num_key_value_heads; ++h) rotate(c, &k[t][h * c.head_dim], t);
    }
    for (std::size_t t = 0; t < hidden.size(); ++t) {
      std::vector<double> mixed(c.query_size(), 0.0);
      for (std::size_t h = 0; h < c.num_attention_heads; ++h) {
        const std::size_t shared = h / (c.num_attention_heads / c.num_key_value_heads);
        std::vector<double> weight(t + 1);
        double total = 0.0;
        for (std::size_t s = 0; s <= t; ++s) {
          double dot = 0.0;
          for (std::size_t d = 0; d < c.head_dim; ++d) dot += q[t][h * c.head_dim + d] * k[s][shared * c.head_dim + d];
          total += weight[s] = std::exp(dot / std::sqrt(static_cast<double>(c.head_dim)));
        }
        for (std::size_t s = 0; s <= t; ++s)
          for (std::size_t d = 0; d < c.head_dim; ++d)
            mixed[h * c.head_dim + d] += weight[s] / total * v[s][shared * c.head_dim + d];
      }
      const auto update = times(*layer.o.linear, layer.o.bias, mixed);
      for (std::size_t i = 0; i < update.size(); ++i) hidden[t][i] += update[i];
      const auto x = norm(hidden[t], layer.post_attention_norm, c.rms_norm_eps);
      auto gate = times(*layer.gate.linear, layer.gate.bias, x);
      const auto up = times(*layer.up.linear, layer.up.bias, x);
      for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1.0 + std::exp(-gate[i])) * up[i];
      const auto down = times(*layer.down.linear, layer.down.bias, gate);
      for (std::size_t i = 0; i < down.size(); ++i) hidden[t][i] += down[i];
    }
  }
  Rows logits;
  const model::FloatLinear tied(w.embedding);
  const model::Linear& head = w.head != nullptr ? *w.head : static_cast<const model::Linear&>(tied);
  for (const auto& row : hidden) logits.push_back(times(head, Vector(), norm(row, w.final_norm, c.rms_norm_eps)));
  return logits;
}

}  // namespace naive

inline double max_difference(const Matrix& got, const Rows& want) {
  double worst = 0.0;
  for (std::size_t t = 0; t < want.size(); ++t)
    for (std::size_t i = 0; i < want[t].size(); ++i)
      worst = std::max(worst,
                       std::abs(static_cast<double>(got(static_cast<Index>(t), static_cast<Index>(i))) - want[t][i]));
  return worst;
}

}  // namespace lowbit::test
