// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/atomic_file.hpp"

namespace lowbit::model {

/// How a raw token file stores its ids; both little-endian.
enum class TokenType : std::uint8_t { u16, u32 };

struct TokenFileOptions {
  TokenType type = TokenType::u16;
  std::uint64_t max_bytes = std::uint64_t{4} << 30;
};

/// A file of token ids and nothing else.
/// Errors   io_error, missing, out_of_bounds (more than max_bytes), truncated (not a whole number of ids, with the
///          offset of the rest), out_of_range_token (id in `value`, position in `row`).
inline Result<std::vector<std::uint32_t>> read_tokens(const std::filesystem::path& path, std::size_t vocab_size,
                                                      TokenFileOptions options = {}) {
  LOWBIT_TRY(bytes, io::read_text(path, options.max_bytes));
  const std::size_t width = options.type == TokenType::u16 ? 2 : 4;
  if (bytes.size() % width != 0)
    return Error{.code = Errc::truncated,
                 .message = "a file of " + std::to_string(width) + "-byte token ids ends inside one",
                 .file = path.string(),
                 .offset = bytes.size() - bytes.size() % width};
  std::vector<std::uint32_t> ids(bytes.size() / width);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::uint32_t id = 0;
    for (std::size_t b = 0; b < width; ++b)
      id |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i * width + b])) << (8 * b);
    if (id >= vocab_size)
      return Error{.code = Errc::out_of_range_token,
                   .message = "token id " + std::to_string(id) + " at position " + std::to_string(i) +
                              "; the vocabulary has " + std::to_string(vocab_size),
                   .file = path.string(),
                   .offset = i * width,
                   .row = i,
                   .value = static_cast<double>(id)};
    ids[i] = id;
  }
  return ids;
}

}  // namespace lowbit::model
