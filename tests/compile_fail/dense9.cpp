// SPDX-License-Identifier: MIT
// expect: pack::Dense packs codes of 1 to 8 bits
#include "lowbit/pack.hpp"
#ifdef LOWBIT_RIGHT
constexpr auto right = lowbit::pack::Dense<7>::bytes_per_block;
#else
constexpr auto wrong = lowbit::pack::Dense<9>::bytes_per_block;
#endif
