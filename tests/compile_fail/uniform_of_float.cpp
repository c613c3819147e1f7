// SPDX-License-Identifier: MIT
// expect: Format
#include "lowbit/quantizer.hpp"
#ifdef LOWBIT_RIGHT
lowbit::QuantizedMatrix<lowbit::Uniform<lowbit::Int3>> right;
#else
lowbit::QuantizedMatrix<lowbit::Uniform<float>> wrong;
#endif
