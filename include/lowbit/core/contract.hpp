// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdlib>
#if defined(__cpp_exceptions)
#include <stdexcept>
#endif

/// Contracts: what a caller owes. A broken contract is the caller's bug, not an event; it calls a handler that the
/// embedder may replace, and never returns to the code that relied on it.

namespace lowbit {

struct ContractBreach {
  const char* condition;  ///< the expression that was false
  const char* message;    ///< what the caller owed, in a sentence
  const char* file;
  int line;
};

using ContractHandler = void (*)(const ContractBreach&);

#if defined(__cpp_exceptions)
/// Thrown by the default handler where exceptions exist.
struct ContractViolation : std::logic_error {
  explicit ContractViolation(const ContractBreach& what) : std::logic_error(what.message), breach(what) {}
  ContractBreach breach;
};
#endif

namespace detail {

inline void default_contract_handler([[maybe_unused]] const ContractBreach& breach) {
#if defined(__cpp_exceptions)
  throw ContractViolation(breach);
#endif
}

inline std::atomic<ContractHandler> contract_handler{&default_contract_handler};

[[noreturn]] inline void contract_broken(const ContractBreach& breach) {
  contract_handler.load()(breach);
  std::abort();
}

}  // namespace detail

/// Replaces the handler and returns the former one. A handler may throw or end the process; if it returns, the library
/// calls std::abort.
inline ContractHandler set_contract_handler(ContractHandler handler) {
  return detail::contract_handler.exchange(handler != nullptr ? handler : &detail::default_contract_handler);
}

}  // namespace lowbit

/// O(1) checks at public entry points, on in every build.
#define LOWBIT_EXPECTS(condition, message)                                                                \
  ((condition) ? static_cast<void>(0)                                                                     \
               : ::lowbit::detail::contract_broken(::lowbit::ContractBreach{#condition, message, __FILE__, __LINE__}))

/// The same inside kernels and loops, in debug builds only.
#ifdef NDEBUG
#define LOWBIT_ASSERT(condition, message) static_cast<void>(0)
#else
#define LOWBIT_ASSERT(condition, message) LOWBIT_EXPECTS(condition, message)
#endif
