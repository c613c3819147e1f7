// SPDX-License-Identifier: MIT
#pragma once

/// format: what one code means. A format is a finite set of points with `encode` (a nearest point's code) and `decode`
/// (the code's point); it knows no scale, no bit layout and no matrix. One format per file; its head comment is its
/// specification. Formats of one dimension and at most 256 codes have `levels`, their points by code, and `largest`,
/// the largest finite magnitude among them; Int needs no table, and formats that are values (a learned exponent, a zero
/// point) give their points by decode alone. E8M0, UE4M3 and UE5M3 are what scales are stored in: small floats beside
/// f16 and bf16.

#include "lowbit/format/apot.hpp"
#include "lowbit/format/beta_gain.hpp"
#include "lowbit/format/binary.hpp"
#include "lowbit/format/bnb_fp4.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/dint.hpp"
#include "lowbit/format/dynamic8.hpp"
#include "lowbit/format/e8m0.hpp"
#include "lowbit/format/fp_scaling_law.hpp"
#include "lowbit/format/half_offset.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/format/iq4_nl.hpp"
#include "lowbit/format/log2.hpp"
#include "lowbit/format/minifloat.hpp"
#include "lowbit/format/mx_int8.hpp"
#include "lowbit/format/nested_code.hpp"
#include "lowbit/format/nf4.hpp"
#include "lowbit/format/normal_float.hpp"
#include "lowbit/format/phase.hpp"
#include "lowbit/format/phase_sum.hpp"
#include "lowbit/format/post.hpp"
#include "lowbit/format/power.hpp"
#include "lowbit/format/power_of_two.hpp"
#include "lowbit/format/pvq.hpp"
#include "lowbit/format/pvq_gain.hpp"
#include "lowbit/format/real_bias_minifloat.hpp"
#include "lowbit/format/sign_planes.hpp"
#include "lowbit/format/ternary.hpp"
#include "lowbit/format/trit_planes.hpp"
#include "lowbit/format/ue4m3.hpp"
#include "lowbit/format/ue5m3.hpp"
