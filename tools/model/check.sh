#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Usage: tools/model/check.sh [--long]
#        tools/model/check.sh --story SWITCH...
#
# Check the protocol of named regions (lifetime.pml, docs/lifetime.md): every
# configuration must keep the promises, and every seeded mistake must be found,
# as a breach of the promise that it breaks. About three minutes and 2 GB;
# --long adds the largest configurations, which take half an hour and 8 GB.
#
# --story tells the shortest story that leads to a breach, for instance
#     tools/model/check.sh --story BUG_ASK_FIRST PLAIN
#
# Exit status: 0 if all is as expected, 1 if not, 77 without Spin or compiler.
set -uo pipefail

model=$(cd "$(dirname "$0")" && pwd)/lifetime.pml
compiler=${CC:-cc}
for tool in spin "$compiler"; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool is missing"
        exit 77
    fi
done
work=$(mktemp -d "${TMPDIR:-/tmp}/shmap-model.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work" || exit 1
failures=0
memory=4000

# search KIND SWITCH...: run the checker; its output is in search.log.
#   all        depth first, everything: smallest in memory
#   shortest   breadth first, until the first breach: its story is the shortest
#   progress   cycles in which nobody gets on, under weak fairness
search() {
    local kind=$1
    local -a flags=()
    local -a options=()
    shift
    case $kind in
    all)
        flags=(-DSAFETY)
        options=(-w25 -m20000000)
        ;;
    shortest)
        flags=(-DSAFETY -DBFS)
        options=(-w22)
        ;;
    progress)
        flags=(-DNP -DNFAIR=3)
        options=(-l -f -w24 -m5000000)
        ;;
    esac
    rm -f -- pan* ./*.trail search.log
    spin "${@/#/-D}" -a "$model" >search.log 2>&1 &&
        "$compiler" -O2 -w -DCOLLAPSE "-DMEMLIM=$memory" "${flags[@]}" \
            -o pan pan.c >>search.log 2>&1 &&
        ./pan "${options[@]}" >>search.log 2>&1
}

# What the search found, in words.
finding() {
    local breach
    breach=$(grep -m1 '^pan:1:' search.log)
    case $breach in
    *'invalid end state'*) echo "P1 somebody waits for ever" ;;
    *'non-progress'*) echo "endless retrying" ;;
    *throughout*) echo "P1 held, yet not found" ;;
    *met*) echo "P1 not held, yet found" ;;
    *last*) echo "P1 the name is left over" ;;
    *seen*) echo "P3 dead bytes" ;;
    *holds* | *'name==inode'*) echo "P2 removed while held" ;;
    *)
        if grep -q 'errors: 0$' search.log &&
            ! grep -qE 'Search not completed|too small|out of memory' \
                search.log; then
            echo "nothing"
        else
            echo "no result"
        fi
        ;;
    esac
}

# Steps of the protocol that the search never did. Only the end of the
# process, which runs for ever, may be among them.
unreached() {
    sed -n '/^unreached in proctype process$/,/ states)$/p' search.log |
        sed -n 's/^[^"]*"\(.*\)"$/\1/p' | grep -v '^-end-$'
}

row() {
    printf '%-44s %9s %5s  %-27s %s\n' "$@"
}

# expect KIND FINDING WHAT SWITCH...
expect() {
    local kind=$1
    local wanted=$2
    local what=$3
    local begin=$SECONDS
    local found states verdict=ok
    shift 3
    search "$kind" "$@"
    found=$(finding)
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' search.log)
    if [ "$found" != "$wanted" ]; then
        verdict="WRONG, expected: $wanted"
    elif [ "$kind" = all ] && [ -n "$(unreached)" ]; then
        verdict="WRONG, steps not reached"
    fi
    row "$what" "${states:--}" "$((SECONDS - begin))" "$found" "$verdict"
    if [ "$verdict" != ok ]; then
        failures=$((failures + 1))
        unreached
        [ "$found" != "no result" ] || tail -n 5 search.log
    fi
}

story() {
    local found
    search shortest "$@"
    found=$(finding)
    spin "${@/#/-D}" -k lifetime.pml.trail "$model" 2>/dev/null |
        sed -nE 's/^ *(([0-9]|-): )/\1/p' | cat -n
    echo "found: $found"
    [ "$found" != "no result" ]
}

case ${1:-} in
--story)
    shift
    story "$@"
    exit
    ;;
--long) long=true ;;
'') long=false ;;
*)
    sed -n 's/^# \(Usage:\|       tools\)/\1/p' "$0"
    exit 1
    ;;
esac

row "The protocol" states s finds ""
expect all nothing "3 processes, kills, forks" KILLS FORK
expect all nothing "3, kills, one of another user" KILLS STRANGER
expect all nothing "2, kills, forks, hard link" PROCS=2 KILLS FORK RAW
expect all nothing "2, the same, temporary names" \
    PROCS=2 KILLS FORK RAW RENAME
expect progress nothing "3, everybody comes to an end"
expect progress nothing "2, the same, temporary names" PROCS=2 RENAME
if $long; then
    memory=16000
    expect all nothing "3, kills, hard link" KILLS RAW
    expect all nothing "3, kills, temporary names" KILLS RENAME
    memory=4000
fi

echo
row "Seeded mistakes" states s finds ""
expect shortest "P3 dead bytes" \
    "open marks, then asks" BUG_MARK_FIRST
expect shortest "P3 dead bytes" \
    "open does not look after marking" BUG_NO_VERIFY
expect shortest "P3 dead bytes" \
    "one lock for mark and exclusive step" BUG_ONE_LOCK KILLS
expect shortest "P2 removed while held" \
    "reap does not look after locking" BUG_NO_RECHECK
expect shortest "P3 dead bytes" \
    "reap condemns after unlinking" BUG_CONDEMN_LAST PROCS=2 KILLS RAW
expect shortest "P1 the name is left over" \
    "reap locks, then asks if it may" \
    BUG_PERMISSION_LATE BUG_TRUST_REAPER PROCS=2 STRANGER
expect shortest "P1 the name is left over" \
    "close leaves it to any reaper" BUG_TRUST_REAPER PROCS=2 RENAME
expect shortest "P1 somebody waits for ever" \
    "fork in the middle of reap" BUG_FORK_ANY_TIME KILLS FORK
expect shortest "P2 removed while held" \
    "create links, then marks" BUG_LINK_FIRST PROCS=2
expect shortest "P1 not held, yet found" \
    "create believes a late opener's mark" BUG_EXISTS_UNVERIFIED
expect shortest "P1 the name is left over" \
    "close asks, then drops" BUG_ASK_FIRST PROCS=2 PLAIN
expect shortest "P2 removed while held" \
    "close unlocks its mark by hand" BUG_UNLOCK_BY_HAND FORK PLAIN
expect shortest "P1 the name is left over" \
    "turns: who has none does not wait" BUG_NO_WAIT PROCS=2
expect shortest "P1 the name is left over" \
    "turns: asks first, waits then" BUG_WRONG_ORDER PROCS=2
expect shortest "P1 the name is left over" \
    "turns: nobody looks at the clock" BUG_NO_CLOCK PROCS=2
expect shortest "P1 the name is left over" \
    "turns: they end before the mark is gone" BUG_TURN_ENDS_FIRST PROCS=2
expect shortest "P1 the name is left over" \
    "turns: with one who may not remove it" \
    BUG_TURNS_WITH_STRANGERS PROCS=2 STRANGER

echo
row "Known limits" states s finds ""
expect shortest "P3 dead bytes" \
    "P3, openers who mark do not count" STRICT
expect progress "endless retrying" \
    "openers of a half removed region" PROCS=2 KILLS

echo
if [ "$failures" -eq 0 ]; then
    echo "all as expected"
else
    echo "not as expected: $failures"
    exit 1
fi
