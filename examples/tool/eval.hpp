// SPDX-License-Identifier: MIT
#pragma once

#include "common.hpp"
#include "lowbit/model/evaluate.hpp"

namespace tool {

lowbit::io::Json to_json(const lowbit::model::Evaluation& evaluation, double bits_per_weight);

/// Tokens per second of greedy decoding after a prompt of one token, weights warm.
double decode_speed(const lowbit::model::Llama& model, std::size_t tokens, lowbit::Executor& executor);

}  // namespace tool
