// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/attention.hpp"
#include "lowbit/model/config.hpp"
#include "lowbit/model/linear.hpp"
#include "lowbit/model/norm.hpp"
#include "lowbit/model/projection.hpp"
#include "lowbit/model/rope.hpp"

namespace lowbit::model {

/// A projection's place in a layer.
struct Slot {
  std::unique_ptr<Linear> linear;
  Vector bias;  ///< [out], or empty
};

/// The weights of one decoder layer.
struct DecoderLayer {
  Vector input_norm;           ///< [hidden]
  Vector post_attention_norm;  ///< [hidden]
  Slot q, k, v, o, gate, up, down;

  Slot& operator[](Projection projection) {
    Slot* const slots[] = {&q, &k, &v, &o, &gate, &up, &down};
    return *slots[static_cast<std::size_t>(projection)];
  }
  const Slot& operator[](Projection projection) const { return const_cast<DecoderLayer&>(*this)[projection]; }
};

/// Checks that every slot is filled and every shape fits the configuration.
/// Errors   missing, shape_mismatch; both name the module.
inline Result<> check_layer(const LlamaConfig& config, const DecoderLayer& layer, std::size_t index) {
  const auto hidden = static_cast<Index>(config.hidden_size);
  if (layer.input_norm.size() != hidden || layer.post_attention_norm.size() != hidden)
    return Error{.code = Errc::shape_mismatch,
                 .message = "the norms of a layer have hidden_size elements",
                 .tensor = layer_prefix(index) + "input_layernorm"};
  for (const Projection p : projections) {
    const Slot& slot = layer[p];
    if (slot.linear == nullptr)
      return Error{.code = Errc::missing, .message = "a projection has no weights", .tensor = hf_name(index, p)};
    const ProjectionShape shape = shape_of(config, p);
    if (slot.linear->rows() != shape.rows || slot.linear->cols() != shape.cols)
      return Error{.code = Errc::shape_mismatch,
                   .message = "the weights are " + std::to_string(slot.linear->rows()) + " x " +
                              std::to_string(slot.linear->cols()) + ", the configuration asks for " +
                              std::to_string(shape.rows) + " x " + std::to_string(shape.cols),
                   .tensor = hf_name(index, p)};
    if (slot.bias.size() != 0 && slot.bias.size() != static_cast<Index>(shape.rows))
      return Error{.code = Errc::shape_mismatch,
                   .message = "a bias has one element per row of its weights",
                   .tensor = hf_name(index, p) + ".bias"};
  }
  return {};
}

/// What a caller may see and change while a layer runs.
struct LayerHooks {
  /// Called before each projection with its inputs [tokens × in], in the order of `projections`; q, k and v are called
  /// in turn with the same matrix, as are gate and up.
  std::function<void(Projection, ConstMatrixRef)> before{};
  /// Return after the calls for this site, leaving the hidden state as it was: enough to collect statistics.
  std::optional<Site> stop_after{};
};

/// Keys and values of the tokens that a sequence has seen, for one layer: two [positions × kv_heads · head_dim].
struct LayerCache {
  Matrix keys, values;
};

/// One sequence's share of a call: consecutive rows of the hidden state, and where its former keys and values lie.
struct SequenceSlice {
  Index begin = 0;  ///< first row
  Index count = 0;  ///< rows
  Index first = 0;  ///< position of the first row
  LayerCache* cache =
      nullptr;  ///< rows first … first + count − 1 are written; null when first is 0 and nobody asks later
};

/// The sequences of a batch of windows of `length` tokens each, all starting at position 0.
inline std::vector<SequenceSlice> windows_of(Index tokens, Index length) {
  LOWBIT_EXPECTS(length >= 1 && tokens % length == 0, "a batch holds whole windows");
  std::vector<SequenceSlice> slices;
  for (Index begin = 0; begin < tokens; begin += length) slices.push_back({.begin = begin, .count = length});
  return slices;
}

namespace detail {

inline void add_bias(const Vector& bias, MatrixRef Y) {
  if (bias.size() == 0) return;
  for (Index t = 0; t < Y.rows(); ++t)
    map_lanes(&Y(t, 0), bias.data(), &Y(t, 0), static_cast<std::size_t>(bias.size()),
              [](const Lanes& y, const Lanes& b) -> Lanes { return y + b; });
}

/// Runs task(first row, rows) over fixed blocks of 64 rows.
template <class Task>
void over_rows(Index rows, Executor& executor, Task task) {
  constexpr Index block = 64;
  executor.run(static_cast<std::size_t>((rows + block - 1) / block), [&](std::size_t i) {
    const Index first = static_cast<Index>(i) * block;
    task(first, std::min(block, rows - first));
  });
}

/// A layer in the middle of its work: [tokens × …] scratch that its steps pass on.
class LayerRun {
 public:
  LayerRun(const LlamaConfig& config, const DecoderLayer& layer, const RopeTable& rope, const LayerHooks& hooks,
           Executor& executor)
      : config_(config), layer_(layer), rope_(rope), hooks_(hooks), executor_(executor) {}

  void operator()(MatrixRef hidden, std::span<const SequenceSlice> sequences) {
    const Matrix normed = rms_norm(hidden, layer_.input_norm, config_.rms_norm_eps, executor_);
    Matrix query = project(Projection::q, normed);
    Matrix key = project(Projection::k, normed);
    Matrix value = project(Projection::v, normed);
    if (hooks_.stop_after == Site::attention_input) return;
    rotate(query, sequences);
    rotate(key, sequences);
    Matrix mixed(query.rows(), query.cols());
    attend(query, key, value, sequences, mixed);
    Matrix update = project(Projection::o, mixed);
    if (hooks_.stop_after == Site::attention_output) return;

    Matrix after = hidden + update;
    const Matrix renormed = rms_norm(after, layer_.post_attention_norm, config_.rms_norm_eps, executor_);
    Matrix gate = project(Projection::gate, renormed);
    const Matrix up = project(Projection::up, renormed);
    if (hooks_.stop_after == Site::mlp_input) return;
    over_rows(gate.rows(), executor_, [&](Index first, Index rows) {
      for (Index t = first; t < first + rows; ++t)
        map_lanes(&gate(t, 0), &up(t, 0), &gate(t, 0), config_.intermediate_size,
                  [](const Lanes& g, const Lanes& u) -> Lanes { return g / (1.0f + (-g).exp()) * u; });
    });
    const Matrix down = project(Projection::down, gate);
    if (hooks_.stop_after == Site::mlp_hidden) return;
    hidden = after + down;
  }

 private:
  /// The projection's output; empty when the run stops at its site, where nobody reads it.
  Matrix project(Projection projection, const Matrix& X) {
    if (hooks_.before) hooks_.before(projection, X);
    if (hooks_.stop_after == site_of(projection)) return {};
    const Slot& slot = layer_[projection];
    Matrix Y(X.rows(), static_cast<Index>(slot.linear->rows()));
    slot.linear->apply(X, Y, executor_);
    add_bias(slot.bias, Y);
    return Y;
  }

  void rotate(Matrix& heads, std::span<const SequenceSlice> sequences) {
    const auto head_dim = static_cast<Index>(config_.head_dim);
    executor_.run(sequences.size(), [&](std::size_t i) {
      const SequenceSlice& s = sequences[i];
      for (Index t = 0; t < s.count; ++t)
        for (Index h = 0; h < heads.cols(); h += head_dim)
          rope_.rotate(&heads(s.begin + t, h), static_cast<std::size_t>(s.first + t));
    });
  }

  void attend(const Matrix& query, const Matrix& key, const Matrix& value, std::span<const SequenceSlice> sequences,
              Matrix& mixed) {
    std::vector<Sequence> views;
    for (const SequenceSlice& s : sequences) {
      Sequence view{.begin = s.begin, .count = s.count, .first = s.first};
      if (s.cache != nullptr) {
        s.cache->keys.middleRows(s.first, s.count) = key.middleRows(s.begin, s.count);
        s.cache->values.middleRows(s.first, s.count) = value.middleRows(s.begin, s.count);
        view.keys = s.cache->keys.data();
        view.values = s.cache->values.data();
      } else {
        view.keys = key.data() + s.begin * key.cols();
        view.values = value.data() + s.begin * value.cols();
      }
      views.push_back(view);
    }
    model::attend(config_, query, views, mixed, executor_);
  }

  const LlamaConfig& config_;
  const DecoderLayer& layer_;
  const RopeTable& rope_;
  const LayerHooks& hooks_;
  Executor& executor_;
};

}  // namespace detail

/// Runs one decoder layer over a batch of hidden states, in place.
///
///   hidden     [tokens × hidden_size]
///   sequences  cut the rows of `hidden`; rope holds all their positions
///   hooks      may replace a slot's `linear` in the layer before it is used
///
/// A sequence's result has the same bits for any number of threads and whatever other sequences run beside it (as long
/// as the batch has two tokens or more; see Linear::apply).
/// Memory: about tokens · (3 · hidden + 2 · query + 2 · kv + 2 · intermediate) floats of scratch.
inline void run_layer(const LlamaConfig& config, const DecoderLayer& layer, const RopeTable& rope, MatrixRef hidden,
                      std::span<const SequenceSlice> sequences, Executor& executor, const LayerHooks& hooks = {}) {
  LOWBIT_EXPECTS(hidden.cols() == static_cast<Index>(config.hidden_size), "hidden states have hidden_size features");
  for (const SequenceSlice& s : sequences)
    LOWBIT_EXPECTS(s.begin >= 0 && s.count >= 1 && s.begin + s.count <= hidden.rows() &&
                       static_cast<std::size_t>(s.first + s.count) <= rope.positions() &&
                       (s.cache != nullptr || s.first == 0),
                   "a sequence lies inside the batch, its positions inside the rotary table");
  detail::LayerRun(config, layer, rope, hooks, executor)(hidden, sequences);
}

/// The same over windows of `length` tokens each.
inline void run_layer(const LlamaConfig& config, const DecoderLayer& layer, const RopeTable& rope, MatrixRef hidden,
                      std::size_t length, Executor& executor, const LayerHooks& hooks = {}) {
  run_layer(config, layer, rope, hidden, windows_of(hidden.rows(), static_cast<Index>(length)), executor, hooks);
}

}  // namespace lowbit::model
