// SPDX-License-Identifier: MIT
#include "lowbit/pipeline/stored_types.hpp"

template std::vector<const lowbit::pipeline::Codec*> lowbit::pipeline::trellis_codecs<>();
