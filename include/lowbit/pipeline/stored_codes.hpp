// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/io/checkpoint/code_matrix.hpp"
#include "lowbit/io/checkpoint/fp4.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/pipeline/stored_matrix.hpp"

/// Uniformly quantized matrices between this library's stored parts and io::CodeMatrix, code by code: nothing is rounded.
///
/// A code matrix keeps columns in natural order and says which group each is in; stored parts keep groups consecutive and
/// say which column each stored one is. Types follow storage_name(): int2 … int8, _sym or _asym, _f16, _bf16 or _f32.
///
/// Four-bit floats likewise: types nvfp4 and mxfp4, whose scales are bytes; nvfp4's shared part is the factor of all weights.

namespace lowbit::pipeline {

/// A packed matrix as a file holds it.
struct StoredMatrix {
  StoredShape shape;
  std::vector<StoredPart> parts;
};

namespace detail {

struct UniformName {
  unsigned bits;
  bool asymmetric;
  io::Dtype scale;
};

/// Nothing for other types.
inline std::optional<UniformName> parse_uniform_name(std::string_view name) {
  if (name.size() < 5 || !name.starts_with("int") || name[3] < '2' || name[3] > '8') return std::nullopt;
  const auto bits = static_cast<unsigned>(name[3] - '0');
  name.remove_prefix(4);
  for (const auto& [zero, asymmetric] : {std::pair<std::string_view, bool>{"_sym_", false}, {"_asym_", true}}) {
    if (!name.starts_with(zero)) continue;
    const std::string_view scale = name.substr(zero.size());
    if (scale == "f16") return UniformName{bits, asymmetric, io::Dtype::F16};
    if (scale == "bf16") return UniformName{bits, asymmetric, io::Dtype::BF16};
    if (scale == "f32") return UniformName{bits, asymmetric, io::Dtype::F32};
  }
  return std::nullopt;
}

inline std::string uniform_name(const io::CodeMatrix& m) {
  return "int" + std::to_string(m.bits) + (m.zeros.empty() ? "_sym" : "_asym") +
         (m.scale_dtype == io::Dtype::F16 ? "_f16" : m.scale_dtype == io::Dtype::BF16 ? "_bf16" : "_f32");
}

/// Calls f.template operator()<Bits>() for a width known at run time.
template <class F>
decltype(auto) with_bits(unsigned bits, F f) {
  switch (bits) {
    case 2: return f.template operator()<2>();
    case 3: return f.template operator()<3>();
    case 4: return f.template operator()<4>();
    case 5: return f.template operator()<5>();
    case 6: return f.template operator()<6>();
    case 7: return f.template operator()<7>();
    default: LOWBIT_EXPECTS(bits == 8, "codes have 2 to 8 bits"); return f.template operator()<8>();
  }
}

/// Bytes of a stored row of codes: whole blocks of the dense layout.
inline std::size_t code_row_bytes(unsigned bits, std::size_t cols) {
  return with_bits(bits, [&]<int Bits>() { return pack::row_bytes<pack::Dense<Bits>>(cols); });
}
inline void pack_codes(unsigned bits, std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) {
  with_bits(bits, [&]<int Bits>() { pack::pack_row<pack::Dense<Bits>>(codes, bytes); });
}
inline void unpack_codes(unsigned bits, std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) {
  with_bits(bits, [&]<int Bits>() { pack::unpack_row<pack::Dense<Bits>>(bytes, codes); });
}

/// The stored order of columns whose groups are scattered: by group, then by column. Errors: unsupported when the groups are
/// not as full as consecutive ones.
inline Result<std::vector<std::uint32_t>> stored_order(const io::CodeMatrix& m) {
  std::vector<std::uint32_t> order(m.cols);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return m.g_idx[a] < m.g_idx[b]; });
  for (std::size_t k = 0; k < m.cols; ++k)
    if (m.g_idx[order[k]] != k / m.group_size)
      return Error{.code = Errc::unsupported,
                   .message = "group " + std::to_string(std::min<std::size_t>(m.g_idx[order[k]], k / m.group_size)) +
                              " does not hold " + std::to_string(m.group_size) +
                              " columns: only equal groups (the last may be short) can be stored"};
  return order;
}

}  // namespace detail

/// Errors: unsupported for scattered groups of unequal sizes.
inline Result<StoredMatrix> to_stored(const io::CodeMatrix& m) {
  StoredMatrix out;
  out.shape = {.type = detail::uniform_name(m),
               .rows = m.rows,
               .cols = m.cols,
               .group_size = m.per_tensor ? per_tensor : m.group_size == io::whole_row ? per_row : m.group_size};
  std::vector<std::uint32_t> order;
  if (!m.g_idx.empty()) {
    LOWBIT_TRY(found, detail::stored_order(m));
    order = std::move(found);
  }
  const std::size_t row_bytes = detail::code_row_bytes(m.bits, m.cols), groups = m.groups();
  std::vector<std::uint8_t> codes(m.rows * row_bytes), gathered(m.cols);
  for (std::size_t r = 0; r < m.rows; ++r) {
    for (std::size_t k = 0; k < m.cols; ++k) gathered[k] = m.codes[r * m.cols + (order.empty() ? k : order[k])];
    detail::pack_codes(m.bits, gathered, std::span(codes).subspan(r * row_bytes, row_bytes));
  }
  out.parts.push_back({".codes", io::Dtype::U8, {m.rows, row_bytes}, std::move(codes)});
  const std::vector<std::uint64_t> scale_shape =
      m.per_tensor ? std::vector<std::uint64_t>{m.scale_rows()} : std::vector<std::uint64_t>{m.rows, groups};
  out.parts.push_back({".scales", m.scale_dtype, scale_shape, m.scales});
  if (!m.zeros.empty()) {
    const std::size_t per = m.per_tensor ? 1 : groups, bytes_per = m.per_tensor ? 1 : (groups * m.bits + 7) / 8;
    std::vector<std::uint8_t> zeros(m.scale_rows() * bytes_per), block(detail::code_row_bytes(m.bits, per));
    for (std::size_t r = 0; r < m.scale_rows(); ++r) {
      detail::pack_codes(m.bits, std::span(m.zeros).subspan(r * per, per), block);
      std::copy_n(block.begin(), bytes_per, zeros.begin() + static_cast<std::ptrdiff_t>(r * bytes_per));
    }
    const std::vector<std::uint64_t> shape =
        m.per_tensor ? std::vector<std::uint64_t>{m.scale_rows()} : std::vector<std::uint64_t>{m.rows, bytes_per};
    out.parts.push_back({".zeros", io::Dtype::U8, shape, std::move(zeros)});
  }
  if (!order.empty())
    out.parts.push_back({".column_order", io::Dtype::U32, {m.cols}, detail::bytes_of(std::span<const std::uint32_t>(order))});
  return out;
}

/// nvfp4's factor is 1 / global_scale rounded to float, unless the file stored the reciprocal itself.
/// Errors: unsupported for negative scales, which the stored type has not.
inline Result<StoredMatrix> to_stored(const io::Fp4Matrix& m) {
  const bool nv = m.kind == io::Fp4Kind::nvfp4;
  StoredMatrix out;
  out.shape = {.type = nv ? "nvfp4" : "mxfp4", .rows = m.rows, .cols = m.cols, .group_size = m.group_size()};
  if (nv)
    for (std::size_t i = 0; i < m.scales.size(); ++i)
      if (m.scales[i] > 0x7f)
        return Error{.code = Errc::unsupported, .message = "a group scale is negative", .row = i / m.groups(), .column = i % m.groups()};
  const std::size_t row_bytes = detail::code_row_bytes(4, m.cols);
  std::vector<std::uint8_t> codes(m.rows * row_bytes);
  for (std::size_t r = 0; r < m.rows; ++r)
    detail::pack_codes(4, std::span(m.codes).subspan(r * m.cols, m.cols), std::span(codes).subspan(r * row_bytes, row_bytes));
  out.parts.push_back({".codes", io::Dtype::U8, {m.rows, row_bytes}, std::move(codes)});
  out.parts.push_back({".scales", io::Dtype::U8, {m.rows, m.groups()}, m.scales});
  if (nv) {
    std::vector<std::uint8_t> shared;
    if (!m.scales.empty()) io::detail::append_le(shared, m.multiplies ? m.global_scale : 1.0f / m.global_scale);
    out.parts.push_back({".shared", io::Dtype::F32, {shared.size() / 4}, std::move(shared)});
  }
  return out;
}

/// Errors: unsupported (rows that are no whole groups), missing, malformed, shape_mismatch, not_finite; they name the part.
inline Result<io::Fp4Matrix> fp4_from_stored(const io::SafetensorsSet& file, const std::string& name, const StoredShape& shape) {
  io::Fp4Matrix m{.kind = shape.type == "nvfp4" ? io::Fp4Kind::nvfp4 : io::Fp4Kind::mxfp4, .rows = shape.rows, .cols = shape.cols,
                  .multiplies = true};
  if (shape.group_size != m.group_size())
    return Error{.code = Errc::malformed, .message = "the type has groups of " + std::to_string(m.group_size()), .tensor = name};
  const std::size_t row_bytes = detail::code_row_bytes(4, m.cols);
  const auto part = [&](const char* suffix, io::Dtype dtype,
                        const std::vector<std::uint64_t>& expected) -> Result<std::span<const std::uint8_t>> {
    const io::TensorView* tensor = file.find(name + suffix);
    LOWBIT_CHECK(io::detail::check_tensor(tensor, name + suffix, {dtype}, expected.size()));
    LOWBIT_CHECK(io::detail::check_shape(*tensor, expected, "the stored shape"));
    return tensor->bytes;
  };
  LOWBIT_TRY(codes, part(".codes", io::Dtype::U8, {m.rows, row_bytes}));
  LOWBIT_TRY(scales, part(".scales", io::Dtype::U8, {m.rows, m.groups()}));
  if (m.kind == io::Fp4Kind::nvfp4 && !scales.empty()) {
    LOWBIT_TRY(shared, part(".shared", io::Dtype::F32, {1}));
    m.global_scale = io::detail::load_le<float>(shared.data());
    if (!std::isfinite(m.global_scale) || m.global_scale <= 0.0f)
      return Error{.code = Errc::not_finite, .message = "the factor must be positive and finite", .tensor = name + ".shared"};
  }
  m.scales.assign(scales.begin(), scales.end());
  for (std::size_t i = 0; i < m.scales.size(); ++i)
    if (m.kind == io::Fp4Kind::nvfp4 ? (m.scales[i] & 0x7f) == 0x7f : m.scales[i] == 255)
      return Error{.code = Errc::not_finite, .message = "a scale is NaN (column is the group)", .tensor = name + ".scales",
                   .row = i / m.groups(), .column = i % m.groups()};
  m.codes.resize(m.rows * m.cols);
  for (std::size_t r = 0; r < m.rows; ++r)
    detail::unpack_codes(4, codes.subspan(r * row_bytes, row_bytes), std::span(m.codes).subspan(r * m.cols, m.cols));
  return m;
}

/// A stored matrix of a uniform type. Every size is compared with what the shape implies before anything is allocated.
/// Errors: unsupported (another type), missing, malformed, shape_mismatch, not_finite; they name the part.
inline Result<io::CodeMatrix> from_stored(const io::SafetensorsSet& file, const std::string& name, const StoredShape& shape) {
  const auto uniform = detail::parse_uniform_name(shape.type);
  if (!uniform) return Error{.code = Errc::unsupported, .message = "'" + shape.type + "' has no integer codes with scales", .tensor = name};
  const auto part = [&](const char* suffix, io::Dtype dtype,
                        const std::vector<std::uint64_t>& expected) -> Result<std::span<const std::uint8_t>> {
    const io::TensorView* tensor = file.find(name + suffix);
    LOWBIT_CHECK(io::detail::check_tensor(tensor, name + suffix, {dtype}, expected.size()));
    LOWBIT_CHECK(io::detail::check_shape(*tensor, expected, "the stored shape"));
    return tensor->bytes;
  };
  io::CodeMatrix m{.rows = shape.rows, .cols = shape.cols, .bits = uniform->bits};
  m.per_tensor = shape.group_size == per_tensor;
  m.group_size = shape.group_size == per_row || m.per_tensor ? io::whole_row : shape.group_size;
  m.scale_dtype = uniform->scale;
  const std::size_t row_bytes = detail::code_row_bytes(m.bits, m.cols), groups = m.groups();
  LOWBIT_TRY(codes, part(".codes", io::Dtype::U8, {m.rows, row_bytes}));
  LOWBIT_TRY(scales, part(".scales", m.scale_dtype,
                          m.per_tensor ? std::vector<std::uint64_t>{m.scale_rows()} : std::vector<std::uint64_t>{m.rows, groups}));
  std::vector<std::uint32_t> order;
  if (file.find(name + ".column_order") != nullptr) {
    LOWBIT_TRY(bytes, part(".column_order", io::Dtype::U32, {m.cols}));
    order.resize(m.cols);
    if (!bytes.empty()) std::memcpy(order.data(), bytes.data(), bytes.size());
    std::vector<bool> seen(m.cols, false);
    for (std::size_t k = 0; k < m.cols; ++k) {
      if (order[k] >= m.cols || seen[order[k]])
        return Error{.code = Errc::malformed, .message = "is no permutation of the columns", .tensor = name + ".column_order", .column = k};
      seen[order[k]] = true;
    }
  }
  m.codes.resize(m.rows * m.cols);
  std::vector<std::uint8_t> gathered(m.cols);
  for (std::size_t r = 0; r < m.rows; ++r) {
    detail::unpack_codes(m.bits, codes.subspan(r * row_bytes, row_bytes), gathered);
    for (std::size_t k = 0; k < m.cols; ++k) m.codes[r * m.cols + (order.empty() ? k : order[k])] = gathered[k];
  }
  if (!order.empty() && m.group_size != io::whole_row) {
    m.g_idx.resize(m.cols);
    for (std::size_t k = 0; k < m.cols; ++k) m.g_idx[order[k]] = static_cast<std::uint32_t>(k / m.group_size);
    io::detail::drop_contiguous_g_idx(m);
  }
  m.scales.assign(scales.begin(), scales.end());
  LOWBIT_CHECK(io::detail::check_scales(m, name + ".scales"));
  if (uniform->asymmetric) {
    const std::size_t per = m.per_tensor ? 1 : groups, bytes_per = m.per_tensor ? 1 : (groups * m.bits + 7) / 8;
    LOWBIT_TRY(zeros, part(".zeros", io::Dtype::U8,
                           m.per_tensor ? std::vector<std::uint64_t>{m.scale_rows()} : std::vector<std::uint64_t>{m.rows, bytes_per}));
    m.zeros.resize(m.scale_rows() * per);
    std::vector<std::uint8_t> block(detail::code_row_bytes(m.bits, per));
    for (std::size_t r = 0; r < m.scale_rows(); ++r) {
      std::copy_n(zeros.begin() + static_cast<std::ptrdiff_t>(r * bytes_per), bytes_per, block.begin());
      detail::unpack_codes(m.bits, block, std::span(m.zeros).subspan(r * per, per));
    }
  }
  return m;
}

}  // namespace lowbit::pipeline
