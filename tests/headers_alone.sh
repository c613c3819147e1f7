#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers_alone.sh CXX ROOT INCLUDE_DIR…: every header compiles alone, in a source of its own and with plain flags.
#
# Each source ends in an assertion that fails, and the first error is fatal: reaching it means that the header parsed, and
# the compiler stops there instead of instantiating what the header would need at the end of a source.
#
# A header that includes another one gets all that the other needs, so a source may open with the other without hiding
# anything from it: headers are cut into chains, each including the one before, and a chain is one source. Where it does
# not compile, its headers are tried one by one.
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

# One line a chain: what to include first, then its headers, the included ones before those that include them.
find lowbit -name '*.hpp' | sort | xargs awk '
  function kind(header) {
    if (header ~ /^lowbit\/(linalg\/matrix|io\/json)\.hpp$/) return "none"
    if (header ~ /^lowbit\/(linalg|calib|transform|ptq)/) return "eigen"
    if (header ~ /^lowbit\/(model|pipeline|train)/) return "json"
    return "none"
  }
  function reach(header,   i, n, direct, below) {  # reaches[header, x] for every x that header includes, at any depth
    if (header in done) return
    done[header] = 1
    n = split(includes[header], direct, " ")
    for (i = 1; i <= n; ++i) {
      reach(direct[i])
      reaches[header, direct[i]] = 1
      for (below in is_header) if ((direct[i], below) in reaches) reaches[header, below] = 1
    }
  }
  FNR == 1 { order[++count] = FILENAME; is_header[FILENAME] = 1 }
  /^#include "lowbit\// { split($0, quoted, "\""); includes[FILENAME] = includes[FILENAME] " " quoted[2] }
  END {
    for (i = 1; i <= count; ++i) {
      reach(order[i])
      for (j = 1; j <= count; ++j) if ((order[i], order[j]) in reaches) ++depth[order[i]]
    }
    for (;;) {
      chain = last = ""
      do {  # the largest header that is left, then the largest left that it includes, …
        best = ""
        for (i = 1; i <= count; ++i) {
          header = order[i]
          if (header in used || (last != "" && (kind(header) != kind(last) || !((last, header) in reaches)))) continue
          if (best == "" || depth[header] > depth[best]) best = header
        }
        if (best == "") break
        used[best] = 1
        chain = best " " chain
        last = best
      } while (1)
      if (chain == "") break
      print kind(last), chain
    }
  }' >"$work/chains"

export work
# kind compiler… -- header…: do these compile, one after the other?
cat >"$work/compiles" <<'EOF'
kind=$1
shift
compiler=()
while [ "$1" != -- ]; do compiler+=("$1"); shift; done
shift
[ "$kind" = none ] || compiler+=(-include "$work/$kind.hpp")
out=$({ printf '#include "%s"\n' "$@"; echo 'static_assert(sizeof(int) == 0, "end of header");'; } |
  "${compiler[@]}" -Wfatal-errors -x c++ - 2>&1)
case $out in
  *"warning:"*) ;;
  *"error: static assertion failed: end of header"* | *"error: static assertion failed"*"end of header"*) exit 0 ;;
esac
printf '%s\n' "$out"
exit 1
EOF
cat >"$work/check" <<'EOF'
kind=$1
IFS=' ' read -ra headers <<<"$2"
shift 2
bash "$work/compiles" "$kind" "$@" -- "${headers[@]}" >/dev/null && exit 0
bad=0
for header in "${headers[@]}"; do
  bash "$work/compiles" "$kind" "$@" -- "$header" || { echo "does not compile alone: $header"; bad=1; }
done
if [ $bad = 0 ]; then echo "do not compile together: ${headers[*]}"; fi
exit 1
EOF
sed 's/ /\n/' "$work/chains" | xargs -d '\n' -P "$(nproc)" -n 2 sh -c 'bash "$0/check" "$1" "$2" '"$(printf '%q ' "$cxx" -fsyntax-only "${flags[@]}")" "$work"
echo "$(find lowbit -name '*.hpp' | wc -l) headers compile alone"
