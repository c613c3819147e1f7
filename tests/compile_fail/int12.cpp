// SPDX-License-Identifier: MIT
// expect: lowbit::Int holds 2 to 8 bits
#include "lowbit/format.hpp"
#ifdef LOWBIT_RIGHT
lowbit::Int<8> right;
#else
lowbit::Int<12> wrong;
#endif
