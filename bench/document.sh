#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Usage: bench/document.sh BUILD_DIRECTORY
#
# Run the benchmarks, list the system calls, and put both in place of what
# docs/performance.md has. About two minutes; best on a machine that does
# nothing else.
set -euo pipefail

bench=$1/bench
here=$(dirname "$0")
document=$here/../docs/performance.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

load() {
    cut -d ' ' -f 1 /proc/loadavg
}

# The second column of the first line with this name in /proc/cpuinfo.
cpu() {
    sed -n "s/^$1[[:space:]]*: *//p" /proc/cpuinfo | head -n 1
}

before=$(load)
for group in attach create; do
    "$bench/bench_region" "--filter=$group"
done >"$work/results"
"$bench/bench_region" --filter=first-touch --processor >>"$work/results"
"$bench/bench_steps" >>"$work/results"
{
    echo "Linux $(uname -r), $(nproc) processors ($(cpu 'model name'))." \
        "Load average $before before, $(load) after."
    echo
    cat "$work/results"
} >"$work/block"

awk '
    FNR == NR { results[++count] = $0; next }
    /^<!-- end of bench -->/ { inside = 0 }
    !inside { print }
    /^<!-- bench -->/ {
        inside = 1
        for (i = 1; i <= count; i++)
            print results[i]
    }
' "$work/block" "$document" >"$work/document"
cp "$work/document" "$document"

"$here/trace.sh" "$bench/bench_trace"
