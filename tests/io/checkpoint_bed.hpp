// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/io/checkpoint/code_matrix.hpp"

/// Random code matrices, and a second way to read packed codes: one bit at a time, straight from the tables of the formats.

namespace lowbit::test {

struct MatrixPlan {
  std::size_t rows, cols;
  unsigned bits;
  std::size_t group_size = 32;
  bool symmetric = false, scattered = false;
  io::Dtype scale_dtype = io::Dtype::F16;
};

/// Every code, both extremes among them; zero points 0 and 2^b − 1 appear wherever there is room.
inline io::CodeMatrix random_codes(const MatrixPlan& plan, std::uint64_t seed) {
  Rng rng(seed);
  io::CodeMatrix m{.rows = plan.rows, .cols = plan.cols, .bits = plan.bits, .group_size = plan.group_size};
  m.scale_dtype = plan.scale_dtype;
  const std::uint64_t cardinality = 1u << plan.bits;
  for (std::size_t i = 0; i < m.rows * m.cols; ++i) m.codes.push_back(static_cast<std::uint8_t>(rng.below(cardinality)));
  for (std::size_t i = 0; i < m.rows * m.groups(); ++i) {
    const float scale = static_cast<float>(1 + rng.below(1000)) / 1024.0f;
    if (m.scale_dtype == io::Dtype::F32)
      io::detail::append_le(m.scales, scale);
    else
      io::detail::append_le(m.scales, m.scale_dtype == io::Dtype::F16 ? f16::encode(scale) : bf16::encode(scale));
    if (!plan.symmetric) m.zeros.push_back(static_cast<std::uint8_t>(i == 0 ? 0 : i == 1 ? cardinality - 1 : rng.below(cardinality)));
  }
  if (plan.scattered) {
    for (std::size_t c = 0; c < m.cols; ++c) m.g_idx.push_back(static_cast<std::uint32_t>(c / m.group_size));
    for (std::size_t c = m.cols; c > 1; --c) std::swap(m.g_idx[c - 1], m.g_idx[rng.below(c)]);
  }
  return m;
}

/// The tensors of a module, as views.
class Module {
 public:
  explicit Module(std::vector<io::OwnedTensor> tensors) : tensors_(std::move(tensors)) { refresh(); }
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  const io::TensorView* find(const std::string& suffix) const {
    for (const io::TensorView& view : views_)
      if (view.name == "m" + suffix) return &view;
    return nullptr;
  }
  /// May be damaged by tests; call refresh() after changing more than single bytes.
  io::OwnedTensor& owned(const std::string& suffix) {
    for (io::OwnedTensor& t : tensors_)
      if (t.suffix == suffix) return t;
    throw std::runtime_error("no tensor " + suffix);
  }
  void refresh() {
    views_.clear();
    for (const io::OwnedTensor& t : tensors_) views_.push_back({"m" + t.suffix, t.dtype, t.shape, t.bytes});
  }
  std::vector<io::OwnedTensor>& all() { return tensors_; }

 private:
  std::vector<io::OwnedTensor> tensors_;
  std::vector<io::TensorView> views_;
};

namespace naive {

/// Bit `bit` of the 32-bit word at [row][col] of a tensor with `width` words per row.
inline unsigned word_bit(std::span<const std::uint8_t> bytes, std::size_t width, std::size_t row, std::size_t col, std::size_t bit) {
  return (bytes[4 * (row * width + col) + bit / 8] >> (bit % 8)) & 1u;
}
/// Code i of the dense stream that runs down column `col`.
inline unsigned down(std::span<const std::uint8_t> bytes, std::size_t width, std::size_t col, unsigned bits, std::size_t i) {
  unsigned code = 0;
  for (unsigned b = 0; b < bits; ++b) code |= word_bit(bytes, width, (i * bits + b) / 32, col, (i * bits + b) % 32) << b;
  return code;
}
/// Code i of the dense stream that runs along row `row`.
inline unsigned along(std::span<const std::uint8_t> bytes, std::size_t width, std::size_t row, unsigned bits, std::size_t i) {
  unsigned code = 0;
  for (unsigned b = 0; b < bits; ++b) code |= word_bit(bytes, width, row, (i * bits + b) / 32, (i * bits + b) % 32) << b;
  return code;
}

inline float half(std::span<const std::uint8_t> bytes, std::size_t i) {
  return f16::decode(static_cast<std::uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8));
}

}  // namespace naive

/// W[r][c] of a matrix that was read, for comparison with a naive decoder's.
template <class Naive>
bool same_weights(const io::CodeMatrix& m, Naive naive_weight) {
  for (std::size_t r = 0; r < m.rows; ++r)
    for (std::size_t c = 0; c < m.cols; ++c)
      if (m.weight(r, c) != naive_weight(r, c)) return false;
  return true;
}

}  // namespace lowbit::test
