// SPDX-License-Identifier: MIT
#pragma once

/// pack: where a code's bits lie. A layout turns blocks of codes into blocks of bytes and back, and knows nothing of what
/// the codes mean. Rows start on byte boundaries; a short last block is padded with code 0.
///
/// Layouts are byte for byte those of files: Dense and WordPadded are streams, HighNibbleFirst and SignedBytes their
/// relatives, SplitFields and SplitNibbles put codes that are far apart into one byte, BitPlanes puts one bit of many codes
/// side by side, Trits5, TritPairs and GgufTQ1_0 count in base 3, and Joined keeps parts of a code in several places (gguf.hpp).
/// `pack<Isa>` and `unpack<Isa>` do the work with one instruction set; all give the same bytes.

#include "lowbit/pack/bit_planes.hpp"
#include "lowbit/pack/bitshift.hpp"
#include "lowbit/pack/concept.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/pack/dense_words.hpp"
#include "lowbit/pack/gguf.hpp"
#include "lowbit/pack/gguf_tq1_0.hpp"
#include "lowbit/pack/high_nibble_first.hpp"
#include "lowbit/pack/joined.hpp"
#include "lowbit/pack/signed_bytes.hpp"
#include "lowbit/pack/split_fields.hpp"
#include "lowbit/pack/split_nibbles.hpp"
#include "lowbit/pack/trit_pairs.hpp"
#include "lowbit/pack/trits5.hpp"
#include "lowbit/pack/word_padded.hpp"
