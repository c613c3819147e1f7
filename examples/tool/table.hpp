// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace tool {

/// A text table: first column left-aligned, all others right-aligned, two spaces between.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string text() const {
    std::vector<std::size_t> width;
    for (const auto& row : rows_) {
      width.resize(std::max(width.size(), row.size()));
      for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
    }
    std::string out;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      for (std::size_t c = 0; c < rows_[r].size(); ++c) {
        const std::string pad(width[c] - rows_[r][c].size(), ' ');
        out += (c == 0 ? rows_[r][c] + pad : "  " + pad + rows_[r][c]);
      }
      out += '\n';
      if (r == 0) {
        for (std::size_t c = 0; c < width.size(); ++c) out += std::string(c == 0 ? 0 : 2, ' ') + std::string(width[c], '-');
        out += '\n';
      }
    }
    return out;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tool
