// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace lowbit::test {

/// Bytes asked of operator new in this program so far, freed or not.
std::size_t allocated_bytes();

}  // namespace lowbit::test
