// SPDX-License-Identifier: MIT
#pragma once

/// linalg: the only door to Eigen, and the only place with threads. Row-major matrix aliases and argument types that
/// accept blocks and maps without copies, sums in double, damped factorizations, and an executor whose results do not
/// depend on the number of threads.

#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/sums.hpp"
#include "lowbit/linalg/widely_linear.hpp"
