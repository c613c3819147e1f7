#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The main job, whole: sets everything up, builds the tool, quantizes the embedded model by several recipes, reads each
# checkpoint back, and judges it, with activations in int8 where the format allows, against the float model on text
# sampled from that model. Leaves build/demo/report.json, build/demo/plot.svg and the checkpoints.
set -euo pipefail
cd "$(dirname "$0")/.."
. cmake/setup.sh
lowbit_setup g++ make cmake libeigen3-dev nlohmann-json3-dev libcli11-dev catch2 libbenchmark-dev
lowbit_build release lowbit_tool

lowbit=build/release/examples/lowbit
model=examples/data/manual-1m
out=build/demo
mkdir -p "$out"
recipes=fp16,rtn:int4:g128,gptq:int4:g128
recipes+=,rtn:nf4:g64,gptq:nf4:g64,rtn:mxfp4,rtn:nvfp4,gptq:nvfp4
recipes+=,rtn:int3:g64:asym,gptq:int3:g64:asym
recipes+=,rtn:int2:g32:asym,gptq:int2:g32:asym,gptq:int2:g32:asym:act_order:cd4:hlp2
recipes+=,lnq:3,qtip:3:l12,rht+ldlq:pvq3,rht+glvq:d8:b2,quip:int2,quip#:2,qtip:2:l12,qtip:1.5:l12

echo
echo "A Llama of 1.3 million parameters, quantized; divergence and perplexity on text that the float model wrote:"
echo
"$lowbit" compare "$model" --recipes "$recipes" --calib self --calib-tokens 8192 --tokens self --max-windows 8 --compute int8 \
  -o "$out/checkpoints" --json "$out/report.json" --svg "$out/plot.svg"
echo
echo "Two sentences from the 4-bit file ($out/checkpoints/gptq-int4-g128):"
for prompt in "The kernel is the core of the operating system. It" "To install a package, run the command"; do
  echo "  $("$lowbit" generate "$out/checkpoints/gptq-int4-g128" --prompt "$prompt" --max-tokens 32 | tr '\n' ' ')"
done
echo
echo "Report: $out/report.json   Plot: $out/plot.svg"
