// SPDX-License-Identifier: MIT
#include "lowbit/pipeline/stored_types/block.hpp"
