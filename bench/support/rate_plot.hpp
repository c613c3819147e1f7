// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace lowbit::bench {

/// Draws the rate_distortion rows measured so far, with the limit 2^(−2·bits), as an SVG file. False if it cannot be
/// written.
bool write_rate_plot(const std::string& path);

}  // namespace lowbit::bench
