// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/kernel/panel/storage.hpp"
#include "lowbit/quantizer/declared.hpp"

/// Codebooks of at most 256 vectors in panels, learned ones among them.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Codes of one byte for Dim columns: blocks of 16 rows, as many words as make whole blocks of unpacked bytes. Byte 4r + k
/// of word i is the code of columns Dim·(4i + k) … of row r. Coordinate j of four vectors is looked up in a table of 256
/// bytes of its own.
template <std::size_t Dim>
struct PanelVectors {
  static constexpr std::size_t decoded = 16;
  static constexpr std::size_t words = Dim % 4 == 0 ? 1 : Dim % 2 == 0 ? 2 : 4, columns = 4 * Dim * words;
  static constexpr std::size_t operands = Dim * words;

  static void put(std::uint8_t* block, std::size_t row, std::size_t column, unsigned code) noexcept {
    block[place(row, column)] = static_cast<std::uint8_t>(code);
  }
  static unsigned get(const std::uint8_t* block, std::size_t row, std::size_t column) noexcept {
    return block[place(row, column)];
  }
  template <class V, std::size_t Lane>
  struct Block {
    const std::uint8_t* codes;
    const std::uint8_t* entries;
    LOWBIT_ALWAYS_INLINE Block(const std::uint8_t* block, const std::uint8_t* table) noexcept
        : codes(block), entries(table) {}
    template <std::size_t J>
    LOWBIT_ALWAYS_INLINE typename V::Bytes operand() const noexcept {
      return typename V::Table256(entries + 256 * (J % Dim))(V::load(codes + J / Dim * word_bytes));
    }
  };

 private:
  static std::size_t place(std::size_t row, std::size_t column) noexcept {
    return column / (4 * Dim) * word_bytes + 4 * row + column / Dim % 4;
  }
};

/// Points as bytes with offset 128: multiples of the largest power of two of which all are multiples up to 127, or else of
/// 127ths of the largest magnitude, to nearest, ties away from zero. Points that are not finite become 0, and the step NaN.
template <std::size_t Dim>
struct VectorTable {
  alignas(64) std::uint8_t bytes[Dim][256];
  float step = 1.0f;

  /// points: `count` vectors of Dim.
  VectorTable(const float* points, std::size_t count) noexcept {
    float most = 0.0f;
    bool finite = true;
    for (std::size_t i = 0; i < count * Dim; ++i) {
      finite = finite && std::isfinite(points[i]);
      most = std::max(most, std::fabs(points[i]));
    }
    if (most > 0.0f && finite) {
      step = most / 127.0f;
      int exponent;
      std::frexp(most, &exponent);  // most < 2^exponent
      for (int k = 0; k <= 7; ++k)
        if (multiples(points, count * Dim, std::ldexp(1.0f, exponent - k))) {
          step = std::ldexp(1.0f, exponent - k);
          break;
        }
    }
    for (std::size_t c = 0; c < 256; ++c)
      for (std::size_t j = 0; j < Dim; ++j)
        bytes[j][c] = static_cast<std::uint8_t>(128 + (c < count && finite ? multiple(points[c * Dim + j], step) : 0));
    if (!finite) step = NAN;
  }

 private:
  static int multiple(float point, float step) noexcept {
    return static_cast<int>(std::round(static_cast<double>(point) / static_cast<double>(step)));
  }
  static bool multiples(const float* points, std::size_t n, float unit) noexcept {
    if (!(unit >= 0x1p-120f)) return false;
    for (std::size_t i = 0; i < n; ++i) {
      const float m = points[i] / unit;
      if (!(std::fabs(m) <= 127.0f) || m != std::round(m)) return false;
    }
    return true;
  }
};

/// What those quantizers have in common.
template <class Q>
struct VectorLevels {
  static constexpr PanelOffset kind = PanelOffset::constant;
  static constexpr bool exact = false;
  static constexpr float step = 1.0f;
  static constexpr int offset = 128;
  LOWBIT_ALWAYS_INLINE static float scale(const typename Q::params_type& p) noexcept { return p.scale; }
};
template <class Q>
struct VectorStorage {
  static constexpr std::size_t dim = Q::format_type::dim;
  using Codes = PanelVectors<dim>;
  static constexpr bool stores_levels = false;
  static constexpr std::size_t table = 256 * dim;
  static constexpr int most = 255;
};
template <std::size_t Dim>
struct VectorPanelTable : VectorTable<Dim> {
  using VectorTable<Dim>::VectorTable;
  const std::uint8_t* data() const noexcept { return this->bytes[0]; }
  unsigned byte(unsigned code, std::size_t column) const noexcept { return this->bytes[column % Dim][code]; }
};

template <std::size_t Dim, class Scale, std::size_t G>
  requires(Dim >= 2 && Dim <= 16)
struct PanelLevels<VectorCodebook<Dim, 8, CodebookTables::one, Scale, G>>
    : VectorLevels<VectorCodebook<Dim, 8, CodebookTables::one, Scale, G>> {};
template <std::size_t Dim, class Scale, std::size_t G>
struct PanelStorage<VectorCodebook<Dim, 8, CodebookTables::one, Scale, G>>
    : VectorStorage<VectorCodebook<Dim, 8, CodebookTables::one, Scale, G>> {};
template <std::size_t Dim, class Scale, std::size_t G>
struct PanelTable<VectorCodebook<Dim, 8, CodebookTables::one, Scale, G>> : VectorPanelTable<Dim> {
  explicit PanelTable(std::span<const float> shared) noexcept
      : VectorPanelTable<Dim>(shared.data(), shared.empty() ? 0 : 256) {}
};

/// Fixed codebooks of vectors, decoded when a product begins.
template <class F>
concept ByteVectors = UnitScaled<F> && F::cardinality <= 256 && F::dim >= 2 && F::dim <= 16;

template <ByteVectors F, class Scale, std::size_t G, class Layout>
struct PanelLevels<VectorScaled<F, Scale, G, Layout>> : VectorLevels<VectorScaled<F, Scale, G, Layout>> {};
template <ByteVectors F, class Scale, std::size_t G, class Layout>
struct PanelStorage<VectorScaled<F, Scale, G, Layout>> : VectorStorage<VectorScaled<F, Scale, G, Layout>> {};
template <ByteVectors F, class Scale, std::size_t G, class Layout>
struct PanelTable<VectorScaled<F, Scale, G, Layout>> : VectorPanelTable<F::dim> {
  explicit PanelTable(std::span<const float>) noexcept : VectorPanelTable<F::dim>(all().data(), F::cardinality) {}

 private:
  static std::array<float, F::cardinality * F::dim> all() noexcept {
    std::array<float, F::cardinality * F::dim> points;
    for (std::size_t c = 0; c < F::cardinality; ++c)
      F{}.decode(static_cast<typename F::code_type>(c), std::span<float, F::dim>(points.data() + c * F::dim, F::dim));
    return points;
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
