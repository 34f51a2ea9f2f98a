#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Usage: bench/document.sh BUILD_DIRECTORY [WINDOWS_BUILD_DIRECTORY]
#
# Run the benchmarks and print their tables, with a line about the machine before
# each group. docs/performance.md has a summary of them. Below four minutes; best
# on a machine that does nothing else, or under chrt -f 5. With the second
# directory, those for Windows, too, by the program that WINE names, or wine: a
# minute more.
set -euo pipefail

bench=$1/bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

load() {
    cut -d ' ' -f 1 /proc/loadavg
}

# The second column of the first line with this name in /proc/cpuinfo.
cpu() {
    sed -n "s/^$1[[:space:]]*: *//p" /proc/cpuinfo | head -n 1
}

# $1: heading, the rest: a command that prints tables.
put() {
    local before
    echo "## $1"
    echo
    before=$(load)
    "${@:2}" | tr -d '\r' >"$work/results"
    echo "Linux $(uname -r), $(nproc) processors ($(cpu 'model name'))." \
        "Load average $before before, $(load) after."
    echo
    cat "$work/results"
}

regions() {
    for group in attach create; do
        "$bench/bench_region" "--filter=$group"
    done
    "$bench/bench_region" --filter=first-touch --processor
    "$bench/bench_steps"
}

windows() {
    for group in mutex/ turns recovery/; do
        "${WINE:-wine}" "$1/bench/bench_sync.exe" --rounds=101 \
            "--filter=$group" </dev/null
    done
}

windows_handover() {
    "${WINE:-wine}" "$1/bench/bench_handover.exe" --rounds=51 </dev/null
}

# Tables of two processes that are kept to processors first of all.
pinned() {
    for group in contention/ turns-spinning/ turns-asleep/ pair/ wait-cost/ \
        recovery/; do
        "$bench/bench_sync" "--pin=$1" "--filter=$group"
    done
}

put "Regions" regions
put "Synchronisation" "$bench/bench_sync"
put "Synchronisation, each process kept to its own processor" pinned early
put "Synchronisation, both processes kept to one processor" pinned one
put "Handing over" "$bench/bench_handover"
if [ $# -gt 1 ]; then
    put "Synchronisation, under Wine" windows "$2"
    put "Handing over, under Wine" windows_handover "$2"
fi
