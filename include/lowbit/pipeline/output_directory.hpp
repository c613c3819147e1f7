// SPDX-License-Identifier: MIT
#pragma once

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include "lowbit/core/result.hpp"

namespace lowbit::pipeline {

/// A directory that appears whole or not at all: files are written into a fresh sibling, and commit() renames it. Without
/// commit() the sibling goes away with the object.
class OutputDirectory {
 public:
  /// Errors: already_exists unless overwrite; io_error. Refuses to replace anything that is not a directory.
  static Result<OutputDirectory> create(std::filesystem::path destination, bool overwrite) {
    if (!destination.has_filename()) destination = destination.parent_path();
    std::error_code failure;
    const auto status = std::filesystem::symlink_status(destination, failure);
    if (std::filesystem::exists(status)) {
      if (!std::filesystem::is_directory(status))
        return Error{.code = Errc::already_exists, .message = "exists and is no directory", .file = destination.string()};
      if (!overwrite)
        return Error{.code = Errc::already_exists, .message = "the output exists already", .file = destination.string()};
    }
    std::string staging = destination.string() + ".partial-XXXXXX";
    if (mkdtemp(staging.data()) == nullptr) return os_error("cannot create", staging);
    std::filesystem::permissions(staging, std::filesystem::perms(0755), failure);
    return OutputDirectory(std::move(destination), std::move(staging));
  }

  OutputDirectory(OutputDirectory&& other) noexcept
      : destination_(std::move(other.destination_)), staging_(std::exchange(other.staging_, {})) {}
  OutputDirectory& operator=(OutputDirectory&&) = delete;
  ~OutputDirectory() {
    std::error_code ignored;
    if (!staging_.empty()) std::filesystem::remove_all(staging_, ignored);
  }

  /// Where to write until commit().
  const std::filesystem::path& staging() const noexcept { return staging_; }

  /// Puts the directory in its place; a former one is set aside first and removed last.
  Result<> commit() {
    std::error_code failure;
    std::filesystem::path aside;
    if (std::filesystem::exists(destination_, failure)) {
      std::string name = destination_.string() + ".old-XXXXXX";
      if (mkdtemp(name.data()) == nullptr) return os_error("cannot create", name);
      aside = name;
      std::filesystem::rename(destination_, aside, failure);  // replaces the empty directory
      if (failure) return Error{.code = Errc::io_error, .message = failure.message(), .file = destination_.string()};
    }
    std::filesystem::rename(staging_, destination_, failure);
    if (failure) {
      const std::string why = failure.message();
      if (!aside.empty()) std::filesystem::rename(aside, destination_, failure);
      return Error{.code = Errc::io_error, .message = "cannot rename the finished output: " + why, .file = destination_.string()};
    }
    staging_.clear();
    if (!aside.empty()) std::filesystem::remove_all(aside, failure);
    return {};
  }

 private:
  OutputDirectory(std::filesystem::path destination, std::filesystem::path staging)
      : destination_(std::move(destination)), staging_(std::move(staging)) {}

  static Error os_error(const char* verb, const std::string& path) {
    return {.code = Errc::io_error, .message = std::string(verb) + ": " + std::strerror(errno), .file = path};
  }

  std::filesystem::path destination_, staging_;
};

}  // namespace lowbit::pipeline
