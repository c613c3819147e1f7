// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

/// A closed list of types, to run code once per type or to hand to a templated test.

namespace lowbit {

template <class... Ts>
struct TypeList {
  static constexpr std::size_t size = sizeof...(Ts);

  /// Calls visit(std::type_identity<T>{}) for each T in order.
  template <class Visitor>
  static constexpr void for_each(Visitor&& visit) {
    (visit(std::type_identity<Ts>{}), ...);
  }
};

}  // namespace lowbit
