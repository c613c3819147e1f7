// SPDX-License-Identifier: MIT
#include <fstream>

#include "catch.hpp"
#include "io/checkpoint_bed.hpp"
#include "lowbit/pipeline/convert.hpp"
#include "lowbit/pipeline/imported_linear.hpp"
#include "support/temp_dir.hpp"

/// Matrices of every shape through the stored parts, and directories of single matrices through the layouts.

namespace lowbit::test::convert_matrices_tests {
namespace {

using namespace pipeline;
using Outcome = ConvertedModule::Outcome;
namespace fs = std::filesystem;

/// A checkpoint directory of the given tensors and config.
void write_directory(const fs::path& dir, const std::vector<std::pair<std::string, std::vector<io::OwnedTensor>>>& modules,
                     const std::string& config) {
  fs::create_directories(dir);
  auto writer = io::SafetensorsWriter::create(dir / "model.safetensors", true).value();
  for (const auto& [module, tensors] : modules)
    for (const io::OwnedTensor& t : tensors) writer.add(module + t.suffix, t.dtype, t.shape, t.bytes).value();
  writer.finish().value();
  std::ofstream(dir / "config.json") << config;
}

io::ReadMatrix<ImportedMatrix> read(const fs::path& dir, const std::string& module, ImportOptions options = {}) {
  return QuantizedCheckpoint::open(dir, options).value().read(module).value();
}

std::string gptq_config(unsigned bits, std::size_t group, bool sym, const char* format = "gptq") {
  return io::Json{{"quantization_config",
                   {{"quant_method", "gptq"}, {"bits", bits}, {"group_size", group}, {"sym", sym}, {"desc_act", true}, {"checkpoint_format", format}}}}
      .dump();
}

/// What Codec::load makes of stored parts.
Matrix run(const io::CodeMatrix& m) {
  std::vector<std::string> warnings;
  const auto linear = to_linear(m, "m", warnings).value();
  return linear->dequantized();
}

}  // namespace

TEST_CASE("stored codes: every shape, width and group goes through the stored parts unchanged", "[pipeline][convert]") {
  const TempDir dir;
  std::uint64_t seed = 1;
  for (unsigned bits = 2; bits <= 8; ++bits)
    for (const MatrixPlan& plan : {MatrixPlan{1, 1, bits, 1}, MatrixPlan{3, 7, bits, 4}, MatrixPlan{5, 41, bits, 8, false, true},
                                   MatrixPlan{2, 100, bits, 32, true, true}, MatrixPlan{7, 13, bits, io::whole_row, true},
                                   MatrixPlan{4, 64, bits, 64, false, false, io::Dtype::BF16}, MatrixPlan{4, 9, bits, 200, true, false, io::Dtype::F32}}) {
      CAPTURE(bits, plan.rows, plan.cols, plan.group_size, plan.scattered);
      const io::CodeMatrix m = random_codes(plan, seed++);
      const StoredMatrix stored = to_stored(m).value();
      auto writer = io::SafetensorsWriter::create(dir / "m.safetensors", true).value();
      for (const StoredPart& part : stored.parts) writer.add("W" + part.suffix, part.dtype, part.shape, part.bytes).value();
      writer.finish().value();
      const auto set = io::SafetensorsSet::open(dir / "m.safetensors").value();
      CHECK(from_stored(set, "W", stored.shape).value() == m);
      if (bits == 4 || bits == 3) {  // the codec reads the same weights
        const Matrix W = run(m);
        for (std::size_t r = 0; r < m.rows; ++r)
          for (std::size_t c = 0; c < m.cols; ++c) REQUIRE(W(static_cast<Index>(r), static_cast<Index>(c)) == m.weight(r, c));
      }
      for (const StoredPart& victim : stored.parts) {
        auto damaged = io::SafetensorsWriter::create(dir / "d.safetensors", true).value();
        for (const StoredPart& part : stored.parts)
          if (part.suffix != victim.suffix) damaged.add("W" + part.suffix, part.dtype, part.shape, part.bytes).value();
        damaged.finish().value();
        const auto lacking = io::SafetensorsSet::open(dir / "d.safetensors");
        const auto got = from_stored(lacking.value(), "W", stored.shape);
        if (victim.suffix != ".column_order") CHECK(got.error().tensor == "W" + victim.suffix);
      }
    }
  io::CodeMatrix uneven = random_codes({2, 64, 4, 32, true, true}, 9);
  uneven.g_idx.assign(64, 0);
  uneven.g_idx[63] = 1;
  CHECK(to_stored(uneven).error().code == Errc::unsupported);
  std::vector<std::string> warnings;
  const auto floats = to_linear(uneven, "m", warnings).value();
  CHECK(floats->description() == "f32");
  CHECK(warnings.size() == 1);
  CHECK(floats->dequantized()(1, 63) == uneven.weight(1, 63));
}

TEST_CASE("convert: odd shapes, wrapped zero points and scattered groups keep every code", "[pipeline][convert]") {
  const TempDir dir;
  for (const auto& [plan, layouts] : std::vector<std::pair<MatrixPlan, std::vector<const char*>>>{
           {{64, 96, 4, 32, false, false}, {"gptq", "gptq_v2", "awq", "compressed-tensors", "lowbit"}},
           {{32, 160, 4, 64, false, true}, {"gptq_v2", "compressed-tensors", "lowbit"}},  // a short last group
           {{96, 64, 3, 32, false, true}, {"gptq", "gptq_v2", "lowbit"}},
           {{32, 320, 8, io::whole_row, false, false}, {"gptq_v2", "compressed-tensors", "lowbit"}}}) {
    const io::CodeMatrix m = random_codes(plan, 5);
    fs::remove_all(dir / "v1");
    write_directory(dir / "v1", {{"model.layers.0.mlp.up_proj", io::write_gptq(m, io::GptqVersion::v1).value()}},
                    gptq_config(m.bits, plan.group_size == io::whole_row ? 512 : plan.group_size, false));
    fs::path at = dir / "v1";
    std::size_t step = 0;
    for (const char* layout : layouts) {
      CAPTURE(plan.rows, plan.cols, plan.bits, layout);
      const fs::path next = dir / ("step" + std::to_string(step++));
      fs::remove_all(next);
      const auto report = convert_checkpoint(at, next, parse_layout(layout).value(), {.packing = io::CtPacking::by_shape});
      if (!report) FAIL(to_string(report.error()));
      REQUIRE(report->written);
      auto got = std::get<io::CodeMatrix>(read(next, "model.layers.0.mlp.up_proj").matrix);
      got.group_size = m.group_size;  // one group: the size may be spelled either way
      CHECK(got == m);
      at = next;
    }
    fs::remove_all(dir / "last");
    REQUIRE(convert_checkpoint(at, dir / "last", Layout::gptq).value().written);
    const auto first = io::SafetensorsSet::open(dir / "v1").value(), last = io::SafetensorsSet::open(dir / "last").value();
    CHECK(first.tensors().size() == last.tensors().size());
    for (const io::TensorView& tensor : first.tensors()) CHECK(std::ranges::equal(tensor.bytes, last.find(tensor.name)->bytes));
  }
  // compressed-tensors alone holds these.
  for (const unsigned bits : {3u, 5u, 6u, 7u})
    for (const auto packing : {io::CtPacking::dense, io::CtPacking::padded}) {
      const io::CodeMatrix m = random_codes({13, 37, bits, 16, false, true}, bits);
      fs::remove_all(dir / "own");
      const StoredMatrix stored = to_stored(m).value();
      fs::create_directories(dir / "own");
      auto writer = io::SafetensorsWriter::create(dir / "own" / "model.safetensors", true).value();
      for (const StoredPart& part : stored.parts) writer.add("a.weight" + part.suffix, part.dtype, part.shape, part.bytes).value();
      writer.set_metadata({{"lowbit.version", "1"}, {"lowbit:a.weight", pipeline::to_json(stored.shape)}});
      writer.finish().value();
      std::ofstream(dir / "own" / "config.json") << R"({"quantization_config":{"quant_method":"lowbit"}})";
      fs::remove_all(dir / "ct");
      REQUIRE(convert_checkpoint(dir / "own", dir / "ct", Layout::compressed_tensors, {.packing = packing}).value().written);
      CHECK(std::get<io::CodeMatrix>(read(dir / "ct", "a", {.packing = packing}).matrix) == m);
      const auto undecided = QuantizedCheckpoint::open(dir / "ct").value().read("a");
      if (!undecided) CHECK(undecided.error().code == Errc::unsupported);
      CHECK(convert_checkpoint(dir / "own", dir / "no", Layout::gptq).value().count(Outcome::refused) == 1);
    }
}

TEST_CASE("convert: four-bit floats keep codes and scales, in both spellings of the tensor scale", "[pipeline][convert]") {
  const TempDir dir;
  Rng rng(3);
  for (const io::Fp4Kind kind : {io::Fp4Kind::nvfp4, io::Fp4Kind::mxfp4}) {
    io::Fp4Matrix m{.kind = kind, .rows = 5, .cols = 96};
    for (std::size_t i = 0; i < m.rows * m.cols; ++i) m.codes.push_back(static_cast<std::uint8_t>(rng.below(16)));
    for (std::size_t i = 0; i < m.rows * m.groups(); ++i)
      m.scales.push_back(static_cast<std::uint8_t>(kind == io::Fp4Kind::nvfp4 ? rng.below(127) : 100 + rng.below(50)));
    const bool nv = kind == io::Fp4Kind::nvfp4;
    if (nv) m.global_scale = 2688.0f / 3.0f;
    const std::string config =
        io::Json{{"quantization_config",
                  {{"quant_method", "compressed-tensors"},
                   {"format", nv ? "nvfp4-pack-quantized" : "mxfp4-pack-quantized"},
                   {"config_groups",
                    {{"g",
                      {{"targets", {"Linear"}},
                       {"weights", {{"num_bits", 4}, {"type", "float"}, {"strategy", nv ? "tensor_group" : "group"}, {"group_size", nv ? 16 : 32}}}}}}}}}}
            .dump();
    fs::remove_all(dir / "a");
    write_directory(dir / "a", {{"a", io::write_fp4(m).value()}}, config);
    CHECK(std::get<io::Fp4Matrix>(read(dir / "a", "a").matrix) == m);
    std::vector<std::string> warnings;
    const auto linear = to_linear(m, "a", warnings).value();  // this library's own type, weight by weight
    CHECK(linear->description() == (nv ? "nvfp4" : "mxfp4"));
    const Matrix W = linear->dequantized();
    for (std::size_t r = 0; r < m.rows; ++r)
      for (std::size_t c = 0; c < m.cols; ++c)
        REQUIRE(W(static_cast<Index>(r), static_cast<Index>(c)) == Approx(io::fp4_weight(m, r, c)).epsilon(nv ? 3e-7 : 0.0));
    for (const Layout layout : {Layout::compressed_tensors, Layout::lowbit}) {
      fs::remove_all(dir / "b");
      const auto report = convert_checkpoint(dir / "a", dir / "b", layout).value();
      CAPTURE(report.modules[0].reason);
      REQUIRE(report.written);
      CHECK(report.count(Outcome::exact) == 1);
      CHECK(report.modules[0].warnings.size() == (nv && layout == Layout::lowbit ? 1u : 0u));
      const auto got = std::get<io::Fp4Matrix>(read(dir / "b", "a").matrix);
      CHECK(got.codes == m.codes);
      CHECK(got.scales == m.scales);
      CHECK(got.factor() == Approx(m.factor()).epsilon(1e-7));
      if (layout == Layout::lowbit) {
        fs::remove_all(dir / "c");
        REQUIRE(convert_checkpoint(dir / "b", dir / "c", Layout::compressed_tensors).value().written);
        const auto back = std::get<io::Fp4Matrix>(read(dir / "c", "a").matrix);
        CHECK(back.codes == m.codes);
        CHECK(back.scales == m.scales);
      }
    }
    CHECK(convert_checkpoint(dir / "a", dir / "d", Layout::gptq).value().count(Outcome::refused) == 1);
    if (!nv) continue;
    // The names and the reciprocal of the other exporters.
    auto tensors = io::write_fp4(m).value();
    tensors[0].suffix = ".weight";
    tensors[2].suffix = ".weight_scale_2";
    io::detail::store_le(1.0f / m.global_scale, tensors[2].bytes.data());
    fs::remove_all(dir / "e");
    write_directory(dir / "e", {{"a", tensors}}, R"({"quantization_config":{"quant_method":"modelopt","quant_algo":"NVFP4"}})");
    const auto other = std::get<io::Fp4Matrix>(read(dir / "e", "a").matrix);
    float largest = 0.0f, expected = 0.0f;
    for (std::size_t r = 0; r < m.rows; ++r)
      for (std::size_t c = 0; c < m.cols; ++c) {
        largest = std::max(largest, std::abs(io::fp4_weight(other, r, c)));
        expected = std::max(expected, std::abs(io::fp4_weight(m, r, c)));
      }
    CHECK(largest == Approx(expected).epsilon(1e-6));
    CHECK(largest < 3.1f);
    CHECK(largest > 1.0f);
  }
}

TEST_CASE("convert: MLX files, exactly where biases are whole steps", "[pipeline][convert]") {
  const TempDir dir;
  const std::string config = R"({"quantization":{"group_size":32,"bits":4,"b":false}})";
  io::CodeMatrix m = random_codes({8, 64, 4, 32}, 4);
  for (std::size_t i = 0; i < 16; ++i) io::detail::store_le(f16::encode(0.125f), m.scales.data() + 2 * i);
  std::vector<std::uint8_t> biases, words(8 * 8 * 4);
  for (std::size_t i = 0; i < 16; ++i) io::detail::append_le(biases, f16::encode(-0.125f * static_cast<float>(m.zeros[i])));
  for (std::size_t r = 0; r < 8; ++r)
    io::detail::pack_words(io::detail::WordLayout::dense, 4, m.codes.data() + 64 * r, 1, 64, words.data() + 32 * r, 4);
  const auto tensors = [&] {
    return std::vector<io::OwnedTensor>{{".weight", io::Dtype::U32, {8, 8}, words},
                                        {".scales", io::Dtype::F16, {8, 2}, m.scales},
                                        {".biases", io::Dtype::F16, {8, 2}, biases}};
  };
  write_directory(dir / "mlx", {{"a", tensors()}}, config);
  CHECK(convert_checkpoint(dir / "mlx", dir / "awq", Layout::awq).value().count(Outcome::exact) == 1);
  CHECK(std::get<io::CodeMatrix>(read(dir / "awq", "a").matrix) == m);
  CHECK(io::parse_json(io::read_text(dir / "awq" / "config.json", 1 << 20).value()).value().contains("quantization") == false);

  io::detail::store_le(f16::encode(-0.3f), biases.data());
  write_directory(dir / "between", {{"a", tensors()}}, config);
  const auto refused = convert_checkpoint(dir / "between", dir / "out", Layout::awq).value();
  CHECK(refused.count(Outcome::refused) == 1);
  CHECK(refused.modules[0].reason.find("steps") != std::string::npos);
  const auto rounded = convert_checkpoint(dir / "between", dir / "out", Layout::awq, {.requantize = true}).value();
  CHECK(rounded.modules[0].outcome == Outcome::requantized);
  CHECK(rounded.modules[0].max_error > 0.0);
  CHECK(rounded.modules[0].max_error <= 0.125 / 2 + 1e-4);
  // A module that the config says is not quantized.
  write_directory(dir / "contradiction", {{"b", tensors()}}, config);
  CHECK(QuantizedCheckpoint::open(dir / "contradiction").value().read("b").error().code == Errc::malformed);
}

TEST_CASE("module patterns: anchored at the beginning, first match, names before patterns before classes", "[pipeline][convert]") {
  CHECK(pipeline::detail::matches_beginning("model\\.layers\\.(?:1|2)\\.", "model.layers.1.mlp").value());
  CHECK_FALSE(pipeline::detail::matches_beginning("layers", "model.layers.1").value());
  CHECK(pipeline::detail::matches_beginning("(?!.*mlp).*", "model.layers.1.self_attn").value());
  CHECK_FALSE(pipeline::detail::matches_beginning("(?!.*mlp).*", "model.layers.1.mlp").value());
  CHECK(pipeline::detail::matches_beginning("(((", "x").error().code == Errc::unsupported);
  CHECK(pipeline::detail::matches_beginning(std::string(5000, 'a'), "x").error().code == Errc::out_of_bounds);
  // Nested repetition takes no exponential time.
  CHECK_FALSE(pipeline::detail::matches_beginning("(a*)*b", std::string(200, 'a')).value());
  CHECK(pipeline::detail::matches_beginning(exact_pattern("a.b[0]*"), "a.b[0]*").value());
  CHECK_FALSE(pipeline::detail::matches_beginning(exact_pattern("a.b"), "a.bc").value());

  io::CtConfig config;
  config.ignore = {"lm_head", "re:.*gate"};
  config.schemes = {{.name = "class", .targets = {"Linear"}}, {.name = "name", .targets = {"m.down"}}, {.name = "pattern", .targets = {"re:.*down"}}};
  CHECK_FALSE(params_for(config, "lm_head").value());
  CHECK_FALSE(params_for(config, "m.gate").value());
  CHECK(params_for(config, "m.up").value()->name == "class");
  CHECK(params_for(config, "m.down").value()->name == "name");
  CHECK(params_for(config, "n.down").value()->name == "pattern");
}

}  // namespace lowbit::test::convert_matrices_tests
