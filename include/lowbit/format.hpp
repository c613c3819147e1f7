// SPDX-License-Identifier: MIT
#pragma once

/// format: what one code means. A format is a finite set of points with `encode` (a nearest point's code) and `decode`
/// (the code's point); it knows no scale, no bit layout and no matrix. One format per file; its head comment is its
/// specification.

#include "lowbit/format/concept.hpp"
#include "lowbit/format/int.hpp"
