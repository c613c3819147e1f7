// SPDX-License-Identifier: MIT
#pragma once

/// The library's version. CMake reads these three lines; nothing else states the number.
#define LOWBIT_VERSION_MAJOR 0
#define LOWBIT_VERSION_MINOR 1
#define LOWBIT_VERSION_PATCH 0

namespace lowbit {

inline constexpr struct Version {
  int major, minor, patch;
  const char* string;
} version{LOWBIT_VERSION_MAJOR, LOWBIT_VERSION_MINOR, LOWBIT_VERSION_PATCH, "0.1.0"};

}  // namespace lowbit
