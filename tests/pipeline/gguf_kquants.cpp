// SPDX-License-Identifier: MIT
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/gguf_bytes.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/io/safetensors_writer.hpp"
#include "lowbit/pipeline.hpp"
#include "support/gguf_oracle.hpp"
#include "support/shared.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::gguf_kquants_tests {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t hidden = 256, middle = 512, heads = 4, kv_heads = 2, head_dim = 64, vocab = 4096;

struct Shape {
  const char* hf;
  const char* gguf;
  std::size_t rows, cols, rotary_heads;  ///< 0: rows stay
};
constexpr Shape projections[] = {{"self_attn.q_proj", "attn_q", heads * head_dim, hidden, heads},
                                 {"self_attn.k_proj", "attn_k", kv_heads * head_dim, hidden, kv_heads},
                                 {"self_attn.v_proj", "attn_v", kv_heads * head_dim, hidden, 0},
                                 {"self_attn.o_proj", "attn_output", hidden, heads * head_dim, 0},
                                 {"mlp.gate_proj", "ffn_gate", middle, hidden, 0},
                                 {"mlp.up_proj", "ffn_up", middle, hidden, 0},
                                 {"mlp.down_proj", "ffn_down", hidden, middle, 0}};

/// A random model whose rows are whole super-blocks, with the embedded model's tokenizer. Returns the projections' weights
/// by their Hugging Face names.
std::map<std::string, std::vector<float>> write_model(const fs::path& dir) {
  const fs::path embedded = repository_dir() / "examples/data/manual-1m";
  fs::create_directories(dir);
  fs::copy_file(embedded / "tokenizer.json", dir / "tokenizer.json");
  std::ofstream(dir / "config.json")
      << R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_act":"silu","bos_token_id":1,"eos_token_id":2,)"
      << R"("torch_dtype":"float16","vocab_size":4096,"hidden_size":256,"intermediate_size":512,"num_hidden_layers":1,)"
      << R"("num_attention_heads":4,"num_key_value_heads":2,"head_dim":64,"rms_norm_eps":1e-05,"rope_theta":10000.0,)"
      << R"("max_position_embeddings":512,"tie_word_embeddings":true})";
  std::map<std::string, std::vector<float>> weights;
  auto writer = io::SafetensorsWriter::create(dir / "model.safetensors", false).value();
  Rng rng(41);
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> shape, double sigma, double mean) {
    std::size_t count = 1;
    for (const std::uint64_t extent : shape) count *= extent;
    std::vector<std::uint8_t> bytes;
    std::vector<float>& values = weights[name];
    for (std::size_t i = 0; i < count; ++i) {
      const f16 half(static_cast<float>(mean + sigma * rng.normal()));
      values.push_back(static_cast<float>(half));
      put_number(bytes, half.bits, 2);
    }
    writer.add(name, io::Dtype::F16, std::move(shape), bytes).value();
  };
  add("model.embed_tokens.weight", {vocab, hidden}, 0.02, 0.0);
  add("model.norm.weight", {hidden}, 0.1, 1.0);
  add("model.layers.0.input_layernorm.weight", {hidden}, 0.1, 1.0);
  add("model.layers.0.post_attention_layernorm.weight", {hidden}, 0.1, 1.0);
  for (const Shape& p : projections)
    add("model.layers.0." + std::string(p.hf) + ".weight", {p.rows, p.cols}, 0.05, 0.0);
  writer.finish().value();
  return weights;
}

Bytes file_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

struct Stored {
  const char* recipe;
  io::GgmlType type;
  std::uint32_t id;
  std::size_t block, bytes;
  double noise;  ///< published for Gaussian weights
};
constexpr Stored stored[] = {{"rtn:q4_0", io::GgmlType::Q4_0, 2, 32, 18, 0.00740},
                             {"rtn:q8_0", io::GgmlType::Q8_0, 8, 32, 34, 2.86e-5},
                             {"rtn:q4_k", io::GgmlType::Q4_K, 12, 256, 144, 0.00510},
                             {"rtn:q6_k", io::GgmlType::Q6_K, 14, 256, 210, 3.15e-4}};

/// One written file per stored type.
struct Files {
  TempDir dir;
  std::map<std::string, std::vector<float>> weights = write_model(dir / "source");
  Files() {
    for (const Stored& s : stored) {
      Executor executor(2);
      const auto spec = pipeline::parse_recipe(s.recipe).value();
      auto sink = pipeline::GgufSink::create(dir / "source", path(s), s.recipe, false).value();
      pipeline::quantize_checkpoint(dir / "source", spec, {}, *sink, {}, executor).value();
    }
  }
  fs::path path(const Stored& s) const { return dir / (std::string(s.recipe).substr(4) + ".gguf"); }
};
const Files& files() {
  static const Files all;
  return all;
}

}  // namespace

TEST_CASE("GGUF model files: metadata has what other readers ask for, and every tensor lies inside, aligned",
          "[pipeline][gguf]") {
  for (const Stored& s : stored) {
    INFO(s.recipe);
    const Bytes bytes = file_bytes(files().path(s));
    REQUIRE(bytes.size() > 1000);
    CHECK(std::string(bytes.begin(), bytes.begin() + 4) == "GGUF");
    CHECK(get_number(bytes, 4, 4) == 3);
    const NaiveGguf file = read_naively(bytes);
    CHECK(file.texts.at("general.architecture") == "llama");
    CHECK(file.texts.at("tokenizer.ggml.model") == "llama");
    CHECK(!file.texts.at("tokenizer.ggml.pre").empty());
    CHECK(file.texts.at("tokenizer.ggml.tokens").find("<0x0A>") != std::string::npos);
    CHECK(!file.texts.at("tokenizer.ggml.merges").empty());
    for (const auto& [key, value] : std::map<std::string, std::uint64_t>{{"general.alignment", 32},
                                                                         {"general.quantization_version", 2},
                                                                         {"llama.vocab_size", vocab},
                                                                         {"llama.embedding_length", hidden},
                                                                         {"llama.feed_forward_length", middle},
                                                                         {"llama.block_count", 1},
                                                                         {"llama.context_length", 512},
                                                                         {"llama.attention.head_count", heads},
                                                                         {"llama.attention.head_count_kv", kv_heads},
                                                                         {"llama.rope.dimension_count", head_dim},
                                                                         {"tokenizer.ggml.bos_token_id", 1},
                                                                         {"tokenizer.ggml.eos_token_id", 2}}) {
      INFO(key);
      REQUIRE(file.numbers.count(key) == 1);
      CHECK(file.numbers.at(key) == value);
    }
    for (const char* key : {"llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base", "tokenizer.ggml.scores",
                            "tokenizer.ggml.token_type"})
      CHECK(file.numbers.count(key) == 1);
    const auto opened = io::GgufFile::open(files().path(s)).value();
    for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"}) {
      const io::GgufValue* list = opened.find_value(key);
      REQUIRE(list != nullptr);
      CHECK(list->count == vocab);
    }

    CHECK(file.data_begin % 32 == 0);
    CHECK(file.tensors.size() == 4 + std::size(projections));
    std::uint64_t end = 0;
    for (const RawTensor& tensor : file.tensors) {
      INFO(tensor.name);
      CHECK(tensor.offset % 32 == 0);
      CHECK(tensor.offset >= end);
      std::uint64_t count = 1;
      for (const std::uint64_t extent : tensor.dims) count *= extent;
      const std::uint64_t size = tensor.type == s.id ? count / s.block * s.bytes : count * (tensor.type == 0 ? 4 : 2);
      end = tensor.offset + size;
      CHECK(file.data_begin + end <= bytes.size());
    }
  }
}

TEST_CASE("GGUF model files: a naive decoder reads the weights back, the noise being the type's, and the loader agrees",
          "[pipeline][gguf]") {
  for (const Stored& s : stored) {
    INFO(s.recipe);
    const Bytes bytes = file_bytes(files().path(s));
    const NaiveGguf file = read_naively(bytes);
    const auto loaded = pipeline::load_gguf(files().path(s)).value();
    for (std::size_t k = 0; k < std::size(projections); ++k) {
      const Shape& p = projections[k];
      INFO(p.hf);
      const std::string name = "blk.0." + std::string(p.gguf) + ".weight";
      const auto tensor = std::find_if(file.tensors.begin(), file.tensors.end(), [&](const RawTensor& t) { return t.name == name; });
      REQUIRE(tensor != file.tensors.end());
      CHECK(tensor->type == s.id);
      CHECK(tensor->dims == std::vector<std::uint64_t>{p.cols, p.rows});  // contiguous dimension first
      const std::vector<float>& source = files().weights.at("model.layers.0." + std::string(p.hf) + ".weight");
      const Matrix ours = loaded.model.layer(0)[model::projections[k]].linear->dequantized();
      REQUIRE(static_cast<std::size_t>(ours.rows()) == p.rows);
      double error = 0.0, power = 0.0, apart = 0.0;
      for (std::size_t r = 0; r < p.rows; ++r) {
        // Row h·d + 2i + s of the file is row h·d + i + s·d/2 of the checkpoint.
        const std::size_t h = r / head_dim, in_head = r % head_dim;
        const std::size_t from = p.rotary_heads == 0 ? r : h * head_dim + in_head / 2 + in_head % 2 * (head_dim / 2);
        for (std::size_t c = 0; c < p.cols; ++c) {
          const std::size_t block = (r * p.cols + c) / s.block;
          const std::size_t at = file.data_begin + static_cast<std::size_t>(tensor->offset) + block * s.bytes;
          const double value = gguf_element(s.type, [&](unsigned b) { return bytes[at + b]; },
                                            static_cast<unsigned>((r * p.cols + c) % s.block));
          const auto want = static_cast<double>(source[from * p.cols + c]);
          error += (value - want) * (value - want);
          power += want * want;
          apart = std::max(apart, std::fabs(value - static_cast<double>(ours(static_cast<Index>(from), static_cast<Index>(c)))));
        }
      }
      CHECK(error / power == Approx(s.noise).epsilon(0.05));
      CHECK(apart <= 1e-7);  // weights are about 0.05; a minimum is subtracted in float
    }
  }
}

}  // namespace lowbit::test::gguf_kquants_tests
