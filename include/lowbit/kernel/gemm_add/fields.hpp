// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"

/// Fields of compute::add: the weights of a few columns of a row, without their scale, as an index into the sums that such
/// weights make of the activations. An index has `bits` bits; a word of 32 bits holds `per_word` of them, the first lowest.
/// `parts` sums with a scale of their own come from one index. weight(index, part, column) is −1, 0 or 1.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Three trits, as the magnitude of 9·t₀ + 3·t₁ + t₂ (0 … 13) and above it the sign: −v is looked up as v.
struct TritFields {
  static constexpr std::size_t bits = 5, columns = 3, parts = 1, digits = 3;
  static constexpr std::size_t per_word = 6, entries = 32;
  static constexpr bool negated_half = true;  ///< entries 16 … 31 are those of 0 … 15 with the other sign
  static constexpr unsigned zero = 1;         ///< the digit of padding

  static constexpr int weight(unsigned index, std::size_t, std::size_t column) noexcept {
    int v = static_cast<int>(index % 16), t = 0;
    for (std::size_t c = 3; c-- > column;) {
      t = (v + 1) % 3 - 1;
      v = (v - t) / 3;
    }
    return t * (index < 16 ? 1 : -1);
  }
  /// Of three codes 0, 1, 2.
  static constexpr unsigned index(const std::uint8_t* digit) noexcept {
    const int v = 9 * digit[0] + 3 * digit[1] + digit[2] - 13;
    return static_cast<unsigned>(v < 0 ? 16 - v : v);
  }
};

/// Four signs, bit c of the index set where column c is positive.
struct SignFields {
  static constexpr std::size_t bits = 4, columns = 4, parts = 1, digits = 4;
  static constexpr std::size_t per_word = 8, entries = 16;
  static constexpr bool negated_half = false;
  static constexpr unsigned zero = 0;

  static constexpr int weight(unsigned index, std::size_t, std::size_t column) noexcept {
    return (index >> column & 1u) != 0 ? 1 : -1;
  }
  static constexpr unsigned index(const std::uint8_t* digit) noexcept {
    return digit[0] | digit[1] * 2u | digit[2] * 4u | digit[3] * 8u;
  }
};

/// Two of the units 1, i, −1, −i; columns are real and imaginary parts in turn, part 0 sums the real ones and part 1 the
/// imaginary ones.
struct PhaseFields {
  static constexpr std::size_t bits = 4, columns = 4, parts = 2, digits = 2;
  static constexpr std::size_t per_word = 8, entries = 16;
  static constexpr bool negated_half = false;
  static constexpr unsigned zero = 0;

  static constexpr int weight(unsigned index, std::size_t part, std::size_t column) noexcept {
    const unsigned phase = index >> (2 * (column / 2)) & 3u;
    return column % 2 != part || phase % 2 != part ? 0 : phase < 2 ? 1 : -1;
  }
  static constexpr unsigned index(const std::uint8_t* digit) noexcept { return digit[0] | digit[1] * 4u; }
};

/// Sixteen entries at a time.
using EntryBits = std::uint32_t __attribute__((vector_size(64)));
using EntrySums = float __attribute__((vector_size(64)));

/// What turns an activation's bits into what entries 0 … 15 add of it: (bits ^ sign) & keep, 0 where the weight is.
template <class F>
struct EntryMasks {
  std::array<std::array<std::array<std::uint32_t, 16>, F::columns>, F::parts> keep{}, sign{};
};
template <class F>
alignas(64) inline constexpr EntryMasks<F> entry_masks = [] {
  EntryMasks<F> all;
  for (std::size_t p = 0; p < F::parts; ++p)
    for (std::size_t c = 0; c < F::columns; ++c)
      for (unsigned i = 0; i < 16; ++i) {
        const int weight = F::weight(i, p, c);
        all.keep[p][c][i] = weight == 0 ? 0u : 0xffffffffu;
        all.sign[p][c][i] = weight < 0 ? 0x80000000u : 0u;
      }
  return all;
}();

/// The sums of one field: F::parts tables of F::entries floats, of F::columns activations added in their order. A weight of
/// 0 adds 0, whatever its activation is.
template <class F>
LOWBIT_ALWAYS_INLINE void sum_field(const float* x, float* to) noexcept {
  constexpr const EntryMasks<F>& masks = entry_masks<F>;
  for (std::size_t p = 0; p < F::parts; ++p, to += F::entries) {
    EntrySums sum{};
    for (std::size_t c = 0; c < F::columns; ++c) {
      EntryBits keep, sign;
      std::memcpy(&keep, masks.keep[p][c].data(), sizeof keep);
      std::memcpy(&sign, masks.sign[p][c].data(), sizeof sign);
      const EntryBits bits = (sign ^ std::bit_cast<std::uint32_t>(x[c])) & keep;
      EntrySums add;
      std::memcpy(&add, &bits, sizeof add);
      sum = c == 0 ? add : sum + add;
    }
    std::memcpy(to, &sum, sizeof sum);
    if constexpr (F::negated_half) {
      sum = -sum;
      std::memcpy(to + 16, &sum, sizeof sum);
    }
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
