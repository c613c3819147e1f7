// SPDX-License-Identifier: MIT
#pragma once

/// transform: changes of basis that keep W·x. A transform is folded into the weights once and applied to the inputs on
/// every token; rounding happens in the new basis.

#include "lowbit/transform/concept.hpp"
