// SPDX-License-Identifier: MIT
#pragma once

/// One door to Catch2: version 2 (a single header) and version 3 (a library) look the same behind it.

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
namespace lowbit::test {
using Catch::Approx;
}
#else
#include <catch2/catch.hpp>
namespace lowbit::test {
using Catch::Detail::Approx;
}
#endif

/// Leaves the test with a message. Catch2 2 knows no skipped test, so there the message is all there is.
#if defined(SKIP)
#define LOWBIT_SKIP(message) SKIP(message)
#else
#define LOWBIT_SKIP(message) \
  do {                       \
    WARN("skipped: " << (message)); \
    return;                  \
  } while (false)
#endif
