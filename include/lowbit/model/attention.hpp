// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/product.hpp"
#include "lowbit/model/config.hpp"
#include "lowbit/model/lanes.hpp"

namespace lowbit::model {

/// Some consecutive tokens of one sequence, and the keys and values they may see. Query i of the sequence stands at
/// position first + i and sees keys 0 … first + i.
struct Sequence {
  Index begin = 0;              ///< row of the sequence's first query in Q and in the output
  Index count = 0;              ///< its queries
  Index first = 0;              ///< position of the first query
  const float* keys = nullptr;  ///< [first + count × kv_heads · head_dim], rotated; rows are contiguous
  const float* values = nullptr;
};

namespace detail {

/// Turns the first `visible` scores of a row into probabilities and the rest into zeros.
inline void softmax_row(float* row, Index visible, Index all) {
  const auto n = static_cast<std::size_t>(visible);
  const float largest = max_of(row, n);
  map_lanes(row, row, row, n, [largest](const Lanes& x, const Lanes&) -> Lanes { return (x - largest).exp(); });
  const float sum = sum_lanes<Lanes>(row, n, 0.0f, [](const Lanes& x) { return x; });
  const float scale = 1.0f / sum;
  map_lanes(row, row, row, n, [scale](const Lanes& x, const Lanes&) -> Lanes { return x * scale; });
  std::fill(row + visible, row + all, 0.0f);
}

}  // namespace detail

/// Causal attention with grouped keys and values: head h reads key-value head h · kv_heads / heads.
///
///   Q    [tokens × heads · head_dim]  rotated queries
///   out  [tokens × heads · head_dim]
///
/// One task per sequence and head, in blocks of 64 queries; the bits of a sequence's output depend on its count and
/// first position, not on the other sequences.
/// Cost   4 · heads · head_dim · (pairs of query and visible key) flops; scratch per task: [64 × keys].
inline void attend(const LlamaConfig& config, ConstMatrixRef Q, std::span<const Sequence> sequences, MatrixRef out,
                   Executor& executor) {
  const auto head_dim = static_cast<Index>(config.head_dim);
  const auto heads = static_cast<Index>(config.num_attention_heads);
  const auto kv_heads = static_cast<Index>(config.num_key_value_heads);
  const Index kv_size = kv_heads * head_dim;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
  executor.run(sequences.size() * static_cast<std::size_t>(heads), [&](std::size_t task) {
    using Strided = Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>;
    const Sequence& s = sequences[task / static_cast<std::size_t>(heads)];
    const Index h = static_cast<Index>(task % static_cast<std::size_t>(heads));
    const Index kv_offset = h * kv_heads / heads * head_dim;
    constexpr Index block = 64;
    Matrix scores(std::min(block, s.count), s.first + s.count);
    Matrix mixed(scores.rows(), head_dim);
    for (Index q = 0; q < s.count; q += block) {
      const Index rows = std::min(block, s.count - q), keys = s.first + q + rows;
      const Strided K(s.keys + kv_offset, keys, head_dim, Eigen::OuterStride<>(kv_size));
      const Strided V(s.values + kv_offset, keys, head_dim, Eigen::OuterStride<>(kv_size));
      auto S = scores.topLeftCorner(rows, keys);
      S = linalg::product_in_float(scale * Q.block(s.begin + q, h * head_dim, rows, head_dim), K.transpose());
      for (Index i = 0; i < rows; ++i) detail::softmax_row(&scores(i, 0), s.first + q + i + 1, keys);
      mixed.topRows(rows) = linalg::product_in_float(S, V);
      out.block(s.begin + q, h * head_dim, rows, head_dim) = mixed.topRows(rows);
    }
  });
}

}  // namespace lowbit::model
