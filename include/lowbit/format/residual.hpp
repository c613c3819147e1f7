// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <ratio>
#include <span>
#include <string_view>
#include <type_traits>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/encode_all.hpp"

namespace lowbit {

/// Sums of two codebooks: point = a + b / scale, a ∈ A, b ∈ B of the same dimension. Nests for more.
///
///   Scale       a std::ratio: what the residual x − a is multiplied by before B encodes it
///   Candidates  how many points of A are tried. The first is A's nearest to x; number k is A's nearest to
///               x + (k/2)·(x − a), past those walls of a's cell that x is closest to. The best sum stays, the earlier
///               of equals, so more candidates never err more
///
/// Code: A's in the low bits, B's above. A's codes fill their bits, so that every code below cardinality is one.
/// Encoding is not to a nearest sum (`nearest` is false), and a sum decoded and encoded again may become another one
/// nearby, where points of B reach out of the cells of A.
/// Cost: Candidates encodings each of A and B.
/// Source: additive (residual) quantization; of lattice codebooks for weights: QuIP#, arXiv:2402.04396, section 4.3.
template <Format A, Format B, class Scale, int Candidates = 1>
struct Residual {
 private:
  static constexpr auto text = [] {
    std::array<char, A::name.size() + 1 + B::name.size()> joined{};
    joined[A::name.size()] = '_';
    std::copy(A::name.begin(), A::name.end(), joined.begin());
    std::copy(B::name.begin(), B::name.end(), joined.end() - static_cast<std::ptrdiff_t>(B::name.size()));
    return joined;
  }();

 public:
  static_assert(A::dim == B::dim, "Residual adds points of the same dimension.");
  static_assert(Candidates >= 1, "Residual tries at least the nearest point of A.");
  static_assert(std::has_single_bit(A::cardinality), "Residual needs a first codebook of 2^k points.");
  static constexpr int low_bits = std::bit_width(A::cardinality - 1), high_bits = std::bit_width(B::cardinality - 1);
  static_assert(low_bits + high_bits <= 64, "The code of a sum takes at most 64 bits.");

  static constexpr std::size_t dim = A::dim;
  /// The product of both; the largest number for 2^64.
  static constexpr std::size_t cardinality = low_bits + high_bits == 64 ? ~std::size_t{0} : B::cardinality << low_bits;
  using code_type = std::conditional_t<
      (low_bits + high_bits <= 16), std::conditional_t<(low_bits + high_bits <= 8), std::uint8_t, std::uint16_t>,
      std::conditional_t<(low_bits + high_bits <= 32), std::uint32_t, std::uint64_t>>;
  static constexpr bool nearest = false;
  static constexpr float scale = static_cast<float>(static_cast<double>(Scale::num) / static_cast<double>(Scale::den));
  static constexpr std::string_view name{text.data(), text.size()};

  code_type encode(std::span<const float, dim> x) const noexcept {
    code_type code;
    some(x, std::span<code_type>(&code, 1));
    return code;
  }
  LOWBIT_ALWAYS_INLINE void decode(code_type code, std::span<float, dim> y) const noexcept {
    float b[dim];
    A{}.decode(static_cast<typename A::code_type>(code & low_mask), y);
    B{}.decode(static_cast<typename B::code_type>(code >> low_bits), std::span<float, dim>(b));
    for (std::size_t i = 0; i < dim; ++i) y[i] += b[i] * inverse;
  }
  /// encode of codes.size() vectors one after the other; the same codes.
  void encode_batch(std::span<const float> x, std::span<code_type> codes) const noexcept {
    for (std::size_t c = 0; c < codes.size(); c += chunk) {
      const std::size_t count = std::min(chunk, codes.size() - c);
      some(x.subspan(c * dim, count * dim), codes.subspan(c, count));
    }
  }

 private:
  static constexpr float inverse = 1.0f / scale;
  static constexpr code_type low_mask = static_cast<code_type>((code_type{1} << (low_bits - 1)) * 2 - 1);
  static constexpr std::size_t chunk = 64;

  /// At most `chunk` vectors.
  void some(std::span<const float> x, std::span<code_type> codes) const noexcept {
    const std::size_t n = codes.size();
    typename A::code_type a_codes[chunk];
    typename B::code_type b_codes[chunk];
    float from[chunk * dim], first[chunk * dim], rest[chunk * dim], point[dim];
    double least[chunk];
    std::copy(x.begin(), x.end(), from);
    for (int k = 0; k < Candidates; ++k) {
      encode_all(A{}, std::span<const float>(from, n * dim), std::span(a_codes, n));
      for (std::size_t c = 0; c < n; ++c) {
        A{}.decode(a_codes[c], std::span<float, dim>(point, dim));
        for (std::size_t i = 0; i < dim; ++i) {
          const float apart = x[c * dim + i] - point[i];
          rest[c * dim + i] = apart * scale;
          if (k == 0) first[c * dim + i] = 0.5f * apart;
          from[c * dim + i] += first[c * dim + i];
        }
      }
      encode_all(B{}, std::span<const float>(rest, n * dim), std::span(b_codes, n));
      for (std::size_t c = 0; c < n; ++c) {
        const auto code = static_cast<code_type>(static_cast<code_type>(a_codes[c]) |
                                                 static_cast<code_type>(b_codes[c]) << low_bits);
        double error = 0.0;
        if (Candidates > 1) {
          decode(code, std::span<float, dim>(point, dim));
          for (std::size_t i = 0; i < dim; ++i) {
            const double e = static_cast<double>(x[c * dim + i]) - static_cast<double>(point[i]);
            error += e * e;
          }
        }
        if (k != 0 && !(error < least[c])) continue;
        least[c] = error;
        codes[c] = code;
      }
    }
  }
};

}  // namespace lowbit
