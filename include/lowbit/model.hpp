// SPDX-License-Identifier: MIT
#pragma once

/// model: a small Llama. `config` and `tokenizer` read what stands beside a checkpoint, `weights` turns its tensors
/// into parts, one at a time if need be. `Linear` hides how a matrix is stored: FloatLinear and QuantizedLinear<Q> fill
/// the same slots, so `Llama` is one class for float and packed models. run_layer runs one decoder layer over a batch
/// of windows and shows its inputs to hooks, which is how statistics are collected; `evaluate` measures perplexity and
/// the divergence from a reference, `generate` continues a text. Activations are [tokens × features]. Whatever runs
/// over an Executor has the same bits for any number of threads. eigen_kernels.hpp is the door from Eigen to the packed
/// kernels.

#include "lowbit/model/cache.hpp"
#include "lowbit/model/config.hpp"
#include "lowbit/model/divergence.hpp"
#include "lowbit/model/eigen_kernels.hpp"
#include "lowbit/model/evaluate.hpp"
#include "lowbit/model/generate.hpp"
#include "lowbit/model/layer.hpp"
#include "lowbit/model/linear.hpp"
#include "lowbit/model/llama.hpp"
#include "lowbit/model/projection.hpp"
#include "lowbit/model/quantized_linear.hpp"
#include "lowbit/model/tokenizer.hpp"
#include "lowbit/model/tokens.hpp"
#include "lowbit/model/transformed_linear.hpp"
#include "lowbit/model/weights.hpp"
