// SPDX-License-Identifier: MIT
#pragma once

#include "common.hpp"

namespace tool {

lowbit::io::Json to_json(const lowbit::pipeline::QuantizeOutcome& outcome);

/// Quantizes and writes; what `quantize` and `compare` share.
lowbit::Result<lowbit::pipeline::QuantizeOutcome> run_quantize(const QuantizeRequest& request,
                                                               std::span<const std::uint32_t> calibration,
                                                               lowbit::Executor& executor);

}  // namespace tool
