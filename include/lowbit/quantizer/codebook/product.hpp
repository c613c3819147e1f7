// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/quantizer/codebook/kmeans.hpp"
#include "lowbit/quantizer/codebook/point_table.hpp"

namespace lowbit::codebook {

enum class ChunkMetric : std::uint8_t {
  euclidean,  ///< chunks as they are
  cosine,     ///< chunks and points scaled to length 1: the largest cosine wins, and decoding gives unit chunks
};

/// How weights, one per vector and coordinate, enter.
enum class ChunkWeights : std::uint8_t {
  each,    ///< each coordinate's own
  summed,  ///< one per chunk, the sum over its coordinates: the search is then by plain distance
};

/// A product of codebooks: a vector is cut into chunks of equal width, and each chunk has a codebook of its own.
///
/// Four published quantizers are this one:
///   product quantization, and ReVQ's channel groups (arXiv:2507.10547): chunks are groups of channels, dead points reseeded
///   Coupled Quantization CQ-<c>c<b>b (arXiv:2405.03917): c coupled channels of a key or value to a chunk, 2^b points, keys
///     before their rotary embedding; weights are the squared gradients of the loss, ChunkWeights::summed. b / c bits a channel
///   UniTok's multi-codebook quantization (arXiv:2502.20321): ChunkMetric::cosine
/// Training with gradients through the quantizer is not part of it: the points are those of k-means.
///
/// Bits per vector: chunks · log2(points). Memory: points · dim floats, twice.
class ProductCodebook {
 public:
  /// points: floats of all codebooks, [chunks × points × width].
  ProductCodebook(std::size_t dim, std::size_t chunks, std::span<const float> points,
                  ChunkMetric metric = ChunkMetric::euclidean)
      : dim_(dim), metric_(metric) {
    LOWBIT_EXPECTS(chunks >= 1 && dim >= chunks && dim % chunks == 0, "chunks of equal width cut a vector");
    LOWBIT_EXPECTS(!points.empty() && points.size() % dim == 0, "every chunk has as many points");
    const std::size_t each = points.size() / chunks;
    tables_.reserve(chunks);
    std::vector<float> own;
    for (std::size_t m = 0; m < chunks; ++m) {
      own.assign(points.begin() + static_cast<std::ptrdiff_t>(m * each),
                 points.begin() + static_cast<std::ptrdiff_t>((m + 1) * each));
      if (metric == ChunkMetric::cosine)
        for (std::size_t k = 0; k < own.size(); k += width(chunks))
          detail::to_unit_length(std::span(own).subspan(k, width(chunks)));
      tables_.emplace_back(own, width(chunks));
    }
  }

  std::size_t dim() const noexcept { return dim_; }
  std::size_t chunks() const noexcept { return tables_.size(); }
  std::size_t points() const noexcept { return tables_[0].size(); }  ///< per chunk
  std::size_t width() const noexcept { return width(tables_.size()); }
  ChunkMetric metric() const noexcept { return metric_; }
  const PointTable& chunk(std::size_t m) const noexcept { return tables_[m]; }
  double bits() const noexcept { return static_cast<double>(chunks()) * std::log2(static_cast<double>(points())); }

  /// x [dim] to one index per chunk. A chunk of zeros has no direction: under cosine it gets index 0.
  void encode(std::span<const float> x, std::span<std::uint32_t> codes) const {
    LOWBIT_EXPECTS(x.size() == dim_ && codes.size() == chunks(), "a vector has dim floats and a code per chunk");
    std::vector<float> unit(width());
    for (std::size_t m = 0; m < chunks(); ++m) {
      const float* from = x.data() + m * width();
      if (metric_ == ChunkMetric::cosine) {
        std::copy_n(from, width(), unit.begin());
        detail::to_unit_length(unit);
        from = unit.data();
        if (std::all_of(unit.begin(), unit.end(), [](float v) { return v == 0.0f; })) {
          codes[m] = 0;
          continue;
        }
      }
      codes[m] = static_cast<std::uint32_t>(tables_[m].nearest(from));
    }
  }
  void decode(std::span<const std::uint32_t> codes, std::span<float> y) const {
    LOWBIT_EXPECTS(y.size() == dim_ && codes.size() == chunks(), "a vector has dim floats and a code per chunk");
    for (std::size_t m = 0; m < chunks(); ++m) {
      LOWBIT_EXPECTS(codes[m] < points(), "a code names a point");
      const auto p = tables_[m].point(codes[m]);
      std::copy(p.begin(), p.end(), y.begin() + static_cast<std::ptrdiff_t>(m * width()));
    }
  }

 private:
  std::size_t width(std::size_t chunks) const noexcept { return dim_ / chunks; }

  std::size_t dim_;
  ChunkMetric metric_;
  std::vector<PointTable> tables_;
};

struct ProductFit {
  ProductCodebook codebook;
  std::vector<KMeansResult> chunks;  ///< of every chunk's k-means
};

/// Learns a product codebook by one k-means per chunk.
///
///   vectors  n × dim floats
///   weights  empty or n × dim non-negative floats
///   points   per chunk
///
/// Chunk m starts from seed options.seed + m. Under cosine, chunks are scaled to length 1 first and the points stay there.
/// Cost: that of k-means on n vectors of dim / chunks coordinates, times the chunks.
inline ProductFit fit_product(std::span<const float> vectors, std::size_t dim, std::size_t chunks, std::size_t points,
                              KMeansOptions options = {}, ChunkMetric metric = ChunkMetric::euclidean,
                              std::span<const float> weights = {}, ChunkWeights rule = ChunkWeights::each) {
  LOWBIT_EXPECTS(chunks >= 1 && dim >= chunks && dim % chunks == 0, "chunks of equal width cut a vector");
  LOWBIT_EXPECTS(points >= 1 && vectors.size() % dim == 0, "vectors hold dim floats each, and codebooks a point");
  LOWBIT_EXPECTS(weights.empty() || weights.size() == vectors.size(), "weights are one per vector and coordinate");
  const std::size_t n = vectors.size() / dim, width = dim / chunks;
  options.unit_points = metric == ChunkMetric::cosine;
  std::vector<float> learned(points * dim), part(n * width), own;
  std::vector<KMeansResult> results;
  const std::uint64_t seed = options.seed;
  for (std::size_t m = 0; m < chunks; ++m) {
    own.assign(weights.empty() ? 0 : rule == ChunkWeights::each ? n * width : n, 0.0f);
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t i = 0; i < width; ++i) {
        const std::size_t at = j * dim + m * width + i;
        part[j * width + i] = vectors[at];
        if (weights.empty()) continue;
        if (rule == ChunkWeights::each)
          own[j * width + i] = weights[at];
        else
          own[j] += weights[at];
      }
    if (metric == ChunkMetric::cosine)
      for (std::size_t j = 0; j < n; ++j) detail::to_unit_length(std::span(part).subspan(j * width, width));
    options.seed = seed + m;
    results.push_back(
        kmeans(part, width, own, std::span(learned).subspan(m * points * width, points * width), options));
  }
  return {ProductCodebook(dim, chunks, learned, metric), std::move(results)};
}

}  // namespace lowbit::codebook
