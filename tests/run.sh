#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Sets everything up, builds and runs the whole test suite. Arguments go to ctest: ./tests/run.sh -R kernel
set -euo pipefail
cd "$(dirname "$0")/.."
. cmake/setup.sh
lowbit_setup g++ make cmake libeigen3-dev nlohmann-json3-dev libcli11-dev catch2 libbenchmark-dev
lowbit_build release lowbit_tests
ctest --preset release -j "$(nproc)" "$@"
