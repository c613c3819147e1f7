// SPDX-License-Identifier: MIT
#include "lowbit/pipeline/stored_types/four_bit.hpp"
