// SPDX-License-Identifier: MIT
#include "lowbit/format.hpp"
#include "support/panel_layer.hpp"

namespace lowbit::bench {
namespace {

const bool registered = [] {
  panel_rows<Scaled<NF4, float, 64>>("nf4_g64");
  panel_rows<Mxfp4>("mxfp4");
  panel_rows<Nvfp4>("nvfp4");
  panel_rows<Mxfp6E2M3>("mxfp6_e2m3");
  panel_rows<Mxfp6E3M2>("mxfp6_e3m2");
  panel_rows<Mxfp8E4M3>("mxfp8_e4m3");
  panel_rows<Scaled<E4M3FN>>("fp8_e4m3_g128");
  panel_rows<TernaryScaled<>>("ternary_row");
  panel_rows<GgufQ4_0>("gguf_q4_0");
  panel_rows<GgufQ8_0>("gguf_q8_0");
  panel_rows<GgufQ2K>("gguf_q2_k");
  panel_rows<GgufQ3K>("gguf_q3_k");
  panel_rows<GgufQ4K>("gguf_q4_k");
  panel_rows<GgufQ5K>("gguf_q5_k");
  panel_rows<GgufQ6K>("gguf_q6_k");
  panel_rows<GgufIq4Nl>("gguf_iq4_nl");
  panel_rows<GgufIq4Xs>("gguf_iq4_xs");
  panel_rows<GgufTq2_0>("gguf_tq2_0");
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
