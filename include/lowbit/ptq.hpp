// SPDX-License-Identifier: MIT
#pragma once

/// ptq: post-training quantization. Rounding policies turn weights and second moments of the inputs into a packed matrix;
/// a Recipe joins a quantizer, a rounding policy and a transform at compile time; a RecipeSpec is the same as a string.

#include "lowbit/calib.hpp"
#include "lowbit/ptq/bias_correction.hpp"
#include "lowbit/ptq/coordinate_descent.hpp"
#include "lowbit/ptq/hessian.hpp"
#include "lowbit/ptq/minifloat_joint_search.hpp"
#include "lowbit/ptq/minifloat_search.hpp"
#include "lowbit/ptq/nearest.hpp"
#include "lowbit/ptq/recipe.hpp"
#include "lowbit/ptq/recipe_string.hpp"
#include "lowbit/ptq/rounding.hpp"
#include "lowbit/ptq/svid.hpp"
#include "lowbit/quantizer.hpp"
#include "lowbit/transform.hpp"
