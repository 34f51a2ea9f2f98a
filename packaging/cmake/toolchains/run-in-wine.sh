#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run a Windows program under Wine, for CMake and ctest.
#
# A process that another one ends has exit status 0 under Wine. A test that
# died that way must not count as passed, so a test program also has to print
# cmocka's summary line. Status 77 (skipped) and failures are handed on.

# shellcheck source=packaging/cmake/toolchains/wine.sh
. "$(dirname "$0")/wine.sh"
make_wine_prefix

program=$1
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

# The output goes through a file: Wine's own processes inherit it, and a reader
# that waits for the end of a pipe would wait for them.
"$SHMAP_WINE" "$@" >"$log" 2>&1 </dev/null &
pid=$!
tail -n +1 -s 0.05 -f --pid="$pid" "$log"
wait "$pid"
status=$?

case $(basename "$program") in
test_*)
    if [ "$status" -eq 0 ] && ! grep -q '^\[  PASSED  \]' "$log"; then
        echo "$program ended without cmocka's summary: not passed" >&2
        status=99
    fi
    ;;
esac
exit "$status"
