#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers_alone.sh CXX ROOT INCLUDE_DIR…: every header compiles alone, in a source of its own and with plain flags.
#
# Each source ends in an assertion that fails, and the first error is fatal: reaching it means that the header parsed, and
# the compiler stops there instead of instantiating what the header would need at the end of a source.
#
# The folders above linalg all open Eigen, and those above io the JSON parser; there these two are compiled once and
# included first, which hides nothing that the headers would not get from them anyway.
set -euo pipefail
cxx=$1 root=$2
shift 2
system=()
for dir in "$@"; do system+=(-isystem "$dir"); done
cd "$root/include"
# The closed list of stored types is instantiated elsewhere; here its declarations are enough.
flags=(-std=c++20 -Wall -Wextra -DLOWBIT_EXTERN_CODECS -I. "${system[@]}")
case $("$cxx" --version) in
  *clang*) ;;
  *) flags+=(--param ggc-min-heapsize=700000) ;; # as in CMakeLists.txt
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '#include "lowbit/linalg/matrix.hpp"' >"$work/eigen.hpp"
printf '#include "lowbit/linalg/matrix.hpp"\n#include "lowbit/io/json.hpp"\n' >"$work/json.hpp"
for header in eigen json; do "$cxx" "${flags[@]}" -x c++-header "$work/$header.hpp" -o "$work/$header.hpp.gch"; done

find lowbit -name '*.hpp' | sort | xargs -P "$(nproc)" -I{} sh -c '
  header=$1 work=$2; shift 2
  case $header in
    lowbit/linalg/matrix.hpp | lowbit/io/json.hpp) first= ;;
    lowbit/linalg* | lowbit/calib* | lowbit/transform* | lowbit/ptq*) first=eigen ;;
    lowbit/model* | lowbit/pipeline* | lowbit/train*) first=json ;;
    *) first= ;;
  esac
  out=$(printf "#include \"%s\"\nstatic_assert(sizeof(int) == 0, \"end of header\");\n" "$header" |
    "$@" -Wfatal-errors ${first:+-include "$work/$first.hpp"} -x c++ - 2>&1)
  case $out in
    *"warning:"*) ;;
    *"error: static assertion failed: end of header"*) exit 0 ;;
  esac
  printf "%s\n" "$out"
  echo "does not compile alone: $header"
  exit 1
' sh {} "$work" "$cxx" -fsyntax-only "${flags[@]}"
echo "$(find lowbit -name '*.hpp' | wc -l) headers compile alone"
