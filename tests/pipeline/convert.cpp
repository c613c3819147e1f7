// SPDX-License-Identifier: MIT
#include <fstream>

#include "catch.hpp"
#include "lowbit/model/evaluate.hpp"
#include "lowbit/pipeline/convert.hpp"
#include "lowbit/pipeline/load_model.hpp"
#include "lowbit/pipeline/quantize.hpp"
#include "support/shared.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::convert_tests {
namespace {

using namespace pipeline;
using Outcome = ConvertedModule::Outcome;
namespace fs = std::filesystem;

fs::path model_dir() { return repository_dir() / "examples/data/manual-1m"; }

const std::vector<std::uint32_t>& some_tokens() {
  static const std::vector<std::uint32_t> tokens = [] {
    std::vector<std::uint32_t> t;
    for (std::uint32_t i = 0; i < 4 * 64; ++i) t.push_back(3 + i * 37 % 4000);
    return t;
  }();
  return tokens;
}

/// The embedded model, quantized by this library.
void quantize(const std::string& recipe, const fs::path& out) {
  Executor executor(2);
  const auto spec = ptq::parse_recipe(recipe).value();
  auto sink = HuggingFaceSink::create(model_dir(), out, recipe, false).value();
  quantize_checkpoint(model_dir(), spec, some_tokens(), *sink, {.window = 64}, executor).value();
}

std::string bytes_of(const fs::path& path) { return io::read_text(path, std::uint64_t{1} << 30).value(); }
io::Json json_of(const fs::path& path) { return io::parse_json(bytes_of(path)).value(); }

Result<ConversionReport> convert(const fs::path& from, const fs::path& to, const char* layout, ConvertOptions options = {}) {
  return convert_checkpoint(from, to, parse_layout(layout).value(), options);
}
void require_exact(const fs::path& from, const fs::path& to, const char* layout) {
  const auto report = convert(from, to, layout);
  if (!report) FAIL(to_string(report.error()));
  for (const ConvertedModule& m : report->modules) {
    CAPTURE(m.name, m.reason);
    REQUIRE(m.outcome == Outcome::exact);
  }
  REQUIRE(report->written);
  REQUIRE(report->modules.size() == 28);
}

/// Every projection's weights, in float.
std::vector<Matrix> weights_of(const fs::path& dir) {
  auto loaded = load_model(dir);
  if (!loaded) FAIL(to_string(loaded.error()));
  std::vector<Matrix> out;
  for (std::size_t i = 0; i < loaded->model.config().num_hidden_layers; ++i)
    for (const model::Projection p : model::projections) out.push_back(loaded->model.layer(i)[p].linear->dequantized());
  return out;
}

/// A copy of a checkpoint whose config.json and tensors `change` may edit.
template <class Change>
void edit(const fs::path& from, const fs::path& to, Change change) {
  fs::create_directories(to);
  io::Json config = json_of(from / "config.json");
  const auto set = io::SafetensorsSet::open(from).value();
  auto writer = io::SafetensorsWriter::create(to / "model.safetensors", true).value();
  for (const io::TensorView& tensor : set.tensors()) {
    io::TensorView edited = tensor;
    std::vector<std::uint8_t> bytes(tensor.bytes.begin(), tensor.bytes.end());
    if (!change(edited, bytes)) continue;
    edited.bytes = bytes;
    writer.add(edited).value();
  }
  writer.set_metadata(set.metadata());
  writer.finish().value();
  fs::copy_file(from / "config.json", to / "config.json", fs::copy_options::overwrite_existing);
}
void set_config(const fs::path& dir, const io::Json& config) { std::ofstream(dir / "config.json") << config.dump(1); }

}  // namespace

TEST_CASE("convert: a checkpoint comes back bit for bit from every layout that can hold it", "[pipeline][convert]") {
  const TempDir dir;
  for (const auto& [recipe, layouts] : std::vector<std::pair<std::string, std::vector<const char*>>>{
           {"rtn:int4:g32:asym", {"gptq", "gptq_v2", "awq", "compressed-tensors"}},
           {"rtn:int4:g64", {"gptq", "gptq_v2", "compressed-tensors"}},
           {"gptq:int4:g32:asym:act_order", {"gptq", "gptq_v2", "compressed-tensors"}},
           {"gptq:int3:g64:act_order", {"gptq", "compressed-tensors"}},
           {"rtn:int2:g32:asym", {"gptq_v2", "compressed-tensors"}},
           {"rtn:int8:grow", {"gptq", "compressed-tensors"}},
           {"rtn:int5:g48:scale_bf16:asym", {"compressed-tensors"}},
           {"rtn:int7:gtensor:scale_f32", {"compressed-tensors"}}}) {
    CAPTURE(recipe);
    fs::remove_all(dir / "own");
    quantize(recipe, dir / "own");
    const std::vector<Matrix> expected = weights_of(dir / "own");
    for (const char* layout : layouts) {
      CAPTURE(layout);
      fs::remove_all(dir / "other");
      fs::remove_all(dir / "back");
      require_exact(dir / "own", dir / "other", layout);
      CHECK(weights_of(dir / "other") == expected);
      require_exact(dir / "other", dir / "back", "lowbit");
      CHECK(weights_of(dir / "back") == expected);
      if (recipe.find("act_order") == std::string::npos) {  // the order of columns within a group is not part of any layout
        const auto own = io::SafetensorsSet::open(dir / "own").value(), back = io::SafetensorsSet::open(dir / "back").value();
        for (const io::TensorView& tensor : own.tensors()) {
          const io::TensorView* same = back.find(tensor.name);
          REQUIRE(same != nullptr);
          CHECK(std::ranges::equal(same->bytes, tensor.bytes));
        }
      }
    }
  }
}

TEST_CASE("convert: around the circle of layouts every file comes back byte for byte", "[pipeline][convert]") {
  const TempDir dir;
  quantize("rtn:int4:g32:asym", dir / "own");
  require_exact(dir / "own", dir / "v1", "gptq");
  require_exact(dir / "v1", dir / "awq", "awq");
  require_exact(dir / "awq", dir / "ct", "compressed-tensors");
  require_exact(dir / "ct", dir / "v2", "gptq_v2");
  require_exact(dir / "v2", dir / "again", "gptq");
  CHECK(bytes_of(dir / "again" / "model.safetensors") == bytes_of(dir / "v1" / "model.safetensors"));
  CHECK(bytes_of(dir / "again" / "config.json") == bytes_of(dir / "v1" / "config.json"));
  CHECK(bytes_of(dir / "v1" / "tokenizer.json") == bytes_of(model_dir() / "tokenizer.json"));
  // Zero points of 0 wrapped on the way.
  const auto set = QuantizedCheckpoint::open(dir / "ct").value();
  std::size_t zeros = 0;
  for (const std::string& module : set.modules()) {
    const auto matrix = set.read(module).value().matrix;
    zeros += static_cast<std::size_t>(std::ranges::count(std::get<io::CodeMatrix>(matrix).zeros, 0));
  }
  INFO("zero points of 0: " << zeros);
  // act_order goes round through the layouts that can hold it.
  quantize("gptq:int4:g32:act_order", dir / "act");
  require_exact(dir / "act", dir / "act1", "gptq");
  require_exact(dir / "act1", dir / "actct", "compressed-tensors");
  require_exact(dir / "actct", dir / "act2", "gptq");
  CHECK(bytes_of(dir / "act2" / "model.safetensors") == bytes_of(dir / "act1" / "model.safetensors"));
  CHECK(json_of(dir / "act1" / "config.json")["quantization_config"]["desc_act"] == true);
}

TEST_CASE("convert: the configuration says what other engines look for", "[pipeline][convert]") {
  const TempDir dir;
  quantize("rtn:int4:g64", dir / "own");
  require_exact(dir / "own", dir / "gptq", "gptq");
  const io::Json gptq = json_of(dir / "gptq" / "config.json")["quantization_config"];
  CHECK(gptq["quant_method"] == "gptq");
  CHECK(gptq["bits"] == 4);
  CHECK(gptq["group_size"] == 64);
  CHECK(gptq["sym"] == true);
  CHECK(gptq["desc_act"] == false);
  CHECK(gptq["checkpoint_format"] == "gptq");
  CHECK(json_of(dir / "gptq" / "quantize_config.json") == gptq);
  CHECK(json_of(dir / "gptq" / "config.json")["hidden_size"] == 128);
  const auto set = io::SafetensorsSet::open(dir / "gptq").value();
  const io::TensorView* qweight = set.find("model.layers.0.mlp.down_proj.qweight");
  REQUIRE(qweight != nullptr);
  CHECK(qweight->shape == std::vector<std::uint64_t>{384 * 4 / 32, 128});
  for (const std::uint8_t byte : set.find("model.layers.0.mlp.down_proj.qzeros")->bytes) CHECK(byte == 0x77);

  require_exact(dir / "own", dir / "awq", "awq");
  const io::Json awq = json_of(dir / "awq" / "config.json")["quantization_config"];
  CHECK(awq["quant_method"] == "awq");
  CHECK(awq["version"] == "gemm");
  CHECK(awq["zero_point"] == true);
  CHECK(awq["group_size"] == 64);

  require_exact(dir / "own", dir / "ct", "compressed-tensors");
  const io::Json ct = json_of(dir / "ct" / "config.json")["quantization_config"];
  CHECK(ct["format"] == "pack-quantized");
  CHECK(ct["ignore"] == io::Json::array({"lm_head"}));
  const io::Json& weights = ct["config_groups"]["group_0"]["weights"];
  CHECK(ct["config_groups"]["group_0"]["targets"] == io::Json::array({"Linear"}));
  CHECK(weights["num_bits"] == 4);
  CHECK(weights["strategy"] == "group");
  CHECK(weights["symmetric"] == true);
}

TEST_CASE("convert: what a layout cannot hold is refused with its reason, and nothing is written", "[pipeline][convert]") {
  const TempDir dir;
  const auto refused = [&](const std::string& recipe, const char* layout, const std::string& reason) {
    CAPTURE(recipe, layout);
    fs::remove_all(dir / "own");
    quantize(recipe, dir / "own");
    const auto report = convert(dir / "own", dir / "out", layout);
    if (!report) FAIL(to_string(report.error()));
    CHECK_FALSE(report->written);
    CHECK_FALSE(fs::exists(dir / "out"));
    REQUIRE(report->count(Outcome::refused) > 0);
    for (const ConvertedModule& m : report->modules)
      if (m.outcome == Outcome::refused) CHECK(m.reason.find(reason) != std::string::npos);
    const io::Json json = to_json(*report);
    CHECK(json["written"] == false);
    CHECK(json["refused"] == report->count(Outcome::refused));
    CHECK(json["modules"].size() == 28);

    const auto rounded = convert(dir / "own", dir / "out", layout, {.requantize = true});
    if (!rounded) FAIL(to_string(rounded.error()));
    CHECK(rounded->written);
    CHECK(rounded->count(Outcome::refused) == 0);
    CHECK(rounded->count(Outcome::requantized) >= report->count(Outcome::refused));  // AWQ: one group size for all
    const auto before = weights_of(dir / "own"), after = weights_of(dir / "out");
    double worst = 0.0, claimed = 0.0;
    for (std::size_t i = 0; i < before.size(); ++i)
      worst = std::max(worst, static_cast<double>((before[i] - after[i]).cwiseAbs().maxCoeff()));
    for (const ConvertedModule& m : rounded->modules) {
      claimed = std::max(claimed, m.max_error);
      if (m.outcome == Outcome::requantized) CHECK(m.relative_error < 0.05);
    }
    CHECK(worst == Approx(claimed).epsilon(1e-5));
    CHECK(worst > 0.0);
    fs::remove_all(dir / "out");
  };
  refused("rtn:int3:g32", "awq", "4 bits");
  refused("gptq:int4:g32:act_order", "awq", "consecutive");
  refused("rtn:int4:g32:asymreal", "gptq_v2", "asymreal");
  refused("rtn:int5:g32", "gptq", "2, 3, 4 or 8 bits");
  refused("rtn:int4:g48", "awq", "does not divide");
}

TEST_CASE("convert: an existing output stays unless replacing it was asked for", "[pipeline][convert]") {
  const TempDir dir;
  quantize("rtn:int4:g32", dir / "own");
  require_exact(dir / "own", dir / "out", "gptq");
  const std::string before = bytes_of(dir / "out" / "model.safetensors");
  CHECK(convert(dir / "own", dir / "out", "awq").error().code == Errc::already_exists);
  CHECK(bytes_of(dir / "out" / "model.safetensors") == before);
  CHECK(convert(dir / "own", dir / "out", "awq", {.overwrite = true}).value().written);
  CHECK(convert(dir / "own", dir / "two", "lowbit").error().code == Errc::invalid_argument);
  CHECK(convert(model_dir(), dir / "two", "gptq").error().code == Errc::missing);
  std::size_t entries = 0;
  for (const auto& entry : fs::directory_iterator(dir.path())) entries += entry.exists() ? 1 : 0;
  CHECK(entries == 2);
}

TEST_CASE("convert: asymmetric weights in GPTQ version 1 come with a warning", "[pipeline][convert]") {
  const TempDir dir;
  quantize("rtn:int4:g32:asym", dir / "own");
  CHECK(convert(dir / "own", dir / "v1", "gptq").value().warnings.size() == 1);
  CHECK(convert(dir / "own", dir / "v2", "gptq_v2").value().warnings.empty());
  quantize("rtn:int4:g32", dir / "sym");
  CHECK(convert(dir / "sym", dir / "v1s", "gptq").value().warnings.empty());
}

TEST_CASE("import: a mislabelled symmetric file is read as its data say", "[pipeline][convert]") {
  const TempDir dir;
  quantize("rtn:int4:g32", dir / "own");
  require_exact(dir / "own", dir / "v2", "gptq_v2");
  io::Json config = json_of(dir / "v2" / "config.json");
  config["quantization_config"]["checkpoint_format"] = "gptq";
  set_config(dir / "v2", config);
  CHECK(weights_of(dir / "v2") == weights_of(dir / "own"));
  const auto loaded = load_model(dir / "v2").value();
  CHECK(loaded.model.weights().warnings.size() == 28);
  CHECK(loaded.bits_per_weight > 4.5);
  CHECK(loaded.bits_per_weight < 5.0);
  const auto report = convert(dir / "v2", dir / "out", "lowbit").value();
  CHECK(report.modules[0].warnings.size() == 1);
}

TEST_CASE("import: per-module rules of GPTQ and compressed-tensors", "[pipeline][convert]") {
  const TempDir dir;
  quantize("rtn:int4:g32", dir / "four");
  quantize("rtn:int8:g64:asym", dir / "eight");
  require_exact(dir / "four", dir / "four_q", "gptq");
  require_exact(dir / "eight", dir / "eight_q", "gptq");
  // down_proj from one file, the rest from the other, and one layer's q_proj in float.
  fs::create_directories(dir / "mixed");
  const auto four = io::SafetensorsSet::open(dir / "four_q").value(), eight = io::SafetensorsSet::open(dir / "eight_q").value(),
             source = io::SafetensorsSet::open(model_dir()).value();
  auto writer = io::SafetensorsWriter::create(dir / "mixed" / "model.safetensors", true).value();
  const std::string plain = "model.layers.1.self_attn.q_proj";
  for (const io::TensorView& t : four.tensors())
    if (t.name.find("down_proj") == std::string::npos && !t.name.starts_with(plain)) writer.add(t).value();
  for (const io::TensorView& t : eight.tensors())
    if (t.name.find("down_proj") != std::string::npos) writer.add(t).value();
  writer.add(*source.find(plain + ".weight")).value();
  writer.finish().value();
  io::Json config = json_of(dir / "four_q" / "config.json");
  config["quantization_config"]["dynamic"] = {{"+:.*\\.down_proj", {{"bits", 8}, {"group_size", 64}, {"sym", false}}},
                                              {"-:model\\.layers\\.1\\.self_attn\\.q_proj", io::Json::object()}};
  set_config(dir / "mixed", config);
  const auto expected = weights_of(dir / "mixed");
  const auto w4 = weights_of(dir / "four"), w8 = weights_of(dir / "eight"), w16 = weights_of(model_dir());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto p = model::projections[i % 7];
    CHECK(expected[i] == (p == model::Projection::down ? w8[i] : i == 7 && p == model::Projection::q ? w16[i] : w4[i]));
  }
  // Written and read again, with the rules this library writes.
  for (const char* layout : {"compressed-tensors", "gptq_v2"}) {
    const auto report = convert(dir / "mixed", dir / layout, layout);
    if (!report) FAIL(to_string(report.error()));
    CHECK(report->count(Outcome::exact) == 27);
    CHECK(weights_of(dir / layout) == expected);
  }
  CHECK(json_of(dir / "compressed-tensors" / "config.json")["quantization_config"]["ignore"] ==
        io::Json::array({"lm_head", plain}));
  // A rule that excludes a packed module contradicts the file.
  config["quantization_config"]["dynamic"]["-:model\\.layers\\.2.*"] = io::Json::object();
  set_config(dir / "mixed", config);
  const auto contradiction = load_model(dir / "mixed");
  REQUIRE_FALSE(contradiction);
  CHECK(contradiction.error().code == Errc::malformed);
  // The first match decides: the rules stand in the file's order, not the alphabet's.
  std::string text = config.dump();
  const auto swap_in = [&](const std::string& rules) {
    io::Json fresh = json_of(dir / "four_q" / "config.json");
    fresh["quantization_config"]["dynamic"] = "RULES";
    text = fresh.dump();
    text.replace(text.find("\"RULES\""), 7, rules);
    std::ofstream(dir / "mixed" / "config.json") << text;
  };
  swap_in(R"({"z.*":{"bits":2},".*down_proj":{"bits":8,"group_size":64,"sym":false},".*":{}})");
  CHECK(load_model(dir / "mixed"));
  swap_in(R"({".*":{},".*down_proj":{"bits":8,"group_size":64,"sym":false}})");
  CHECK_FALSE(load_model(dir / "mixed"));
  swap_in(R"({"(((":{}})");
  CHECK(load_model(dir / "mixed").error().code == Errc::unsupported);
}

TEST_CASE("import: damaged checkpoints are errors that name the tensor", "[pipeline][convert]") {
  const TempDir dir;
  quantize("gptq:int4:g32:act_order:asym", dir / "own");
  for (const char* layout : {"gptq", "compressed-tensors"}) {
    fs::remove_all(dir / "good");
    require_exact(dir / "own", dir / "good", layout);
    const auto set = io::SafetensorsSet::open(dir / "good").value();
    for (const io::TensorView& victim : set.tensors()) {
      if (!victim.name.starts_with("model.layers.2.mlp.up_proj.")) continue;
      CAPTURE(victim.name);
      const bool optional = victim.name.ends_with(".g_idx");
      // Missing.
      edit(dir / "good", dir / "bad", [&](io::TensorView& t, auto&) { return t.name != victim.name; });
      const auto missing = load_model(dir / "bad");
      CHECK((missing.has_value() == optional));
      if (!missing) CHECK(missing.error().tensor.find("model.layers.2.mlp.up_proj") == 0);
      // Half as long.
      edit(dir / "good", dir / "bad", [&](io::TensorView& t, std::vector<std::uint8_t>& bytes) {
        if (t.name != victim.name) return true;
        if (t.shape[0] % 2 != 0) return false;
        t.shape[0] /= 2;
        bytes.resize(bytes.size() / 2);
        return true;
      });
      CHECK_FALSE(load_model(dir / "bad"));
    }
  }
  // Every method refuses what it cannot read, by key.
  require_exact(dir / "own", dir / "q", "gptq");
  io::Json config = json_of(dir / "q" / "config.json");
  config["quantization_config"]["bits"] = 6;
  set_config(dir / "q", config);
  const auto refused = load_model(dir / "q");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().tensor == "bits");
  CHECK(refused.error().file.find("config.json") != std::string::npos);
}

}  // namespace lowbit::test::convert_tests
