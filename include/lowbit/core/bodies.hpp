// SPDX-License-Identifier: MIT
#pragma once

/// Where the bodies of heavy functions that are no templates go. Eigen's products and factorizations above all take seconds
/// in every source that includes them, used or not. A program of many sources may compile them once: it defines
/// LOWBIT_EXTERN_BODIES for all of its sources, and for one of them, which includes the headers whose functions it uses,
/// LOWBIT_COMPILE_BODIES as well. Without either they are inline, as everything here.
///
/// A header declares such a function, and defines it behind #if defined(LOWBIT_BODY).

#if !defined(LOWBIT_EXTERN_BODIES)
#define LOWBIT_BODY inline
#elif defined(LOWBIT_COMPILE_BODIES)
#define LOWBIT_BODY
#endif
