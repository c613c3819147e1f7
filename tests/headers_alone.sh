#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers_alone.sh CXX ROOT INCLUDE_DIR…: every header compiles alone, in a source of its own and with plain flags.
set -euo pipefail
cxx=$1 root=$2
shift 2
system=()
for dir in "$@"; do system+=(-isystem "$dir"); done
cd "$root/include"
# The closed list of stored types is instantiated elsewhere; here its declarations are enough.
find lowbit -name '*.hpp' | sort | xargs -P "$(nproc)" -I{} sh -c '
  header=$1; shift
  printf "#include \"%s\"\n" "$header" | "$@" -x c++ - || { echo "does not compile alone: $header"; exit 1; }
' sh {} "$cxx" -std=c++20 -fsyntax-only -Wall -Wextra -DLOWBIT_EXTERN_CODECS -I. "${system[@]}"
echo "$(find lowbit -name '*.hpp' | wc -l) headers compile alone"
