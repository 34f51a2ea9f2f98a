#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: tests/races/check.sh <folder> [detector...]
#
# Race detectors understand shmap's objects if the library is built as
# docs/sanitizers.md says: they report nothing about data that objects protect,
# and data that nothing protects. Detectors: clang and gcc (ThreadSanitizer),
# helgrind. Builds go to the folder.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$1
shift
[ $# -gt 0 ] || set -- clang gcc helgrind

objects="mutex rwlock cond event take semaphore barrier once record died"
failed=0
mkdir -p "$work"

# $1: detector
build() {
    compiler=$1
    flags="-fsanitize=thread -O1 -g"
    option=OFF
    if [ "$1" = helgrind ]; then
        compiler=gcc flags="-O1 -g" option=ON
    fi
    cmake -S "$root" -B "$work/$1" -DCMAKE_C_COMPILER="$compiler" \
        -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$flags" \
        -DSHMAP_HELGRIND=$option -DSHMAP_BUILD_TESTS=OFF \
        -DSHMAP_BUILD_EXAMPLES=OFF -DSHMAP_BUILD_BENCH=OFF >"$work/$1.log"
    cmake --build "$work/$1" >>"$work/$1.log"
    # shellcheck disable=SC2086
    "$compiler" $flags -Wall -Wextra -Werror -I"$root/include" \
        "$root/tests/races/races.c" "$work/$1/src/libshmap.a" -lpthread \
        -o "$work/races-$1"
}

# $1: detector, $2: object. Fails if there is a report.
run() {
    if [ "$1" = helgrind ]; then
        valgrind --quiet --tool=helgrind --error-exitcode=66 \
            --suppressions="$root/tools/helgrind.supp" \
            "$work/races-$1" "$2" >"$work/$1-$2.log" 2>&1
    else
        TSAN_OPTIONS=exitcode=66 "$work/races-$1" "$2" >"$work/$1-$2.log" 2>&1
    fi
}

for detector in "$@"; do
    build "$detector"
    for object in $objects; do
        if ! run "$detector" "$object"; then
            echo "$detector: $object: a false report" >&2
            cat "$work/$detector-$object.log" >&2
            failed=1
        fi
    done
    status=0
    run "$detector" none || status=$?
    if [ "$status" -ne 66 ]; then
        echo "$detector: a race is not reported (status $status)" >&2
        failed=1
    fi
    echo "$detector: looked"
done
exit "$failed"
