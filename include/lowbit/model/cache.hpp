// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

#include "lowbit/model/config.hpp"
#include "lowbit/model/layer.hpp"
#include "lowbit/model/rope.hpp"

namespace lowbit::model {

/// Keys and values of one growing sequence, in float.
/// Memory: capacity · (2 · layers · kv_heads · head_dim + head_dim) floats, taken at once.
class KvCache {
 public:
  KvCache(const LlamaConfig& config, std::size_t capacity)
      : rope_(config, capacity), layers_(config.num_hidden_layers) {
    const auto rows = static_cast<Index>(capacity), cols = static_cast<Index>(config.key_value_size());
    for (LayerCache& layer : layers_) layer = {Matrix(rows, cols), Matrix(rows, cols)};
  }

  std::size_t length() const noexcept { return length_; }
  std::size_t capacity() const noexcept { return rope_.positions(); }
  /// Forgets all tokens from position `length` on.
  void truncate(std::size_t length) noexcept { length_ = std::min(length_, length); }

 private:
  friend class Llama;
  RopeTable rope_;
  std::vector<LayerCache> layers_;
  std::size_t length_ = 0;
};

}  // namespace lowbit::model
