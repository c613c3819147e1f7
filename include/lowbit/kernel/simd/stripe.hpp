// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "lowbit/kernel/dequantize/scalar.hpp"
#include "lowbit/pack/spread.hpp"
#include "lowbit/quantizer/uniform.hpp"

/// What the wide products share. V is a set of lanes (LanesAvx2, LanesAvx512).
///
/// A block is 8·lanes columns: lane j owns columns 8j … 8j + 7 of it, vector k holds column 8j + k of every lane j. A stripe
/// is up to 1024 columns. The sum of one row and one token is, in this order,
///
///   block    a = w₀·x₀, then a = fma(w_k, x_k, a) for k = 1 … 7, where w_k = code − zero_point
///   stripe   acc = fma(scale, a, acc) over the blocks; the lanes of acc are then added in pairs
///   row      y = the sum of the stripes' sums, from the left
///
/// so neither the number of tokens nor the cut of the rows changes a bit. Columns past the end meet x = 0. The last block
/// of the matrix is copied before it is read, so no byte outside the spans is touched.
///
/// Groups whose size is not a multiple of 8 (and not the whole row) split lanes: their weights come from the scalar
/// dequantize_tile, with scale 1 here.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

inline constexpr std::size_t stripe_columns = 1024;

template <class V>
inline constexpr std::size_t block_columns = 8 * V::count;

template <class V>
inline constexpr std::size_t stripe_blocks = stripe_columns / block_columns<V>;

/// Copies a stripe of x into blocks that lie `pitch` floats apart, zeros past the end. count ≤ stripe_columns.
template <class V>
void interleave_stripe(const float* x, std::size_t count, float* to, std::size_t pitch) noexcept {
  constexpr std::size_t block = block_columns<V>;
  std::size_t c = 0;
  for (; c + block <= count; c += block, to += pitch) V::interleave(x + c, to);
  if (c < count) {
    float last[block] = {};
    std::copy(x + c, x + count, last);
    V::interleave(last, to);
  }
}

/// Which group each lane of each block of a stripe belongs to; the same for all rows.
template <class V>
struct StripeGroups {
  std::size_t first = 0;     ///< the stripe's first group
  std::size_t count = 0;     ///< groups the stripe touches, at most stripe_columns / 8 + 1
  std::size_t begin[stripe_blocks<V>];                    ///< first group of a block, less `first`
  std::int32_t lane[stripe_blocks<V>][V::count];          ///< a lane's group, less begin

  void set(const Groups& groups, std::size_t column, std::size_t columns) noexcept {
    first = groups.of_column(column);
    const std::size_t last = groups.of_column(column + columns - 1);
    count = last - first + 1;
    std::size_t g = first, end = groups.end(g);
    for (std::size_t b = 0; b * block_columns<V> < columns; ++b)
      for (std::size_t j = 0; j < V::count; ++j) {
        const std::size_t c = column + b * block_columns<V> + 8 * j;
        if (c >= end && g < last) end = groups.end(++g);
        if (j == 0) begin[b] = g - first;
        lane[b][j] = static_cast<std::int32_t>(g - first - begin[b]);
      }
  }
};

/// The parameters of one row's groups in a stripe, widened. Room past the end for V::pick.
template <class V>
struct StripeParams {
  static constexpr std::size_t room = stripe_columns / 8 + 1 + 16;
  float scale[room];
  float zero_point[room];
};

template <class V, class Scale>
LOWBIT_ALWAYS_INLINE float widen_scale(Scale s) noexcept {
  if constexpr (std::is_same_v<Scale, f16>)
    return V::widen(s);
  else
    return static_cast<float>(s);
}

/// `count` integer zero points of a dense stream of B-bit codes, from code `first` on, as floats.
template <int B>
LOWBIT_ALWAYS_INLINE void widen_zero_points(std::span<const std::uint8_t> stream, std::size_t first, std::size_t count,
                                            float* to) noexcept {
  for (std::size_t g = 0; g < count; g += 8) {  // eight codes and up to seven bits before them fit 64 bits
    const std::size_t bit = (first + g) * static_cast<std::size_t>(B);
    const std::size_t rest = stream.size() - bit / 8;
    const std::uint64_t word = rest >= 8 ? pack::load_word(stream.data() + bit / 8, 8)
                                         : pack::load_word(stream.data() + bit / 8, rest);
    const std::uint64_t codes = pack::spread_to_bytes<B>(word >> (bit % 8));
    for (std::size_t i = 0; i < 8; ++i) to[g + i] = static_cast<float>((codes >> (8 * i)) & 0xff);
  }
}

template <class V, int B, UniformOptions O>
LOWBIT_ALWAYS_INLINE void load_params(const PackedView<Uniform<Int<B>, O>>& w, const Groups& groups, std::size_t r,
                                      const StripeGroups<V>& at, StripeParams<V>& to) noexcept {
  const auto* stored = w.params.data() + groups.index(r, at.first);
  if constexpr (O.zero_point == ZeroPoint::real) {
    for (std::size_t g = 0; g < at.count; ++g) {
      to.scale[g] = widen_scale<V>(stored[g].scale);
      to.zero_point[g] = widen_scale<V>(stored[g].zero);
    }
  } else {
    if constexpr (O.scale == ScaleStorage::f16)
      V::widen(stored, at.count, to.scale);
    else
      for (std::size_t g = 0; g < at.count; ++g) to.scale[g] = static_cast<float>(stored[g]);
    if constexpr (O.zero_point == ZeroPoint::integer)
      widen_zero_points<B>(w.zeros.subspan(groups.shared_by_rows() ? 0 : r * w.zero_row_bytes()), at.first, at.count,
                           to.zero_point);
  }
}

/// The codes of one row in one stripe. Where the last block ends past the last byte of the matrix, they are copied first.
template <class V, int B>
class StripeCodes {
 public:
  static constexpr std::size_t block_bytes = V::count * static_cast<std::size_t>(B);

  template <class Q>
  LOWBIT_ALWAYS_INLINE StripeCodes(const PackedView<Q>& w, std::size_t r, std::size_t column,
                                   std::size_t columns) noexcept
      : at_(w.codes.data() + r * w.row_bytes() + column / 8 * static_cast<std::size_t>(B)) {
    const auto rest = static_cast<std::size_t>(w.codes.data() + w.codes.size() - at_);
    const std::size_t wanted = ceil_div(columns, block_columns<V>) * block_bytes;
    if (rest < wanted) [[unlikely]] {
      std::memcpy(copy_, at_, rest);
      std::memset(copy_ + rest, 0, wanted - rest);
      at_ = copy_;
    }
  }
  StripeCodes(const StripeCodes&) = delete;
  StripeCodes& operator=(const StripeCodes&) = delete;

  LOWBIT_ALWAYS_INLINE typename V::Words words(std::size_t block) const noexcept {
    V::prefetch(at_ + block * block_bytes + prefetch_bytes);
    return V::template words<B>(at_ + block * block_bytes);
  }

 private:
  static constexpr std::size_t prefetch_bytes = 4096;  ///< the next page: hardware prefetchers stop at its edge
  const std::uint8_t* at_;
  std::uint8_t copy_[stripe_columns / 8 * static_cast<std::size_t>(B)];
};

/// code K − zero_point of every lane.
template <class V, int K, ZeroPoint Z, class Decoder>
LOWBIT_ALWAYS_INLINE typename V::Float weight(const Decoder& decoder, const typename V::Words& words,
                                              typename V::Float zero_point) noexcept {
  const auto offset = decoder.offset[Decoder::Places::index(K)];
  if constexpr (Z == ZeroPoint::real)
    return V::sub(V::sub(decoder.template code<K>(words), offset), zero_point);
  else  // offset + zero_point is an integer of at most 24 bits
    return V::sub(decoder.template code<K>(words), V::add(offset, zero_point));
}

/// visit(k, w_k) for the eight vectors of a block.
template <class V, ZeroPoint Z, class Decoder, class Visit>
LOWBIT_ALWAYS_INLINE void for_each_weight(const Decoder& decoder, const typename V::Words& words,
                                          typename V::Float zero_point, Visit&& visit) noexcept {
  [&]<int... K>(std::integer_sequence<int, K...>) __attribute__((always_inline)) {
    (visit(std::integral_constant<int, K>{}, weight<V, K, Z>(decoder, words, zero_point)), ...);
  }(std::make_integer_sequence<int, 8>{});
}

template <class V, int B, UniformOptions O>
LOWBIT_ALWAYS_INLINE typename V::Float block_zero_point(const StripeGroups<V>& at, const StripeParams<V>& params,
                                                        std::size_t block) noexcept {
  if constexpr (O.zero_point == ZeroPoint::none)
    return V::broadcast(Uniform<Int<B>, O>::symmetric_zero);
  else
    return V::pick(params.zero_point + at.begin[block], at.lane[block]);
}

inline bool lanes_hold_one_group(const Groups& groups) noexcept {
  return groups.size() % 8 == 0 || groups.per_row_count() <= 1;
}

/// The weights of one row in a stripe, as vectors in memory.
template <class V>
struct StripeWeights {
  alignas(64) float w[stripe_columns];
  alignas(64) float scale[stripe_columns / 8];  ///< one vector per block
};

/// By the scalar definition, for groups that split lanes.
template <class V, int B, UniformOptions O>
void unpack_split_stripe(const PackedView<Uniform<Int<B>, O>>& w, std::size_t r, std::size_t column, std::size_t columns,
                         StripeWeights<V>& to) noexcept {
  using Q = Uniform<Int<B>, O>;
  float natural[stripe_columns];
  for (std::size_t c = 0; c < columns; c += tile_columns<Q>)
    dequantize_tile(w, r, column + c, std::min(tile_columns<Q>, columns - c), natural + c);
  interleave_stripe<V>(natural, columns, to.w, block_columns<V>);
  std::fill(to.scale, to.scale + stripe_columns / 8, 1.0f);
}

template <class V, int B, UniformOptions O>
void unpack_stripe(const PackedView<Uniform<Int<B>, O>>& w, const Groups& groups, std::size_t r, std::size_t column,
                   std::size_t columns, const StripeGroups<V>& at, StripeWeights<V>& to) noexcept {
  StripeParams<V> params;
  load_params<V>(w, groups, r, at, params);
  const StripeCodes<V, B> codes(w, r, column, columns);
  const typename V::template Decoder<B> decoder;
  for (std::size_t b = 0; b * block_columns<V> < columns; ++b) {
    V::store(to.scale + b * V::count, V::pick(params.scale + at.begin[b], at.lane[b]));
    float* block = to.w + b * block_columns<V>;
    for_each_weight<V, O.zero_point>(decoder, codes.words(b), block_zero_point<V, B, O>(at, params, b),
                                        [&](auto k, typename V::Float wk) { V::store(block + k * V::count, wk); });
  }
}

/// The sum of one stripe of one row, weights unpacked in registers.
template <class V, int B, UniformOptions O>
LOWBIT_ALWAYS_INLINE float dot_stripe(const typename V::template Decoder<B>& decoder, const StripeCodes<V, B>& codes,
                                      std::size_t columns, const StripeGroups<V>& at, const StripeParams<V>& params,
                                      const float* x) noexcept {
  auto acc = V::broadcast(0.0f);
  for (std::size_t b = 0; b * block_columns<V> < columns; ++b) {
    const float* xb = x + b * block_columns<V>;
    typename V::Float a;
    for_each_weight<V, O.zero_point>(decoder, codes.words(b), block_zero_point<V, B, O>(at, params, b),
                                        [&](auto k, typename V::Float wk) {
                                          const auto xk = V::load(xb + k * V::count);
                                          if constexpr (k == 0)
                                            a = V::mul(wk, xk);
                                          else
                                            a = V::fma(wk, xk, a);
                                        });
    acc = V::fma(V::pick(params.scale + at.begin[b], at.lane[b]), a, acc);
  }
  return V::sum(acc);
}

/// The sums of R rows and T tokens over one stripe, weights in memory; the bits of dot_stripe.
/// x: interleaved stripes, block b of token t at b·pitch + t·block_columns; put(row, token, sum) takes the results.
template <class V, std::size_t R, std::size_t T, class Put>
LOWBIT_ALWAYS_INLINE void multiply_stripe(const StripeWeights<V>* w, std::size_t columns, const float* x,
                                          std::size_t pitch, Put&& put) noexcept {
  using Float = typename V::Float;
  Float acc[R][T];
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t t = 0; t < T; ++t) acc[r][t] = V::broadcast(0.0f);
  for (std::size_t b = 0; b * block_columns<V> < columns; ++b) {
    Float a[R][T];
    const float* xb = x + b * pitch;
    const std::size_t wb = b * block_columns<V>;
    const auto step = [&](std::size_t k, auto first) __attribute__((always_inline)) {
      Float xk[T];
      for (std::size_t t = 0; t < T; ++t) xk[t] = V::load_once(xb + t * block_columns<V> + k * V::count);
      for (std::size_t r = 0; r < R; ++r) {
        const Float wk = V::load_once(w[r].w + wb + k * V::count);
        for (std::size_t t = 0; t < T; ++t) a[r][t] = first ? V::mul(wk, xk[t]) : V::fma(wk, xk[t], a[r][t]);
      }
    };
    step(0, std::true_type{});
    for (std::size_t k = 1; k < 8; ++k) step(k, std::false_type{});
    for (std::size_t r = 0; r < R; ++r) {
      const Float scale = V::load(w[r].scale + b * V::count);
      for (std::size_t t = 0; t < T; ++t) acc[r][t] = V::fma(scale, a[r][t], acc[r][t]);
    }
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t t = 0; t < T; ++t) put(r, t, V::sum(acc[r][t]));
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
