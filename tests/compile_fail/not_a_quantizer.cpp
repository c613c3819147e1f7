// SPDX-License-Identifier: MIT
// expect: Quantizer
#include "lowbit/quantizer.hpp"
#ifdef LOWBIT_RIGHT
lowbit::PackedView<lowbit::Uniform<lowbit::Int4>> right;
#else
lowbit::PackedView<lowbit::Int4> wrong;
#endif
