// SPDX-License-Identifier: MIT
// The command line: what may be asked, and how.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>

#include "lowbit/core/version.hpp"
#include "tool.hpp"

namespace {

void add_compute(CLI::App& command, std::string& compute) {
  command.add_option("--compute", compute, "f32: float activations; bf16: weights and activations in bf16; int8: int8 activations, one scale per token")
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
}

void add_tokens(CLI::App& command, const std::string& flag, tool::TokenSource& source, bool required, const char* what) {
  auto* option = command.add_option(flag, source.from, what)->type_name("FILE|self");
  if (required) option->required();
}

void add_token_type(CLI::App& command, std::string& type) {
  command.add_option("--token-type", type, "Token files: little-endian u16 or u32 ids, or text for the model's tokenizer")
      ->check(CLI::IsMember({"u16", "u32", "text"}))
      ->capture_default_str();
}

/// Activations come and go by megabytes; without this, glibc maps and unmaps each of them.
void keep_freed_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 28);
  mallopt(M_TRIM_THRESHOLD, 1 << 28);
#endif
}

int run(int argc, char** argv) {
  CLI::App app{"lowbit: a Llama checkpoint in, a measured low-bit model out"};
  app.set_version_flag("--version", std::string("lowbit ") + lowbit::version.string);
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  lowbit quantize llama/ --recipe gptq:int4:g128:asym --calib calib.bin -o llama-int4/\n"
      "  lowbit eval llama-int4/ --reference llama/ --tokens eval.bin --max-windows 256\n"
      "  lowbit generate llama-int4/ --prompt \"The kernel is\" --max-tokens 40\n"
      "  lowbit compare llama/ --recipes fp16,rtn:int4:g128,gptq:int4:g128 --calib self --tokens self\n"
      "  lowbit convert llama-gptq/ --to compressed-tensors -o llama-ct/ --json report.json\n"
      "  lowbit inspect llama-int4/model.safetensors\n"
      "Exit codes: 0 done, 1 failed, 2 the request means nothing.");
  const std::string threads_help = "Threads; 0: all. Results do not depend on it";
  const std::string recipe_help =
      "ROUNDING[:FORMAT[:MODIFIER...]]. Rounding: rtn, gptq, or fp16, bf16, f32 alone. Format: int2..int8, q4_0, q8_0. "
      "Modifiers: gN grow gtensor; sym asym asymreal; s1..s4; scale_f16 scale_bf16 scale_f32; lpP hlpP; "
      "act_order static_groups dampX blockN cdN zero_dead parallel";

  tool::QuantizeRequest q;
  auto* quantize = app.add_subcommand("quantize", "Quantize the linear layers of a checkpoint");
  quantize->add_option("MODEL_DIR", q.model, "Float checkpoint in Hugging Face layout")->required();
  quantize->add_option("-r,--recipe", q.recipe, recipe_help)->required();
  add_tokens(*quantize, "--calib", q.calibration, false, "Calibration tokens: a file, or sampled from the model itself");
  quantize->add_option("--calib-tokens", q.calibration_tokens, "Tokens used at most")->capture_default_str();
  add_token_type(*quantize, q.calibration.type);
  quantize->add_option("--seed", q.calibration.seed, "Seed of sampled tokens")->capture_default_str();
  quantize->add_option("--window", q.window, "Tokens per window; 0: min(2048, max positions)")->capture_default_str();
  quantize->add_option("-o,--output", q.output, "Directory (hf) or file (gguf) to write")->required();
  quantize->add_option("--format", q.format, "hf: a directory; gguf: one file, for recipes that GGUF can hold")
      ->check(CLI::IsMember({"hf", "gguf"}))
      ->capture_default_str();
  quantize->add_option("--threads", q.threads, threads_help)->capture_default_str();
  quantize->add_flag("--force", q.force, "Replace an existing output");
  quantize->add_flag("--json", q.json, "Print the report as JSON");
  quantize->add_flag("--quiet", q.quiet, "No progress bar");

  tool::EvalRequest e;
  auto* eval = app.add_subcommand("eval", "Perplexity, and the distance from a reference model");
  eval->add_option("MODEL", e.model, "Checkpoint directory, float or packed, or a GGUF file")->required();
  eval->add_option("--reference", e.reference, "Float model to compare with");
  add_tokens(*eval, "--tokens", e.tokens, true, "Evaluation tokens: a file, or sampled from the reference (or model) itself");
  add_token_type(*eval, e.tokens.type);
  eval->add_option("--seed", e.tokens.seed, "Seed of sampled tokens")->capture_default_str();
  eval->add_option("--window", e.window, "Tokens per window; 0: min(2048, max positions)")->capture_default_str();
  eval->add_option("--max-windows", e.max_windows, "Windows at most; 0: all")->capture_default_str();
  eval->add_option("--threads", e.threads, threads_help)->capture_default_str();
  add_compute(*eval, e.compute);
  eval->add_flag("--json", e.json, "Print JSON");

  tool::GenerateRequest g;
  auto* generate = app.add_subcommand("generate", "Continue a prompt");
  generate->add_option("MODEL", g.model, "Checkpoint directory, or a GGUF file")->required();
  generate->add_option("--prompt", g.prompt, "Text to continue")->required();
  generate->add_option("--tokenizer", g.tokenizer, "tokenizer.json, for GGUF files");
  generate->add_option("--max-tokens", g.max_tokens, "Tokens to add at most")->capture_default_str();
  generate->add_option("--temperature", g.temperature, "0: greedy")->capture_default_str()->check(CLI::NonNegativeNumber);
  generate->add_option("--top-k", g.top_k, "Only the k most likely tokens; 0: all")->capture_default_str();
  generate->add_option("--top-p", g.top_p, "Only the most likely tokens that reach this probability")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  generate->add_option("--seed", g.seed, "Seed of the sampler")->capture_default_str();
  generate->add_option("--threads", g.threads, threads_help)->capture_default_str();

  add_compute(*generate, g.compute);

  tool::CompareRequest c;
  auto* compare = app.add_subcommand("compare", "Quantize by several recipes, read each back, and judge it");
  compare->add_option("MODEL_DIR", c.model, "Float checkpoint in Hugging Face layout")->required();
  compare->add_option("--recipes", c.recipes, "Recipes, separated by commas")->required()->delimiter(',');
  add_tokens(*compare, "--calib", c.calibration, true, "Calibration tokens");
  add_tokens(*compare, "--tokens", c.tokens, true, "Evaluation tokens");
  add_token_type(*compare, c.calibration.type);
  compare->add_option("--calib-tokens", c.calibration_tokens, "Calibration tokens used at most")->capture_default_str();
  compare->add_option("--window", c.window, "Tokens per window; 0: min(2048, max positions)")->capture_default_str();
  compare->add_option("--max-windows", c.max_windows, "Evaluation windows at most; 0: all")->capture_default_str();
  add_compute(*compare, c.compute);
  compare->add_option("-o,--output", c.output, "Keep the quantized checkpoints in this directory");
  compare->add_option("--json", c.json, "Write the report to this file");
  compare->add_option("--svg", c.svg, "Plot divergence against bits per weight to this file");
  compare->add_option("--threads", c.threads, threads_help)->capture_default_str();

  tool::ConvertRequest v;
  auto* convert = app.add_subcommand("convert", "Rewrite a quantized checkpoint in another layout, bit for bit where it can hold it");
  convert->add_option("IN_DIR", v.input, "Quantized checkpoint: lowbit, GPTQ, AWQ, compressed-tensors or MLX")->required();
  convert->add_option("--to", v.to, "Layout to write")
      ->required()
      ->check(CLI::IsMember({"lowbit", "gptq", "gptq_v2", "awq", "compressed-tensors"}));
  convert->add_option("-o,--output", v.output, "Directory to write")->required();
  convert->add_option("--json", v.json, "Write the report to this file");
  convert->add_option("--packing", v.packing, "Words of 3, 5, 6 and 7 bits in compressed-tensors: dense, or padded as before 2026")
      ->check(CLI::IsMember({"auto", "dense", "padded"}))
      ->capture_default_str();
  convert->add_flag("--requantize", v.requantize, "Round what the layout cannot hold exactly, instead of refusing it");
  convert->add_flag("--force", v.force, "Replace an existing output");
  convert->add_flag("--quiet", v.quiet, "No progress line");

  std::filesystem::path file;
  bool inspect_json = false;
  auto* inspect = app.add_subcommand("inspect", "List what a safetensors or GGUF file, or a checkpoint directory, holds");
  inspect->add_option("FILE", file, "File or directory")->required();
  inspect->add_flag("--json", inspect_json, "Print JSON");

  auto* support = app.add_subcommand("support", "Print which instruction set computes which stored type in this build");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? tool::done : tool::misused;
  }
  c.tokens.type = c.calibration.type;
  c.tokens.seed = c.calibration.seed + 1;  // evaluation text is not calibration text
  if (*quantize) return tool::quantize(q);
  if (*eval) return tool::eval(e);
  if (*generate) return tool::generate(g);
  if (*compare) return tool::compare(c);
  if (*convert) return tool::convert(v);
  if (*support) return tool::support();
  return tool::inspect(file, inspect_json);
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {  // out of memory, broken contracts
    std::cerr << "lowbit: " << error.what() << '\n';
    return tool::failed;
  }
}
