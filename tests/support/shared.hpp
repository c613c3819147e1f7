// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>

/// Where the larger models and token files lie, when they lie anywhere: the environment variable LOWBIT_SHARED_DIR, or a
/// folder `shared` beside the repository. Tests that need them skip without.

namespace lowbit::test {

inline std::filesystem::path repository_dir() { return LOWBIT_REPOSITORY_DIR; }

inline std::optional<std::filesystem::path> shared_dir() {
  const char* named = std::getenv("LOWBIT_SHARED_DIR");
  const std::filesystem::path dir = named != nullptr ? named : repository_dir() / ".." / "shared";
  std::error_code ignored;
  if (!std::filesystem::is_directory(dir / "models", ignored)) return std::nullopt;
  return std::filesystem::weakly_canonical(dir);
}

}  // namespace lowbit::test
