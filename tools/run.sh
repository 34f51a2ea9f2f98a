#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Usage: tools/run.sh [file]
#
# Build shmap, and stream a file (default: a generated one) through a named
# region to two consumers, each a process of its own. The consumers verify
# every chunk; at the end what they received is compared with the file. On
# Debian and Ubuntu, what is missing is installed first.
set -euo pipefail

file=
if [ $# -gt 0 ]; then
    file=$(realpath -e "$1")
fi
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

need_packages build-essential cmake pkg-config libcmocka-dev libuv1-dev

cmake -S "$root" -B "$root/build"
cmake --build "$root/build" --parallel "$(getconf _NPROCESSORS_ONLN)"

work=$(mktemp -d)
consumers=()
finish() {
    if [ "${#consumers[@]}" -gt 0 ]; then
        kill "${consumers[@]}" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

if [ -z "$file" ]; then
    file=$work/generated
    head -c 67108864 /dev/urandom >"$file"
fi

name=run.$$
for i in 1 2; do
    "$root/build/examples/consumer" --name "$name" --output "$work/$i" &
    consumers+=($!)
done
"$root/build/examples/producer" --name "$name" --wait 2 "$file"
for pid in "${consumers[@]}"; do
    wait "$pid"
done
consumers=()

cmp "$file" "$work/1"
cmp "$file" "$work/2"
echo "Two consumers received all $(stat -c %s "$file") bytes of ${file##*/}."
