// SPDX-License-Identifier: MIT
#pragma once

/// pack: where a code's bits lie. A layout turns blocks of codes into blocks of bytes and back, and knows nothing of what
/// the codes mean. Rows start on byte boundaries; a short last block is padded with code 0.

#include "lowbit/pack/concept.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/pack/split_nibbles.hpp"
