// SPDX-License-Identifier: MIT
#pragma once

/// pipeline: a checkpoint in, a smaller one out. Joins `ptq` and `model`, which do not know each other: the closed list of
/// stored types that recipe strings and files can name, layer-by-layer quantization with bounded memory, and checkpoints
/// in Hugging Face layout and GGUF, written whole or not at all.

#include "lowbit/pipeline/codec.hpp"
#include "lowbit/pipeline/convert.hpp"
#include "lowbit/pipeline/export_checkpoint.hpp"
#include "lowbit/pipeline/gguf_export.hpp"
#include "lowbit/pipeline/gguf_llama.hpp"
#include "lowbit/pipeline/gguf_sink.hpp"
#include "lowbit/pipeline/import_checkpoint.hpp"
#include "lowbit/pipeline/imported_linear.hpp"
#include "lowbit/pipeline/load_gguf.hpp"
#include "lowbit/pipeline/load_model.hpp"
#include "lowbit/pipeline/module_patterns.hpp"
#include "lowbit/pipeline/output_directory.hpp"
#include "lowbit/pipeline/quantize.hpp"
#include "lowbit/pipeline/requantize.hpp"
#include "lowbit/pipeline/side_files.hpp"
#include "lowbit/pipeline/sink.hpp"
#include "lowbit/pipeline/stored_codes.hpp"
#include "lowbit/pipeline/stored_matrix.hpp"
#include "lowbit/pipeline/stored_parts.hpp"
#include "lowbit/pipeline/stored_types.hpp"
