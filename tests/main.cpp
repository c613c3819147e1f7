// SPDX-License-Identifier: MIT
// The one main of every test program: Catch2 3 brings its own in a library, Catch2 2 wants it compiled.
#if !__has_include(<catch2/catch_test_macros.hpp>)
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif
