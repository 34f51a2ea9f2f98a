#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Usage: tools/test.sh [ctest option...]
#
# Build shmap and run its tests, in the directory build. On Debian and Ubuntu,
# what is missing is installed first.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

need_packages build-essential cmake pkg-config libcmocka-dev libuv1-dev

jobs=$(getconf _NPROCESSORS_ONLN)
cmake -S "$root" -B "$root/build" -DSHMAP_BUILD_TESTS=ON
cmake --build "$root/build" --parallel "$jobs"
cd "$root/build"
ctest --no-tests=error --output-on-failure --parallel "$jobs" "$@"
