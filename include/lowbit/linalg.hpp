// SPDX-License-Identifier: MIT
#pragma once

/// linalg: the only door to Eigen, and the only place with threads. Row-major matrix aliases and argument types that
/// accept blocks and maps without copies, sums in double, damped factorizations, Hadamard and random orthogonal matrices of any
/// size, and an executor whose results do not depend on the number of threads.

#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/hadamard.hpp"
#include "lowbit/linalg/hadamard_orders.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/ordered_product.hpp"
#include "lowbit/linalg/orthogonal_axis.hpp"
#include "lowbit/linalg/product.hpp"
#include "lowbit/linalg/random_orthogonal.hpp"
#include "lowbit/linalg/rotations.hpp"
#include "lowbit/linalg/sums.hpp"
#include "lowbit/linalg/walsh_hadamard.hpp"
#include "lowbit/linalg/widely_linear.hpp"
