// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lowbit/transform/concept.hpp"

namespace lowbit::transform {

/// A prepared transform as small parts for a file; make_transform (any_transform.hpp) reads them back.
struct TransformRecord {
  std::string kind = "identity";      ///< "rht", "rht_in", "kron", "kron_in", "rescale", or a sum in order of application:
                                      ///< "rescale+rht"
  std::vector<std::uint64_t> seeds{}; ///< one for each seeded part of the sum, in order
  std::vector<float> values{};        ///< the d of each rescale [in], in order
  std::string construction{};         ///< how the seeded parts are built for this shape, joined by '+'; guards against
                                      ///< a build that would read the same seeds as another matrix. Empty: unchecked

  friend bool operator==(const TransformRecord&, const TransformRecord&) = default;
};

/// The record of one transform after another.
inline TransformRecord joined(TransformRecord first, const TransformRecord& second) {
  if (first.kind == "identity") return second;
  if (second.kind == "identity") return first;
  first.kind += "+" + second.kind;
  first.seeds.insert(first.seeds.end(), second.seeds.begin(), second.seeds.end());
  first.values.insert(first.values.end(), second.values.begin(), second.values.end());
  if (!first.construction.empty() && !second.construction.empty()) first.construction += "+";
  first.construction += second.construction;
  return first;
}

/// A prepared transform that can be stored.
template <class P>
concept RecordedTransform = PreparedTransform<P> && requires(const P p) {
  { p.record() } -> std::same_as<TransformRecord>;
  { p.stored_bits() } -> std::same_as<std::size_t>;
};

}  // namespace lowbit::transform
