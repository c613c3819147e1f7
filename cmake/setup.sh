# SPDX-License-Identifier: MIT
# Sourced by the scripts that set everything up: `lowbit_setup package…` installs the Debian packages that are missing.

lowbit_setup() {
  command -v dpkg-query >/dev/null 2>&1 || return 0 # not Debian: CMake says what is missing
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    else
      echo "Packages are missing. As root, run:" >&2
      echo "  $line" >&2
      return 1
    fi
  fi
  echo "Installing: ${missing[*]}" >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
    echo "Installing failed. As root, run:" >&2
    echo "  $line" >&2
    return 1
  }
}

# Configures a preset and builds the targets named after it (all without any).
lowbit_build() {
  local preset=$1
  shift
  local targets=()
  [ $# -gt 0 ] && targets=(--target "$@")
  cmake --preset "$preset" >/dev/null && cmake --build --preset "$preset" -j "$(nproc)" "${targets[@]}"
}
