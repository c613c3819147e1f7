// SPDX-License-Identifier: MIT
#pragma once

/// transform: changes of basis that keep W·x. A transform is prepared for a layer, folded into its weights once and applied
/// to its inputs (and, if it rotates them, undone on its outputs) on every token; rounding happens in the new basis. Random
/// rotations (RandomHadamard, KroneckerOrthogonal) make weights incoherent, DiagonalRescale splits the size of an input
/// between weights and activations, Compose joins two. AnyTransform is the same at run time, and what files describe.

#include "lowbit/transform/any_transform.hpp"
#include "lowbit/transform/compose.hpp"
#include "lowbit/transform/concept.hpp"
#include "lowbit/transform/diagonal_rescale.hpp"
#include "lowbit/transform/incoherence.hpp"
#include "lowbit/transform/kronecker_orthogonal.hpp"
#include "lowbit/transform/random_hadamard.hpp"
#include "lowbit/transform/record.hpp"
#include "lowbit/transform/two_sided.hpp"
