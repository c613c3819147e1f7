// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/dtype.hpp"

namespace lowbit::io {

/// A named tensor of a safetensors file: row-major, dense, and borrowed from the file that holds it.
///
/// `bytes` need not be aligned for its dtype: read it through to_floats() or memcpy. A shape of {} is a scalar; a
/// dimension of 0 means no bytes. The name is whatever the file said: neither a path nor fit for a terminal.
struct TensorView {
  std::string name;
  Dtype dtype = Dtype::F32;
  std::vector<std::uint64_t> shape;
  std::span<const std::uint8_t> bytes;

  /// Number of elements. Cannot wrap for a tensor that came from a file: its bytes were counted.
  std::uint64_t element_count() const noexcept {
    std::uint64_t count = 1;
    for (const std::uint64_t extent : shape) count *= extent;
    return count;
  }
};

namespace detail {

/// Bytes of a dense tensor. The product of the non-zero extents must not wrap even where a zero makes the tensor empty.
inline Result<std::uint64_t> tensor_bytes(Dtype dtype, std::span<const std::uint64_t> shape) {
  std::uint64_t product = 1;
  bool empty = false;
  for (const std::uint64_t extent : shape) {
    if (extent == 0) {
      empty = true;
      continue;
    }
    const auto wider = checked_mul(product, extent);
    if (!wider) return Error{.code = Errc::out_of_bounds, .message = "the product of the shape passes 2^64"};
    product = *wider;
  }
  const auto bit_count = checked_mul(product, bits(dtype));
  if (!bit_count) return Error{.code = Errc::out_of_bounds, .message = "the tensor's bits pass 2^64"};
  if (empty) return std::uint64_t{0};
  if (*bit_count % 8 != 0)
    return Error{.code = Errc::malformed,
                 .message = std::to_string(product) + " elements of " + std::string(name(dtype)) +
                            " do not fill whole bytes"};
  return *bit_count / 8;
}

/// Binary search in tensors sorted by name.
template <class Tensor>
const Tensor* find_by_name(std::span<const Tensor> sorted, std::string_view wanted) noexcept {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), wanted,
                                   [](const Tensor& tensor, std::string_view key) { return tensor.name < key; });
  return at == sorted.end() || at->name != wanted ? nullptr : &*at;
}

}  // namespace detail

}  // namespace lowbit::io
