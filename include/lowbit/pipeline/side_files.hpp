// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "lowbit/core/result.hpp"
#include "lowbit/io/atomic_file.hpp"

/// The files beside a checkpoint's tensors.

namespace lowbit::pipeline {

inline Result<> write_text(const std::filesystem::path& path, std::string_view text) {
  LOWBIT_TRY(file, io::AtomicFile::create(path, false));
  LOWBIT_CHECK(file.write(text));
  return file.commit();
}

/// Copies what a model directory needs beside config.json and its tensors, as far as it is there: tokenizer, chat template,
/// generation defaults. Files up to 128 MiB.
inline Result<> copy_side_files(const std::filesystem::path& source, const std::filesystem::path& target) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json",
                           "added_tokens.json", "tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja",
                           "chat_template.json"}) {
    std::error_code failure;
    if (!std::filesystem::exists(source / name, failure)) continue;
    LOWBIT_TRY(text, io::read_text(source / name, std::uint64_t{128} << 20));
    LOWBIT_CHECK(write_text(target / name, text));
  }
  return {};
}

}  // namespace lowbit::pipeline
