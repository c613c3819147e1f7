#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# commands.sh TOOL MODEL_DIR: what the command line promises: exit codes 0, 1 and 2, JSON keys, nothing half-written.
set -uo pipefail
tool=$1 model=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# expect CODE PATTERN command…: the exit code, and an extended regular expression somewhere in the output.
expect() {
  local code=$1 pattern=$2
  shift 2
  local output status
  output=$("$@" 2>&1)
  status=$?
  if [ "$status" -ne "$code" ] || ! grep -qE -- "$pattern" <<<"$output"; then
    printf 'FAILED (exit %s, expected %s matching "%s"): %s\n%s\n' "$status" "$code" "$pattern" "$*" "$output"
    failures=$((failures + 1))
  fi
}

expect 0 '^lowbit [0-9]+\.[0-9]+\.[0-9]+$' "$tool" --version
expect 0 'Examples:' "$tool" --help
expect 0 'recipe' "$tool" quantize --help
expect 2 'subcommand' "$tool"
expect 2 '' "$tool" frobnicate
expect 2 'required' "$tool" quantize "$model"
expect 2 "is no format" "$tool" quantize "$model" --recipe rtn:int9 -o "$work/out"
expect 2 'needs calibration tokens' "$tool" quantize "$model" --recipe gptq:int4 -o "$work/out"
expect 1 'missing|no such file|No such file' "$tool" quantize "$work/absent" --recipe rtn:int4 -o "$work/out"
expect 1 'missing|No such file' "$tool" quantize "$model" --recipe gptq:int4 --calib "$work/absent.bin" -o "$work/out"
printf 'odd' >"$work/odd.bin"
expect 1 'truncated' "$tool" quantize "$model" --recipe gptq:int4 --calib "$work/odd.bin" -o "$work/out"
printf '\x01\x00\xff\xff' >"$work/range.bin"
expect 1 'token out of range.*65535.*position 1' "$tool" eval "$model" --tokens "$work/range.bin"
[ -e "$work/out" ] && { echo "FAILED: a refused request left $work/out"; failures=$((failures + 1)); }

expect 0 '"schema": "lowbit.quantize/1"' "$tool" quantize "$model" --recipe rtn:int4:g64:asym -o "$work/q4" --json
expect 1 'already exists' "$tool" quantize "$model" --recipe rtn:int4 -o "$work/q4"
expect 0 'bits per weight' "$tool" quantize "$model" --recipe rtn:q8_0 --format gguf -o "$work/q8.gguf"
expect 1 'already exists' "$tool" quantize "$model" --recipe rtn:q8_0 --format gguf -o "$work/q8.gguf"
expect 0 'bits per weight' "$tool" quantize "$model" --recipe rtn:int4 -o "$work/q4" --force
expect 1 'GGUF cannot hold int3' "$tool" quantize "$model" --recipe rtn:int3 --format gguf -o "$work/q3.gguf"
expect 1 'already quantized' "$tool" quantize "$work/q4" --recipe rtn:int3 -o "$work/twice"
printf 'The kernel is the core of the operating system. It manages memory, processes and devices, and it provides services to programs.\n%.0s' {1..8} >"$work/text.txt"
expect 0 '"nll":' "$tool" eval "$work/q4" --reference "$model" --tokens "$work/text.txt" --token-type text --window 64 --json
for key in schema nll ppl tokens bpw kl top1; do
  expect 0 "\"$key\": *[^n]" "$tool" eval "$work/q4" --reference "$model" --tokens "$work/text.txt" --token-type text --window 64 --json
done
expect 0 'perplexity' "$tool" eval "$work/q8.gguf" --reference "$model" --tokens "$work/text.txt" --token-type text --window 64
expect 0 '^The kernel is' "$tool" generate "$work/q4" --prompt 'The kernel is' --max-tokens 8
expect 0 'compute          int8' "$tool" eval "$work/q4" --tokens "$work/text.txt" --token-type text --window 64 --compute int8
expect 0 'compute          bf16' "$tool" eval "$work/q4" --tokens "$work/text.txt" --token-type text --window 64 --compute bf16
expect 0 '^The kernel is' "$tool" generate "$work/q4" --prompt 'The kernel is' --max-tokens 8 --compute int8
expect 2 'compute' "$tool" eval "$work/q4" --tokens "$work/text.txt" --token-type text --compute int9
expect 0 '^The kernel is' "$tool" generate "$work/q8.gguf" --tokenizer "$model/tokenizer.json" --prompt 'The kernel is' --max-tokens 8
expect 0 'lowbit.version = 1' "$tool" inspect "$work/q4"
expect 0 'general.architecture = llama' "$tool" inspect "$work/q8.gguf"
expect 0 '"kind": "safetensors"' "$tool" inspect "$work/q4/model.safetensors" --json
head -c 100000 "$work/q4/model.safetensors" >"$work/cut.safetensors"
expect 1 'truncated|out of bounds|malformed' "$tool" inspect "$work/cut.safetensors"
head -c 100000 "$work/q8.gguf" >"$work/cut.gguf"
expect 1 'truncated|out of bounds|malformed' "$tool" inspect "$work/cut.gguf"
expect 0 'gptq:int3:g32' "$tool" compare "$model" --recipes rtn:int3:g32,gptq:int3:g32 --calib "$work/text.txt" \
  --tokens "$work/text.txt" --token-type text --window 64 --json "$work/report.json" --svg "$work/plot.svg"
expect 0 ' int8 ' "$tool" compare "$model" --recipes rtn:int3:g32 --calib "$work/text.txt" --tokens "$work/text.txt" \
  --token-type text --window 64 --compute int8
expect 0 '"lowbit.compare/1"' cat "$work/report.json"
expect 0 '</svg>' cat "$work/plot.svg"

expect 0 'bits per weight' "$tool" quantize "$model" --recipe rtn:int4:g32:asym -o "$work/asym4"
for layout in gptq gptq_v2 awq compressed-tensors; do
  expect 0 '.' "$tool" convert "$work/asym4" --to "$layout" -o "$work/$layout" --json "$work/$layout.json"
  expect 0 'lowbit.convert/1' cat "$work/$layout.json"
  expect 0 'perplexity' "$tool" eval "$work/$layout" --tokens "$work/text.txt" --token-type text --window 64
  expect 0 '.' "$tool" convert "$work/$layout" --to lowbit -o "$work/back-$layout"
done
expect 1 'already exists' "$tool" convert "$work/asym4" --to awq -o "$work/awq"
expect 0 'bits per weight' "$tool" quantize "$model" --recipe rtn:int3 -o "$work/int3"
expect 1 'awq' "$tool" convert "$work/int3" --to awq -o "$work/int3-awq"
expect 2 'foo' "$tool" convert "$work/asym4" --to foo -o "$work/foo"
for recipe in rtn:nf4:g64 rtn:mxfp4 gptq:nvfp4 rtn:ternary rtn:phase2 rtn:nf4_dq:g64 gptq:q4_1 rtn:iq4_nl:ggml rtn:gguf_mxfp4; do
  expect 0 'bits per weight' "$tool" quantize "$model" --recipe "$recipe" --calib "$work/text.txt" --token-type text \
    --window 64 -o "$work/any" --force
  expect 0 'perplexity' "$tool" eval "$work/any" --tokens "$work/text.txt" --token-type text --window 64
done
expect 2 'is no format' "$tool" quantize "$model" --recipe rtn:int9 -o "$work/none"

leftovers=$(find "$work" -name '*.partial*' -o -name '*.tmp*' -o -name '*.old*' -o -name '*.spool*')
[ -n "$leftovers" ] && { echo "FAILED: left behind: $leftovers"; failures=$((failures + 1)); }
[ "$failures" -eq 0 ] && echo "all commands keep their promises"
exit $((failures > 0))
