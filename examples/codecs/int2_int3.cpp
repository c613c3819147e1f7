// SPDX-License-Identifier: MIT
#include "lowbit/pipeline/stored_types/uniform.hpp"

template std::vector<const lowbit::pipeline::Codec*> lowbit::pipeline::uniform_codecs<2>();
template std::vector<const lowbit::pipeline::Codec*> lowbit::pipeline::uniform_codecs<3>();
