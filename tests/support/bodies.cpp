// SPDX-License-Identifier: MIT
// The bodies that core/bodies.hpp speaks of, for our own programs.
#include "lowbit/io/json.hpp"
#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/product.hpp"
#include "lowbit/pipeline/module_patterns.hpp"
#include "lowbit/ptq/column_rounding.hpp"
#include "lowbit/ptq/coordinate_descent.hpp"
#include "lowbit/transform/any_transform.hpp"
