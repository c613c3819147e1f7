// SPDX-License-Identifier: MIT
#pragma once

/// Checkpoints, both ways, with every byte suspect.
///
/// `SafetensorsFile`, `SafetensorsSet` (one file or shards) and `GgufFile` map a file, check all of its header, and
/// only then show tensors that borrow the mapping: there is no partially valid object, no abort and no exception, only a
/// Result with cause, byte offset and tensor. Sizes are multiplied with overflow checks and bounded by the bytes that
/// remain before anything is allocated, so a small file cannot ask for much memory.
///
/// `SafetensorsWriter` and `GgufWriter` give the same bytes for the same content, keep tensors on disk until the header
/// is known, and let the file appear under its name whole or not at all (`AtomicFile`).
///
/// `to_floats` reads stored floats at any address; `parse_json` reads JSON from strangers; `MappedFile` and `read_text`
/// read files. POSIX only. This is the one folder of the deploy half with a dependency: nlohmann/json, used through its
/// event interface, so it works with -fno-exceptions.
///
/// What a tensor's bytes mean is not known here: `Dtype` and `GgmlType` give names and sizes, and `format/`, `pack/`
/// and `quantizer/` the meaning. Headers that open with "Internal" are not for users.

#include "lowbit/io/atomic_file.hpp"
#include "lowbit/io/checkpoint/awq.hpp"
#include "lowbit/io/checkpoint/code_matrix.hpp"
#include "lowbit/io/checkpoint/compressed_tensors.hpp"
#include "lowbit/io/checkpoint/config.hpp"
#include "lowbit/io/checkpoint/fp4.hpp"
#include "lowbit/io/checkpoint/gptq.hpp"
#include "lowbit/io/checkpoint/mlx.hpp"
#include "lowbit/io/checkpoint/words.hpp"
#include "lowbit/io/decode.hpp"
#include "lowbit/io/dtype.hpp"
#include "lowbit/io/gguf.hpp"
#include "lowbit/io/gguf_types.hpp"
#include "lowbit/io/gguf_validate.hpp"
#include "lowbit/io/gguf_value.hpp"
#include "lowbit/io/gguf_writer.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/mapped_file.hpp"
#include "lowbit/io/safetensors.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "lowbit/io/safetensors_writer.hpp"
#include "lowbit/io/tensor_view.hpp"
