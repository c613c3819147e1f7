// SPDX-License-Identifier: MIT
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "catch.hpp"
#include "lowbit/model/eigen_kernels.hpp"
#include "lowbit/model/evaluate.hpp"
#include "lowbit/model/generate.hpp"
#include "lowbit/pipeline.hpp"
#include "support/shared.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::checkpoint_tests {
namespace {

using pipeline::load_model;

std::filesystem::path model_dir() { return repository_dir() / "examples/data/manual-1m"; }

/// Some text in the model's own words: 24 windows of 64 tokens.
const std::vector<std::uint32_t>& sampled() {
  static const std::vector<std::uint32_t> tokens = [] {
    Executor executor(2);
    return model::sample_tokens(load_model(model_dir()).value().model, 64, 24, 11, executor).value();
  }();
  return tokens;
}

Result<pipeline::QuantizeOutcome> quantize(const std::string& recipe, const std::filesystem::path& source,
                                           const std::filesystem::path& out, std::size_t threads = 2, bool force = false) {
  Executor executor(threads);
  LOWBIT_TRY(spec, pipeline::parse_recipe(recipe));
  LOWBIT_TRY(sink, out.extension() == ".gguf" ? pipeline::GgufSink::create(source, out, recipe, force)
                                              : pipeline::HuggingFaceSink::create(source, out, recipe, force));
  return pipeline::quantize_checkpoint(source, spec, sampled(), *sink, {.window = 64}, executor);
}

std::string bytes_of(const std::filesystem::path& path) { return io::read_text(path, std::uint64_t{1} << 30).value(); }

double nll(const model::Llama& model) {
  Executor executor(2);
  return model::evaluate(model, sampled(), {.window = 64, .bootstrap_draws = 10}, executor).value().nll;
}

/// The same model with every packed matrix replaced by its dequantized floats.
model::Llama unpacked(const std::filesystem::path& dir) {
  auto loaded = load_model(dir).value();
  for (std::size_t i = 0; i < loaded.model.config().num_hidden_layers; ++i)
    for (const model::Projection p : model::projections) {
      auto& slot = loaded.model.layer(i)[p];
      slot.linear = std::make_unique<model::FloatLinear>(slot.linear->dequantized());
    }
  return std::move(loaded.model);
}

/// A copy of the embedded model whose safetensors bytes `change` may edit.
template <class Change>
void copy_model(const std::filesystem::path& source, const std::filesystem::path& target, Change change) {
  std::filesystem::create_directories(target);
  for (const char* name : {"config.json", "tokenizer.json"})
    std::filesystem::copy_file(source / name, target / name, std::filesystem::copy_options::overwrite_existing);
  const auto set = io::SafetensorsSet::open(source).value();
  auto writer = io::SafetensorsWriter::create(target / "model.safetensors", true).value();
  auto metadata = set.metadata();
  for (const io::TensorView& tensor : set.tensors()) {
    io::TensorView edited = tensor;
    std::vector<std::uint8_t> bytes(tensor.bytes.begin(), tensor.bytes.end());
    if (!change(edited, bytes, metadata)) continue;
    edited.bytes = bytes;
    writer.add(edited).value();
  }
  writer.set_metadata(metadata);
  writer.finish().value();
}

bool only_child(const std::filesystem::path& dir, const std::string& name) {
  std::size_t others = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) others += entry.path().filename() != name ? 1 : 0;
  return others == 0;
}

}  // namespace

TEST_CASE("checkpoint: what is read back evaluates like its dequantized weights", "[pipeline]") {
  const TempDir dir;
  for (const char* recipe :
       {"rtn:int4:g128", "gptq:int4:g128:asym", "gptq:int3:g64:act_order:cd1", "gptq:int2:g32:asymreal", "rtn:int8:grow",
        "rtn:int5:gtensor", "gptq:int6:g100:scale_bf16:act_order:static_groups", "rtn:int7:g48:scale_f32:s4", "gptq:q4_0", "rtn:q8_0",
        "quip:int2", "quip#:2:cd1", "qtip:2:l12", "rescale+rht_in+gptq:int3:g64:asym:seed9", "rht+ldlq:pvq3",
        "rtn:e8_ball12:g64", "gptq:trellis:k3:l12:g64:act_order", "lnq:3", "dgms:2:cd1", "rht+glvq:d8:b2", "rtn:codebook:d4:b8"}) {
    CAPTURE(recipe);
    const auto outcome = quantize(recipe, model_dir(), dir / "out", 2, true);
    REQUIRE(outcome);
    CHECK(outcome->layers.size() == 28);
    const auto loaded = load_model(dir / "out");
    REQUIRE(loaded);
    CHECK(loaded->bits_per_weight == Approx(outcome->bits_per_weight).epsilon(1e-12));
    CHECK(std::abs(nll(loaded->model) - nll(unpacked(dir / "out"))) <= 1e-4);
  }
}

TEST_CASE("checkpoint: rounding to nearest is what it says, weight by weight", "[pipeline]") {
  const TempDir dir;
  REQUIRE(quantize("rtn:int4:g128:asym", model_dir(), dir / "out"));
  const auto source = load_model(model_dir()).value();
  const auto packed = load_model(dir / "out").value();
  using Q = Uniform<Int4, UniformOptions{.group_size = 128, .zero_point = ZeroPoint::integer}>;
  for (std::size_t i = 0; i < 4; ++i)
    for (const model::Projection p : model::projections) {
      const Matrix W = source.model.layer(i)[p].linear->dequantized();
      const auto expected = quantize_nearest(Q{}, std::span(W.data(), static_cast<std::size_t>(W.size())),
                                             static_cast<std::size_t>(W.rows()), static_cast<std::size_t>(W.cols()));
      CHECK(packed.model.layer(i)[p].linear->dequantized() == dequantize(*expected));
    }
}

TEST_CASE("checkpoint: float recipes keep the embedded half-precision weights bit for bit", "[pipeline]") {
  const TempDir dir;
  REQUIRE(quantize("fp16", model_dir(), dir / "half"));
  const auto set = io::SafetensorsSet::open(dir / "half").value();
  const auto source = io::SafetensorsSet::open(model_dir()).value();
  for (const io::TensorView& tensor : source.tensors()) {
    const io::TensorView* copy = set.find(tensor.name);
    REQUIRE(copy != nullptr);
    CHECK(std::equal(tensor.bytes.begin(), tensor.bytes.end(), copy->bytes.begin(), copy->bytes.end()));
  }
  CHECK(load_model(dir / "half").value().bits_per_weight == 16.0);
}

TEST_CASE("checkpoint: the same bytes for any number of threads and any run", "[pipeline]") {
  const TempDir dir;
  for (const std::string recipe : {"gptq:int4:g64:asym:act_order:cd2:hlp2", "rescale+rht+ldlq:e8p:gtensor:cd1", "qtip:2:l12", "rht+glvq:d8:b2:cd1", "lnq:2:cd1",
                                   "dgms:3:cd1"}) {
    CAPTURE(recipe);
    REQUIRE(quantize(recipe, model_dir(), dir / "one", 1, true));
    REQUIRE(quantize(recipe, model_dir(), dir / "two", 2, true));
    const bool again = recipe.find("glvq") == recipe.npos;  // the slowest
    if (again) REQUIRE(quantize(recipe, model_dir(), dir / "again", 2, true));
    for (const char* name : {"model.safetensors", "config.json", "tokenizer.json"}) {
      CHECK(bytes_of(dir / "one" / name) == bytes_of(dir / "two" / name));
      if (again) CHECK(bytes_of(dir / "two" / name) == bytes_of(dir / "again" / name));
    }
  }
}

TEST_CASE("checkpoint: another seed is another basis, and a damaged basis is refused by name", "[pipeline]") {
  const TempDir dir;
  REQUIRE(quantize("rht+rtn:int4", model_dir(), dir / "one"));
  REQUIRE(quantize("rht+rtn:int4:seed1", model_dir(), dir / "two"));
  CHECK(bytes_of(dir / "one" / "model.safetensors") != bytes_of(dir / "two" / "model.safetensors"));
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  for (const auto& [from, to] : {std::pair<const char*, const char*>{"\"rht\"", "\"fht\""},
                                 {"\"seeds\":[", "\"seeds\":[\"7\","},
                                 {"\"seeds\":[", "\"seeds\":[7,"},
                                 {"\"kind\":", "\"kinds\":"},
                                 {"\"construction\":\"", "\"construction\":\"other "}}) {
    CAPTURE(from, to);
    copy_model(dir / "one", dir / "damaged", [&, from = std::string(from), to = std::string(to)](auto&, auto&, auto& metadata) {
      std::string& shape = metadata.at("lowbit:" + name);
      if (shape.find(to) == std::string::npos) {
        const std::size_t at = shape.find(from);
        REQUIRE(at != std::string::npos);
        shape.replace(at, from.size(), to);
      }
      return true;
    });
    const auto loaded = load_model(dir / "damaged");
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().tensor == name);
  }
}

TEST_CASE("checkpoint: Hessian rounding beats rounding to nearest in every layer's own measure", "[pipeline]") {
  const TempDir dir;
  const auto nearest = quantize("rtn:int3:g64:asym", model_dir(), dir / "rtn");
  const auto hessian = quantize("gptq:int3:g64:asym", model_dir(), dir / "gptq");
  REQUIRE(nearest);
  REQUIRE(hessian);
  // Only the first matrices see the same inputs in both runs.
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(hessian->layers[i].report.relative_error() < nearest->layers[i].report.relative_error());
  for (const auto& layer : hessian->layers) CHECK(layer.report.fallback.empty());
}

TEST_CASE("checkpoint: an existing output stays unless replacing it was asked for", "[pipeline]") {
  const TempDir dir;
  REQUIRE(quantize("rtn:int4", model_dir(), dir / "out"));
  const std::string before = bytes_of(dir / "out" / "model.safetensors");
  const auto refused = quantize("rtn:int3", model_dir(), dir / "out");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::already_exists);
  CHECK(bytes_of(dir / "out" / "model.safetensors") == before);
  REQUIRE(quantize("rtn:int3", model_dir(), dir / "out", 2, true));
  CHECK(bytes_of(dir / "out" / "model.safetensors") != before);
  CHECK(only_child(dir.path(), "out"));
  std::ofstream(dir / "file") << "precious";
  CHECK(quantize("rtn:int3", model_dir(), dir / "file", 2, true).error().code == Errc::already_exists);
  CHECK(bytes_of(dir / "file") == "precious");
}

TEST_CASE("checkpoint: a NaN weight is named, and nothing is left behind", "[pipeline]") {
  const TempDir dir;
  const std::string victim = "model.layers.2.mlp.up_proj.weight";
  copy_model(model_dir(), dir / "nan", [&](io::TensorView& tensor, std::vector<std::uint8_t>& bytes, auto&) {
    if (tensor.name == victim) {
      const std::size_t element = 5 * tensor.shape[1] + 7;
      bytes[2 * element] = 0x01;
      bytes[2 * element + 1] = 0x7e;
    }
    return true;
  });
  std::filesystem::create_directories(dir / "results");
  const auto failed = quantize("gptq:int4:g128", dir / "nan", dir / "results" / "out");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == Errc::not_finite);
  CHECK(failed.error().tensor == victim);
  CHECK(failed.error().row == 5u);
  CHECK(failed.error().column == 7u);
  CHECK(std::filesystem::is_empty(dir / "results"));
}

TEST_CASE("checkpoint: bad requests are refused before any work", "[pipeline]") {
  const TempDir dir;
  Executor executor;
  const auto run = [&](const std::string& recipe, std::vector<std::uint32_t> tokens, std::size_t window) {
    auto sink = pipeline::HuggingFaceSink::create(model_dir(), dir / "out", recipe, true).value();
    return pipeline::quantize_checkpoint(model_dir(), pipeline::parse_recipe(recipe).value(), tokens, *sink, {.window = window},
                                         executor);
  };
  CHECK(run("gptq:int4", {}, 64).error().code == Errc::invalid_argument);
  CHECK(run("gptq:int4", std::vector<std::uint32_t>(63, 5), 64).error().code == Errc::invalid_argument);
  CHECK(run("gptq:int4", std::vector<std::uint32_t>(1024, 5), 513).error().code == Errc::invalid_argument);
  std::vector<std::uint32_t> tokens(128, 5);
  tokens[77] = 4096;
  const auto out_of_range = run("gptq:int4", tokens, 64);
  CHECK(out_of_range.error().code == Errc::out_of_range_token);
  CHECK(out_of_range.error().row == 77u);
  CHECK(std::filesystem::is_empty(dir.path()));
  REQUIRE(quantize("rtn:int4", model_dir(), dir / "packed"));
  CHECK(quantize("rtn:int4", dir / "packed", dir / "twice").error().code == Errc::unsupported);
}

TEST_CASE("checkpoint: a full disk is an error that names the file, and nothing is left behind", "[pipeline]") {
  const TempDir dir;
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto former = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100000, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto directory = quantize("rtn:int4", model_dir(), dir / "out");
  const auto file = quantize("rtn:q4_0", model_dir(), dir / "out.gguf");
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, former);
  REQUIRE_FALSE(directory);
  REQUIRE_FALSE(file);
  CHECK(directory.error().code == Errc::io_error);
  CHECK(file.error().code == Errc::io_error);
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("packed files: damage is named", "[pipeline]") {
  const TempDir dir;
  REQUIRE(quantize("gptq:int4:g64:asym:act_order", model_dir(), dir / "good"));
  const std::string name = "model.layers.1.self_attn.k_proj.weight";
  const auto damaged = [&](auto change) {
    copy_model(dir / "good", dir / "bad", change);
    const auto loaded = load_model(dir / "bad");
    REQUIRE_FALSE(loaded);
    CAPTURE(to_string(loaded.error()));
    CHECK(loaded.error().tensor.starts_with(name));
    return loaded.error().code;
  };
  using Bytes = std::vector<std::uint8_t>;
  for (const char* part : {".codes", ".scales", ".zeros"})
    CHECK(damaged([&](io::TensorView& t, Bytes&, auto&) { return t.name != name + part; }) == Errc::missing);
  CHECK(damaged([&](io::TensorView& t, Bytes& b, auto&) {
          if (t.name == name + ".scales") b[3] = 0x7e;
          return true;
        }) == Errc::not_finite);
  CHECK(damaged([&](io::TensorView& t, Bytes& b, auto&) {
          if (t.name == name + ".column_order") b[0] = b[4], b[1] = b[5];
          return true;
        }) == Errc::malformed);
  CHECK(damaged([&](io::TensorView& t, Bytes&, auto&) {
          if (t.name == name + ".scales") t.dtype = io::Dtype::BF16;
          return true;
        }) == Errc::malformed);
  CHECK(damaged([&](io::TensorView& t, Bytes&, auto&) {
          if (t.name == name + ".codes") t.shape = {t.shape[0] * 2, t.shape[1] / 2};
          return true;
        }) == Errc::shape_mismatch);
  const auto with_shape = [&](const std::string& json) {
    return damaged([&](io::TensorView&, Bytes&, auto& metadata) {
      metadata["lowbit:" + name] = json;
      return true;
    });
  };
  CHECK(with_shape("{") == Errc::malformed);
  CHECK(with_shape(R"({"cols":128,"group_size":64,"rows":64,"type":"int4_best"})") == Errc::unsupported);
  CHECK(with_shape(R"({"cols":128,"group_size":0,"rows":64,"type":"int4_asym_f16"})") == Errc::out_of_bounds);
  CHECK(with_shape(R"({"cols":128,"group_size":-1,"rows":64,"type":"int4_asym_f16"})") == Errc::malformed);
  CHECK(with_shape(R"({"cols":128,"group_size":32,"rows":64,"type":"int4_asym_f16"})") == Errc::shape_mismatch);
  CHECK(with_shape(R"({"cols":64,"group_size":64,"rows":128,"type":"int4_asym_f16"})") == Errc::shape_mismatch);
  copy_model(dir / "good", dir / "bad", [](io::TensorView&, Bytes&, auto& metadata) {
    metadata["lowbit.version"] = "2";
    return true;
  });
  CHECK(load_model(dir / "bad").error().code == Errc::unsupported);
}

TEST_CASE("GGUF: an exported checkpoint computes what the packed directory computes", "[pipeline][gguf]") {
  const TempDir dir;
  Executor executor(2);
  const std::vector<std::uint32_t> prompt{1, 339, 1037, 298, 265};
  const std::pair<const char*, bool> recipes[] = {  // true: the blocks of 32 repeat scales
      {"rtn:q4_0", false},       {"gptq:q8_0", false}, {"rtn:int4:g32", false},
      {"gptq:int4:g128", true}, {"rtn:int8:grow", true}, {"gptq:int8:g64:act_order:static_groups", true},
      {"fp16", false}};
  for (const auto& [recipe, repeats] : recipes) {
    CAPTURE(recipe);
    REQUIRE(quantize(recipe, model_dir(), dir / "hf", 2, true));
    REQUIRE(quantize(recipe, model_dir(), dir / "out.gguf", 2, true));
    const auto packed = load_model(dir / "hf").value();
    const auto exported = pipeline::load_gguf(dir / "out.gguf");
    REQUIRE(exported);
    if (repeats)
      CHECK(exported->bits_per_weight > packed.bits_per_weight);
    else
      CHECK(exported->bits_per_weight == Approx(packed.bits_per_weight));
    for (std::size_t i = 0; i < 4; ++i)
      for (const model::Projection p : model::projections)
        CHECK(exported->model.layer(i)[p].linear->dequantized() == packed.model.layer(i)[p].linear->dequantized());
    const Matrix a = packed.model.forward(prompt, executor).value(), b = exported->model.forward(prompt, executor).value();
    CHECK((a - b).cwiseAbs().maxCoeff() <= 1e-4f);
  }
}

TEST_CASE("GGUF: rows of q move to neighbouring pairs, head by head", "[pipeline][gguf]") {
  const TempDir dir;
  REQUIRE(quantize("fp16", model_dir(), dir / "out.gguf"));
  const auto file = io::GgufFile::open(dir / "out.gguf").value();
  const auto source = io::SafetensorsSet::open(model_dir()).value();
  for (const auto& [hf, gguf, heads] : {std::tuple("q", "q", 4), std::tuple("k", "k", 2)}) {
    const auto* from = source.find(std::string("model.layers.1.self_attn.") + hf + "_proj.weight");
    const auto* to = file.find(std::string("blk.1.attn_") + gguf + ".weight");
    REQUIRE(from != nullptr);
    REQUIRE(to != nullptr);
    const std::size_t row = 128 * 2, d = 32;
    bool same = true;
    for (std::size_t h = 0; h < static_cast<std::size_t>(heads); ++h)
      for (std::size_t i = 0; i < d / 2; ++i)
        for (std::size_t s = 0; s < 2; ++s)
          same = same && std::equal(from->bytes.begin() + static_cast<std::ptrdiff_t>((h * d + i + s * 16) * row),
                                    from->bytes.begin() + static_cast<std::ptrdiff_t>((h * d + i + s * 16 + 1) * row),
                                    to->bytes.begin() + static_cast<std::ptrdiff_t>((h * d + 2 * i + s) * row));
    CHECK(same);
  }
  CHECK(file.get<std::string>("general.architecture").value() == "llama");
  CHECK(file.get<std::uint64_t>("general.alignment").value() == 32);
}

TEST_CASE("GGUF: what it cannot hold is refused by name", "[pipeline][gguf]") {
  const TempDir dir;
  for (const char* recipe : {"rtn:int3:g32", "rtn:int4:g48", "rtn:int4:g32:asym", "rtn:int4:g32:scale_bf16", "gptq:int4:g32:act_order",
                             "rht+rtn:q8_0", "rtn:e8p"}) {
    CAPTURE(recipe);
    const auto refused = quantize(recipe, model_dir(), dir / "out.gguf");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::unsupported);
    CHECK(refused.error().tensor == "model.layers.0.self_attn.q_proj.weight");
  }
  CHECK(std::filesystem::is_empty(dir.path()));
}

}  // namespace lowbit::test::checkpoint_tests
