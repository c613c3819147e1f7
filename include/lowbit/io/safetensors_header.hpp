// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/dtype.hpp"
#include "lowbit/io/json.hpp"

namespace lowbit::io::detail {

/// One tensor as the header describes it; nothing is checked against the data yet.
struct HeaderEntry {
  std::string name;
  Dtype dtype = Dtype::F32;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;  ///< where in the header the entry ends
};

/// Reads the JSON header of a safetensors file without building a tree: anything but
///
///   { "__metadata__": {string: string ...},
///     name: {"dtype": string, "shape": [u64 ...], "data_offsets": [u64, u64]} ... }
///
/// is refused where it stands. Memory is proportional to the header.
class SafetensorsHeaderEvents : public JsonEvents {
 public:
  SafetensorsHeaderEvents() : JsonEvents(8) {}

  std::vector<HeaderEntry> entries;
  std::map<std::string, std::string> metadata;

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t& text) {
    return unexpected(is_integer_text(text) ? "an integer past 64 bits" : "a number with a fraction or exponent");
  }
  bool number_unsigned(number_unsigned_t value) {
    if (state_ == State::shape) {
      current_.shape.push_back(value);
      return true;
    }
    if (state_ == State::offsets) {
      if (offset_count_ == 2) return fail(Errc::malformed, "data_offsets holds more than two numbers", current_.name);
      offsets_[offset_count_++] = value;
      return true;
    }
    return unexpected("a number");
  }
  bool string(string_t& value) {
    if (state_ == State::metadata_value) {
      state_ = State::metadata;
      if (!metadata.emplace(key_, std::move(value)).second)
        return fail(Errc::duplicate, "a metadata key stands twice", key_);
      return true;
    }
    if (state_ == State::dtype) {
      const auto dtype = parse_dtype(value);
      if (!dtype) return fail(Errc::unsupported, "unknown dtype \"" + value.substr(0, 40) + "\"", current_.name);
      current_.dtype = *dtype;
      state_ = State::tensor;
      return true;
    }
    return unexpected("a string");
  }
  bool start_object(std::size_t) {
    if (!enter()) return false;
    switch (state_) {
      case State::start: state_ = State::top; return true;
      case State::metadata_start: state_ = State::metadata; return true;
      case State::tensor_start: state_ = State::tensor; return true;
      default: return unexpected("an object");
    }
  }
  bool end_object() {
    leave();
    if (state_ == State::tensor) return end_tensor();
    state_ = state_ == State::metadata ? State::top : State::done;
    return true;
  }
  bool start_array(std::size_t) {
    if (!enter()) return false;
    switch (state_) {
      case State::shape_start: state_ = State::shape; return true;
      case State::offsets_start: state_ = State::offsets; return true;
      default: return unexpected("an array");
    }
  }
  bool end_array() {
    leave();
    if (state_ == State::offsets && offset_count_ != 2)
      return fail(Errc::malformed, "data_offsets needs two numbers", current_.name);
    state_ = State::tensor;
    return true;
  }
  bool key(string_t& name) {
    if (state_ == State::top) return top_key(name);
    if (state_ == State::tensor) return tensor_key(name);
    key_ = std::move(name);
    state_ = State::metadata_value;
    return true;
  }

 private:
  /// What the next event must be, or which object or array it stands in.
  enum class State : std::uint8_t {
    start, top, metadata_start, metadata, metadata_value, tensor_start, tensor, dtype, shape_start, shape,
    offsets_start, offsets, done,
  };
  enum Field : unsigned { dtype_field = 1, shape_field = 2, offsets_field = 4, every_field = 7 };

  bool top_key(string_t& name) {
    if (name == "__metadata__") {
      if (has_metadata_) return fail(Errc::duplicate, "a key stands twice", name);
      has_metadata_ = true;
      state_ = State::metadata_start;
      return true;
    }
    current_ = {};
    current_.name = std::move(name);
    fields_ = 0;
    offset_count_ = 0;
    state_ = State::tensor_start;
    return true;
  }
  bool tensor_key(std::string_view name) {
    const Field field = name == "dtype"          ? dtype_field
                        : name == "shape"        ? shape_field
                        : name == "data_offsets" ? offsets_field
                                                 : every_field;
    if (field == every_field)
      return fail(Errc::malformed, "unknown field \"" + std::string(name.substr(0, 40)) + "\"", current_.name);
    if ((fields_ & field) != 0)
      return fail(Errc::duplicate, "the field \"" + std::string(name) + "\" stands twice", current_.name);
    fields_ |= field;
    state_ = field == dtype_field ? State::dtype : field == shape_field ? State::shape_start : State::offsets_start;
    return true;
  }
  bool end_tensor() {
    if (fields_ != every_field)
      return fail(Errc::missing, "a tensor needs dtype, shape and data_offsets", current_.name);
    current_.begin = offsets_[0];
    current_.end = offsets_[1];
    current_.offset = offset();
    entries.push_back(std::move(current_));
    state_ = State::top;
    return true;
  }
  bool unexpected(std::string_view what) {
    const bool in_tensor = state_ >= State::tensor_start && state_ != State::done;
    const bool in_metadata = state_ >= State::metadata_start && state_ <= State::metadata_value;
    return fail(Errc::malformed, std::string(what) + " where the header has none",
                in_tensor ? current_.name : in_metadata ? std::string("__metadata__") : std::string());
  }

  State state_ = State::start;
  HeaderEntry current_;
  std::string key_;
  std::array<std::uint64_t, 2> offsets_{};
  std::size_t offset_count_ = 0;
  unsigned fields_ = 0;
  bool has_metadata_ = false;
};

}  // namespace lowbit::io::detail
