// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "lowbit/kernel/gemm_add/scalar.hpp"
#include "lowbit/kernel/panel/params.hpp"
#include "lowbit/kernel/simd/indices.hpp"

/// compute::add by look-ups in registers: a field's table is loaded once for 64 rows, and one permutation gives the sums of
/// a register of rows. V is a set of lanes (SumsAvx2, …).

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// A plane of a run, all 64 rows: f = fma(scale, Σ table[index], f).
template <class V, class F>
void add_plane(const std::uint8_t* words, std::size_t count, const float* tables, const float* scales, float* f) noexcept {
  constexpr std::size_t R = 4;  // registers at a time
  using Table = typename V::template Table<F>;
  for (std::size_t row = 0; row < add_rows; row += R * V::rows) {
    typename V::Floats sum[F::parts * R];
    for_each_index<F::parts * R>([&](auto i) LOWBIT_INLINE_LAMBDA { sum[i] = V::zero(); });
    const std::uint8_t* from = words + 4 * row;
    const float* table = tables;
    for (std::size_t n = count; n != 0; --n, from += 4 * add_rows, table += F::per_word * F::parts * F::entries) {
      typename V::Words word[R];
      for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA { word[i] = V::load(from + 4 * V::rows * i); });
      for_each_index<F::per_word>([&](auto k) LOWBIT_INLINE_LAMBDA {
        for_each_index<F::parts>([&](auto part) LOWBIT_INLINE_LAMBDA {
          const Table sums(table + (k * F::parts + part) * F::entries);
          for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA {
            sum[part * R + i] = V::add(sum[part * R + i], sums.template look_up<k * F::bits>(word[i]));
          });
        });
      });
    }
    for_each_index<F::parts>([&](auto part) LOWBIT_INLINE_LAMBDA {
      for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA {
        const std::size_t at = row + i * V::rows;
        V::store_floats(f + at, V::fma(V::load_floats(scales + part * add_rows + at), sum[part * R + i], V::load_floats(f + at)));
      });
    });
  }
}

/// Panels without their quantizer.
struct AddSource {
  const std::uint8_t* bytes;
  std::size_t rows, panel_bytes, planes, scale_bytes;
  void (*widen)(const std::uint8_t* from, std::size_t count, float* to) noexcept;
};

template <AddQuantizer Q>
AddSource add_source(const AddPanelView<Q>& w) noexcept {
  using Levels = AddLevels<Q>;
  const AddPlaces<Q> places = w.places();
  return {.bytes = w.bytes.data(), .rows = w.rows, .panel_bytes = places.panel_bytes(), .planes = Levels::planes,
          .scale_bytes = places.scale_bytes,
          .widen = [](const std::uint8_t* from, std::size_t count, float* to) noexcept {
            using Scale = typename Levels::Scale;
            for (std::size_t i = 0; i < count; i += panel_rows)
              kernel::widen(from + i * sizeof(Scale), to + i, std::type_identity<Scale>{});
          }};
}

template <class V, class F>
void gemm_by_sums(const AddSource& w, RowRange rows, const AddView<F>& x, float* y) noexcept {
  constexpr std::size_t at_once = 16;
  alignas(64) float f[at_once * add_rows], scales[add_rows * F::parts];
  const AddShape& shape = x.shape;
  const std::size_t runs = shape.runs(), pitch = shape.pitch();
  for (std::size_t first = 0; first < x.tokens; first += at_once) {
    const std::size_t tokens = std::min(at_once, x.tokens - first);
    for (std::size_t row = rows.begin / add_rows * add_rows; row < rows.end; row += add_rows) {
      std::fill_n(f, tokens * add_rows, 0.0f);
      const std::uint8_t* at = w.bytes + row / add_rows * w.panel_bytes;
      const float* sums = x.sums.data() + first * pitch;
      for (std::size_t run = 0; run < runs; ++run, sums += shape.run_floats()) {
        const std::size_t words = run + 1 == runs ? shape.words_of_run(run) : shape.run_words();
        for (std::size_t plane = 0; plane < w.planes; ++plane) {
          w.widen(at, add_rows * F::parts, scales);
          at += w.scale_bytes;
          for (std::size_t t = 0; t < tokens; ++t) add_plane<V, F>(at, words, sums + t * pitch, scales, f + t * add_rows);
          at += words * 4 * add_rows;
        }
      }
      const std::size_t low = std::max(row, rows.begin), high = std::min(row + add_rows, rows.end);
      for (std::size_t t = 0; t < tokens; ++t)
        std::copy(f + t * add_rows + low - row, f + t * add_rows + high - row, y + (first + t) * w.rows + low);
    }
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
