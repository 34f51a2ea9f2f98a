#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Usage: bench/document.sh BUILD_DIRECTORY [WINDOWS_BUILD_DIRECTORY]
#
# Run the benchmarks, list the system calls, and put both in place of what
# docs/performance.md has. Below four minutes; best on a machine that does
# nothing else, or under chrt -f 5. With the second directory, those for
# Windows, too, by the program that WINE names, or wine: a minute more.
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

# What the commands print, between the lines that have this name, with a line
# about the machine before it.
put() {
    local name=$1
    local before
    shift
    before=$(load)
    "$@" | tr -d '\r' >"$work/results"
    {
        echo "Linux $(uname -r), $(nproc) processors ($(cpu 'model name'))." \
            "Load average $before before, $(load) after."
        echo
        cat "$work/results"
    } >"$work/block"
    awk -v name="$name" '
        FNR == NR { results[++count] = $0; next }
        $0 == "<!-- end of " name " -->" { inside = 0 }
        !inside { print }
        $0 == "<!-- " name " -->" {
            inside = 1
            for (i = 1; i <= count; i++)
                print results[i]
        }
    ' "$work/block" "$document" >"$work/document"
    cp "$work/document" "$document"
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

put bench regions
put sync "$bench/bench_sync"
put sync-early pinned early
put sync-one pinned one
put handover "$bench/bench_handover"
if [ $# -gt 1 ]; then
    put wine windows "$2"
    put wine-handover windows_handover "$2"
fi

"$here/trace.sh" "$bench/bench_trace"
