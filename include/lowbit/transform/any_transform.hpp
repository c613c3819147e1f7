// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/bodies.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/transform/diagonal_rescale.hpp"
#include "lowbit/transform/kronecker_orthogonal.hpp"
#include "lowbit/transform/random_hadamard.hpp"
#include "lowbit/transform/record.hpp"

namespace lowbit::transform {

/// A prepared transform whose kind is known at run time: see PreparedTransform for its operations and their laws. Immutable.
class AnyTransform {
 public:
  virtual ~AnyTransform() = default;
  virtual void fold_into_weights(MatrixDRef W) const = 0;
  virtual void unfold_from_weights(MatrixDRef W) const = 0;
  virtual void apply_to_inputs(MatrixRef X) const = 0;
  virtual void apply_to_inputs(MatrixDRef X) const = 0;
  /// Each row y ← Uᵀ·y; changes nothing where changes_outputs() is false.
  virtual void undo_on_outputs(MatrixRef Y) const = 0;
  virtual bool changes_outputs() const = 0;
  /// T·H·Tᵀ, exactly symmetric.
  virtual MatrixD transform_moments(const MatrixD& H) const = 0;
  virtual TransformRecord record() const = 0;
  /// What a file must hold beside the name: seeds and factors.
  virtual std::size_t stored_bits() const = 0;
  /// For reports: the kind, "rescale+rht".
  std::string description() const { return record().kind; }
};

namespace detail {

template <RecordedTransform P>
class Erased final : public AnyTransform {
 public:
  explicit Erased(P p) : p_(std::move(p)) {}
  void fold_into_weights(MatrixDRef W) const override { p_.fold_into_weights(W); }
  void unfold_from_weights(MatrixDRef W) const override { p_.unfold_from_weights(W); }
  void apply_to_inputs(MatrixRef X) const override { p_.apply_to_inputs(X); }
  void apply_to_inputs(MatrixDRef X) const override { p_.apply_to_inputs(X); }
  void undo_on_outputs(MatrixRef Y) const override { transform::undo_on_outputs(p_, Y); }
  bool changes_outputs() const override {
    if constexpr (requires { p_.changes_outputs(); })
      return p_.changes_outputs();
    else
      return ChangesOutputs<P>;
  }
  MatrixD transform_moments(const MatrixD& H) const override { return transform::transform_moments(p_, H); }
  TransformRecord record() const override { return p_.record(); }
  std::size_t stored_bits() const override { return p_.stored_bits(); }

 private:
  P p_;
};

/// The parts of a sum, in order of application; none is the identity.
class Chain final : public AnyTransform {
 public:
  explicit Chain(std::vector<std::unique_ptr<AnyTransform>> parts) : parts_(std::move(parts)) {}
  void fold_into_weights(MatrixDRef W) const override {
    for (const auto& part : parts_) part->fold_into_weights(W);
  }
  void unfold_from_weights(MatrixDRef W) const override {
    for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) (*part)->unfold_from_weights(W);
  }
  void apply_to_inputs(MatrixRef X) const override {
    for (const auto& part : parts_) part->apply_to_inputs(X);
  }
  void apply_to_inputs(MatrixDRef X) const override {
    for (const auto& part : parts_) part->apply_to_inputs(X);
  }
  void undo_on_outputs(MatrixRef Y) const override {
    for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) (*part)->undo_on_outputs(Y);
  }
  bool changes_outputs() const override {
    for (const auto& part : parts_)
      if (part->changes_outputs()) return true;
    return false;
  }
  MatrixD transform_moments(const MatrixD& H) const override {
    if (parts_.empty()) return H;
    return moments_from_rows(H, [&](MatrixDRef rows) { apply_to_inputs(rows); });
  }
  TransformRecord record() const override {
    TransformRecord record;
    for (const auto& part : parts_) record = joined(std::move(record), part->record());
    return record;
  }
  std::size_t stored_bits() const override {
    std::size_t bits = 0;
    for (const auto& part : parts_) bits += part->stored_bits();
    return bits;
  }

 private:
  std::vector<std::unique_ptr<AnyTransform>> parts_;
};

inline std::vector<std::string_view> kinds_of(std::string_view sum) {
  std::vector<std::string_view> kinds;
  for (;;) {
    const std::size_t plus = sum.find('+');
    kinds.push_back(sum.substr(0, plus));
    if (plus == std::string_view::npos) return kinds;
    sum.remove_prefix(plus + 1);
  }
}

template <class P>
std::unique_ptr<AnyTransform> erased(P p) {
  return std::make_unique<Erased<P>>(std::move(p));
}

/// The seeded kinds; null for other words.
std::unique_ptr<AnyTransform> make_rotation(std::string_view kind, std::uint64_t seed, Index rows, Index cols);

inline Error unknown_kind(std::string_view kind) {
  return {.code = Errc::unsupported,
          .message = "no transform is called '" + std::string(kind.substr(0, 64)) +
                     "': there are identity, rht, rht_in, kron, kron_in, rescale and sums like rescale+rht"};
}

inline std::unique_ptr<AnyTransform> chained(std::vector<std::unique_ptr<AnyTransform>> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  return std::make_unique<Chain>(std::move(parts));
}

}  // namespace detail

/// A compile-time transform after preparation, behind the run-time interface.
template <RecordedTransform P>
std::unique_ptr<AnyTransform> erase(P p) {
  return detail::erased(std::move(p));
}

/// The transform that a record describes, for a layer of [rows × cols]. Every field is suspect, and costs no more memory
/// than the shape warrants.
/// Errors   unsupported: an unknown kind, or a construction that this build would not choose; malformed: seeds or values
///          too few, too many or out of range; out_of_bounds: sizes negative or above 2^31, or more than 8 parts.
Result<std::unique_ptr<AnyTransform>> make_transform(const TransformRecord& record, Index rows, Index cols);

/// Prepares a sum of kinds for a layer, part after part: each sees the weights and moments that those before it leave.
///
///   kinds  as in TransformRecord::kind   seed  of the first seeded part, one more for each further one
///   W      [out × in]                    H     [in × in] second moments, or empty
///
/// Errors: unsupported for unknown kinds; those of DiagonalRescale.
Result<std::unique_ptr<AnyTransform>> prepare_any(std::string_view kinds, std::uint64_t seed, const MatrixD& W,
  const MatrixD& H);

#if defined(LOWBIT_BODY)

namespace detail {

LOWBIT_BODY std::unique_ptr<AnyTransform> make_rotation(std::string_view kind, std::uint64_t seed, Index rows, Index cols) {
  if (kind == "rht") return erased(PreparedRandomHadamard(rows, cols, seed, Sides::both));
  if (kind == "rht_in") return erased(PreparedRandomHadamard(rows, cols, seed, Sides::inputs));
  if (kind == "kron") return erased(PreparedKroneckerOrthogonal(rows, cols, seed, Sides::both));
  if (kind == "kron_in") return erased(PreparedKroneckerOrthogonal(rows, cols, seed, Sides::inputs));
  return nullptr;
}

}  // namespace detail

LOWBIT_BODY Result<std::unique_ptr<AnyTransform>> make_transform(const TransformRecord& record, Index rows, Index cols) {
  constexpr Index limit = Index{1} << 31;
  if (rows < 0 || cols < 0 || rows > limit || cols > limit)
    return Error{.code = Errc::out_of_bounds, .message = "the sizes of a transform lie between 0 and 2^31"};
  const std::vector<std::string_view> kinds = detail::kinds_of(record.kind);
  if (kinds.size() > 8) return Error{.code = Errc::out_of_bounds, .message = "a transform has at most 8 parts"};
  std::vector<std::unique_ptr<AnyTransform>> parts;
  std::size_t seeds = 0, values = 0;
  for (const std::string_view kind : kinds) {
    if (kind == "identity") continue;
    if (kind == "rescale") {
      const auto count = static_cast<std::size_t>(cols);
      if (record.values.size() - values < count)
        return Error{.code = Errc::malformed, .message = "a rescale needs one value per input"};
      const auto begin = record.values.begin() + static_cast<std::ptrdiff_t>(values);
      LOWBIT_TRY(part, PreparedDiagonalRescale::from_values({begin, begin + static_cast<std::ptrdiff_t>(count)}));
      values += count;
      parts.push_back(detail::erased(std::move(part)));
      continue;
    }
    if (seeds == record.seeds.size() && detail::make_rotation(kind, 0, 0, 0) != nullptr)
      return Error{.code = Errc::malformed, .message = "a seeded transform needs its seed"};
    std::unique_ptr<AnyTransform> part =
        seeds < record.seeds.size() ? detail::make_rotation(kind, record.seeds[seeds], rows, cols) : nullptr;
    if (part == nullptr) return detail::unknown_kind(kind);
    ++seeds;
    parts.push_back(std::move(part));
  }
  if (seeds != record.seeds.size() || values != record.values.size())
    return Error{.code = Errc::malformed, .message = "a transform has seeds or values that no part of it reads"};
  std::unique_ptr<AnyTransform> transform = detail::chained(std::move(parts));
  if (!record.construction.empty() && record.construction != transform->record().construction)
    return Error{.code = Errc::unsupported,
                 .message = "the stored transform was built as '" + record.construction.substr(0, 128) +
                            "', which this build does not do for its sizes"};
  return transform;
}

LOWBIT_BODY Result<std::unique_ptr<AnyTransform>> prepare_any(std::string_view kinds, std::uint64_t seed, const MatrixD& W,
                                                         const MatrixD& H) {
  const std::vector<std::string_view> words = detail::kinds_of(kinds);
  std::vector<std::unique_ptr<AnyTransform>> parts;
  MatrixD folded, moments;  // what the parts so far leave; read only by a later rescale
  bool current = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "identity") continue;
    if (words[i] == "rescale") {
      LOWBIT_TRY(part, (DiagonalRescale{}.prepare(current ? folded : W, current ? moments : H)));
      parts.push_back(detail::erased(std::move(part)));
    } else {
      std::unique_ptr<AnyTransform> part = detail::make_rotation(words[i], seed, W.rows(), W.cols());
      if (part == nullptr) return detail::unknown_kind(words[i]);
      ++seed;
      parts.push_back(std::move(part));
    }
    bool later = false;
    for (std::size_t k = i + 1; k < words.size(); ++k) later = later || words[k] == "rescale";
    if (!later) continue;
    if (!current) {
      folded = W;
      moments = H;
      current = true;
    }
    parts.back()->fold_into_weights(folded);
    if (moments.size() != 0) moments = parts.back()->transform_moments(moments);
  }
  return detail::chained(std::move(parts));
}

#endif

}  // namespace lowbit::transform
