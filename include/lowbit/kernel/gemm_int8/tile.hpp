// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include "lowbit/kernel/panel/params.hpp"
#include "lowbit/kernel/panel/shape.hpp"
#include "lowbit/kernel/simd/indices.hpp"

/// The inner product of compute::int8: M tokens times R registers of rows, over the runs of a chunk. V is a set of byte
/// lanes (BytesAvx2, …). Activations are broadcast from memory, four columns at a time; bytes of weights are made in
/// registers and used for all M tokens; sums stay in registers for a run, floats for the chunk.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// What a tile needs to know of a quantizer.
template <class BlockCodes, std::size_t Table, int Most, PanelOffset Kind>
struct TileFormat {
  using Codes = BlockCodes;
  static constexpr std::size_t table = Table;
  static constexpr int most = Most;  ///< 127 or 255: the largest byte
  static constexpr PanelOffset kind = Kind;
};

struct TileArguments {
  static constexpr std::size_t most_registers = 4;
  const std::uint8_t* codes[most_registers];   ///< first block of the first run, per register of rows
  const float* scales[most_registers];         ///< panel_rows floats from run to run
  const std::int32_t* integers[most_registers];
  const float* reals[most_registers];
  const std::int8_t* x;
  std::size_t x_pitch;
  std::size_t run_stride;
  const std::int32_t* sums;                    ///< Int8View's
  std::size_t sums_pitch;
  std::size_t runs;
  std::size_t blocks, last_blocks;             ///< of a run, and of the last one
  float* f;                                    ///< tokens × registers · lanes
  std::size_t f_pitch;
  const std::uint8_t* table;                   ///< PanelTable's
  std::size_t ahead;                           ///< bytes from a block to what is fetched while it is multiplied
};

template <class V, std::size_t Table>
struct TileTable {
  LOWBIT_ALWAYS_INLINE explicit TileTable(const std::uint8_t*) noexcept {}
  LOWBIT_ALWAYS_INLINE typename V::Bytes operator()(typename V::Bytes codes) const noexcept { return codes; }
};
/// For blocks that look up by themselves.
template <class V, std::size_t Table>
  requires(Table > 64)
struct TileTable<V, Table> {
  const std::uint8_t* entries;
  LOWBIT_ALWAYS_INLINE explicit TileTable(const std::uint8_t* t) noexcept : entries(t) {}
};
template <class V>
struct TileTable<V, 16> : V::Table16 {
  using V::Table16::Table16;
};
template <class V>
struct TileTable<V, 64> : V::Table64 {
  using V::Table64::Table64;
};

/// A block of a register of rows, whose operands are asked for one after the other. Codes that cost more than a shift and a
/// table have a Block of their own, for what all operands share; Lane is the register's first row in the panel.
template <class V, class F, std::size_t Lane>
struct TileBlock {
  const std::uint8_t* block;
  const TileTable<V, F::table>& table;
  template <std::size_t J>
  LOWBIT_ALWAYS_INLINE typename V::Bytes operand() const noexcept {
    return table(F::Codes::template operand<V, J>(block));
  }
};
template <class V, class F, std::size_t Lane>
  requires requires { typename F::Codes::template Block<V, Lane>; }
struct TileBlock<V, F, Lane> : F::Codes::template Block<V, Lane> {
  using Block = typename F::Codes::template Block<V, Lane>;
  LOWBIT_ALWAYS_INLINE TileBlock(const std::uint8_t* block, const TileTable<V, F::table>& table) noexcept
    requires(F::table > 64)
      : Block(block, table.entries) {}
  LOWBIT_ALWAYS_INLINE TileBlock(const std::uint8_t* block, const TileTable<V, 0>&) noexcept
    requires(F::table == 0)
      : Block(block) {}
};

/// Sums of one run. U sets of them are added at the end of it: a token alone would wait for each product otherwise.
template <class V, class F, std::size_t M, std::size_t R, std::size_t U>
struct TileSums {
  using Table = TileTable<V, F::table>;
  typename V::Ints sum[U * M * R];

  static constexpr std::size_t at(std::size_t u, std::size_t m, std::size_t i) noexcept { return (u * M + m) * R + i; }

  /// Operands From, From + 1, … of a block; x at the column of operand From.
  template <std::size_t From, std::size_t Count>
  LOWBIT_ALWAYS_INLINE void operands(const Table& table, const std::uint8_t* const* from, const std::int8_t* x,
                                     std::size_t pitch) noexcept {
    [&]<std::size_t... I>(std::index_sequence<I...>) LOWBIT_INLINE_LAMBDA {
      constexpr std::size_t registers = panel_rows / V::rows;
      const std::tuple blocks{TileBlock<V, F, I % registers * V::rows>{from[I], table}...};
      for_each_index<Count>([&](auto k) LOWBIT_INLINE_LAMBDA {
        constexpr std::size_t j = From + k, u = j % U;
        const typename V::Bytes w[R] = {std::get<I>(blocks).template operand<j>()...};
        for_each_index<M>([&](auto m) LOWBIT_INLINE_LAMBDA {
          const typename V::Bytes a = V::broadcast4(x + m * pitch + 4 * k);
          for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA {
            sum[at(u, m, i)] = V::template dot<F::most>(sum[at(u, m, i)], w[i], a);
          });
        });
      });
    }(std::make_index_sequence<R>{});
  }
  LOWBIT_ALWAYS_INLINE void begin(const TileArguments& t, std::size_t run) noexcept {
    for_each_index<M>([&](auto m) LOWBIT_INLINE_LAMBDA {
      const typename V::Ints all =
          F::kind == PanelOffset::real ? V::set(0) : V::set(t.sums[m * t.sums_pitch + run]);
      for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA {
        if constexpr (F::kind == PanelOffset::integer)
          sum[at(0, m, i)] = V::multiply(V::load_ints(t.integers[i] + run * panel_rows), all);
        else
          sum[at(0, m, i)] = all;
        for_each_index<U - 1>([&](auto u) LOWBIT_INLINE_LAMBDA { sum[at(u + 1, m, i)] = V::set(0); });
      });
    });
  }
  LOWBIT_ALWAYS_INLINE void end(const TileArguments& t, std::size_t run, typename V::Floats* f) noexcept {
    for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA {
      const typename V::Floats scale = V::load_floats(t.scales[i] + run * panel_rows);
      for_each_index<M>([&](auto m) LOWBIT_INLINE_LAMBDA {
        for_each_index<U - 1>([&](auto u) LOWBIT_INLINE_LAMBDA {
          sum[at(0, m, i)] = V::add(sum[at(0, m, i)], sum[at(u + 1, m, i)]);
        });
        f[m * R + i] = V::fma(scale, V::to_float(sum[at(0, m, i)]), f[m * R + i]);
      });
      if constexpr (F::kind == PanelOffset::real) {
        const typename V::Floats real = V::load_floats(t.reals[i] + run * panel_rows);
        for_each_index<M>([&](auto m) LOWBIT_INLINE_LAMBDA {
          f[m * R + i] = V::fma(real, V::set_float(std::bit_cast<float>(t.sums[m * t.sums_pitch + run])), f[m * R + i]);
        });
      }
    });
  }
};

/// Split: blocks hold two runs. Ahead: what lies t.ahead bytes further is fetched; one panel alone is a stream that the
/// processor follows better by itself (Zen 4: 28 GB/s without, 23 with).
template <class V, class F, bool Split, bool Ahead, std::size_t M, std::size_t R, std::size_t U>
void multiply_tile(const TileArguments& t) noexcept {
  constexpr std::size_t operands = F::Codes::operands, block_bytes = F::Codes::words * word_bytes;
  const TileTable<V, F::table> table(t.table);
  typename V::Floats f[M * R];
  const std::uint8_t* block[R];
  for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA {
    block[i] = t.codes[i];
    for_each_index<M>([&](auto m) LOWBIT_INLINE_LAMBDA { f[m * R + i] = V::load_floats(t.f + m * t.f_pitch + i * V::rows); });
  });
  const auto ahead = [&]() LOWBIT_INLINE_LAMBDA {
    if constexpr (Ahead)
      for (std::size_t i = 0; i < R; i += panel_rows / V::rows)
        for (std::size_t k = 0; k < F::Codes::words; ++k) V::prefetch(block[i] + t.ahead + k * word_bytes);
  };
  const auto next = [&]() LOWBIT_INLINE_LAMBDA {
    for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA { block[i] += block_bytes; });
  };
  TileSums<V, F, M, R, U> sums;
  if constexpr (Split) {
    constexpr std::size_t half = operands / 2;
    for (std::size_t run = 0; run < t.runs; run += 2) {
      const std::int8_t* x = t.x + run * t.run_stride;
      ahead();
      sums.begin(t, run);
      sums.template operands<0, half>(table, block, x, t.x_pitch);
      sums.end(t, run, f);
      if (run + 1 < t.runs) {
        sums.begin(t, run + 1);
        sums.template operands<half, half>(table, block, x + t.run_stride, t.x_pitch);
        sums.end(t, run + 1, f);
      }
      next();
    }
  } else {
    for (std::size_t run = 0; run < t.runs; ++run) {
      const std::int8_t* x = t.x + run * t.run_stride;
      sums.begin(t, run);
      for (std::size_t b = run + 1 == t.runs ? t.last_blocks : t.blocks; b != 0; --b) {
        ahead();
        sums.template operands<0, operands>(table, block, x, t.x_pitch);
        next();
        x += F::Codes::columns;
      }
      sums.end(t, run, f);
    }
  }
  for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA {
    for_each_index<M>([&](auto m) LOWBIT_INLINE_LAMBDA { V::store_floats(t.f + m * t.f_pitch + i * V::rows, f[m * R + i]); });
  });
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
