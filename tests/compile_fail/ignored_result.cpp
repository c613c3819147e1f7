// SPDX-License-Identifier: MIT
// expect: nodiscard
#include "lowbit/core/result.hpp"
lowbit::Result<int> answer();
#ifdef LOWBIT_RIGHT
int right() { return answer().value(); }
#else
void wrong() { answer(); }
#endif
