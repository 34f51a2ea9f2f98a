#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Usage: tools/model/check.sh [--long] [MODEL...]
#        tools/model/check.sh --story MODEL SWITCH...
#
# Check the models in this directory exhaustively: lifetime (named regions,
# docs/lifetime.md), mutex, wait, once, rwlock, record, presence and roster; all, unless
# some are named. Every configuration must keep the promises, and every seeded
# mistake must be found. All take about six minutes and 2 GB; --long adds the largest
# configurations, which take an hour and 16 GB.
#
# --story tells the shortest story that leads to a breach, for instance
#     tools/model/check.sh --story lifetime BUG_ASK_FIRST PLAIN
#
# Exit status: 0 if all is as expected, 1 if not, 77 without Spin or compiler.
set -uo pipefail

models=$(cd "$(dirname "$0")" && pwd)
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
long=false
model=

# search KIND SWITCH...: run the checker; its output is in search.log.
#   all        depth first, everything: smallest in memory
#   shortest   breadth first, until the first breach: its story is the shortest
#   progress   cycles in which nobody gets on, under weak fairness
search() {
    local kind=$1
    # Searches that end soon take less time than to be compiled well, or to pack
    # their states.
    local optimise=-O1
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
    if [ "$model" = lifetime ]; then
        flags+=(-DCOLLAPSE)
        [ "$kind" = shortest ] || optimise=-O2
    fi
    rm -f -- pan* ./*.trail search.log
    spin "${@/#/-D}" -a "$models/$model.pml" >search.log 2>&1 &&
        "$compiler" "$optimise" -w "-DMEMLIM=$memory" "${flags[@]}" \
            -o pan pan.c >>search.log 2>&1 &&
        ./pan "${options[@]}" >>search.log 2>&1
}

# What the search found, in words.
finding() {
    local breach
    breach=$(grep -m1 '^pan:1:' search.log)
    case $breach in
    *'invalid end state'*) echo "$forever" ;;
    *'non-progress'*) echo "endless retrying" ;;
    *'life[(owner-1)]'*) echo "a living owner is buried" ;;
    *'life[(saw-1)]'*) echo "a dead owner is not found" ;;
    *throughout*) echo "P1 held, yet not found" ;;
    *met*) echo "P1 not held, yet found" ;;
    *last*) echo "P1 the name is left over" ;;
    *seen*) echo "P3 dead bytes" ;;
    *holds* | *'name==inode'*) echo "P2 removed while held" ;;
    *plant*) echo "P9 planted content" ;;
    *asleep*) echo "somebody sleeps for ever" ;;
    *holder*) echo "two owners" ;;
    *forgotten*) echo "a seat nobody gets" ;;
    *member==0*) echo "two members of a seat" ;;
    *turn==was* | *member!=0* | *burying*) echo "a burial of two" ;;
    *knows==*) echo "a change unseen" ;;
    *died*) echo "P11 a death untold" ;;
    *doer*) echo "done twice at a time" ;;
    *writing* | *readers*) echo "writing while others read" ;;
    *first==found*) echo "a torn value" ;;
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
    sed -nE '/^unreached in proctype (process|thread|writes|reads)$/,/ states\)$/p' search.log |
        sed -n 's/^[^"]*"\(.*\)"$/\1/p' | grep -v '^-end-$'
}

row() {
    printf '%-44s %9s %5s  %-27s %s\n' "$@"
}

# expect KIND FINDING WHAT SWITCH...
#   all: nothing, and every step of the model was done; most: nothing
expect() {
    local kind=$1
    local wanted=$2
    local what=$3
    local begin=$SECONDS
    local found states verdict=ok
    shift 3
    search "${kind/most/all}" "$@"
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
    spin "${@/#/-D}" -k "$model.pml.trail" "$models/$model.pml" 2>/dev/null |
        sed -nE 's/^ *(([0-9]|-): )/\1/p' | cat -n
    echo "found: $found"
    [ "$found" != "no result" ]
}

heading() {
    echo
    row "$1" states s finds ""
}

lifetime() {
    forever="P1 somebody waits for ever"
    heading "Named regions"
    expect all nothing "3 processes, kills, forks" KILLS FORK
    expect all nothing "3, kills, one of another user" KILLS STRANGER
    expect all nothing "2, kills, forks, hard link" PROCS=2 KILLS FORK RAW
    expect all nothing "2, the same, temporary names" \
        PROCS=2 KILLS FORK RAW RENAME
    expect all nothing "2, kills, links to the name" PROCS=2 KILLS PLANT
    expect progress nothing "3, everybody comes to an end"
    expect progress nothing "2, the same, temporary names" PROCS=2 RENAME
    if $long; then
        memory=16000
        expect all nothing "3, kills, hard link" KILLS RAW
        expect all nothing "3, kills, temporary names" KILLS RENAME
        memory=4000
    fi

    heading "Seeded mistakes"
    expect shortest "P3 dead bytes" \
        "open marks, then asks" BUG_MARK_FIRST
    expect shortest "P3 dead bytes" \
        "open does not look after marking" BUG_NO_VERIFY
    expect shortest "P3 dead bytes" \
        "one lock for mark and exclusive step" BUG_ONE_LOCK KILLS
    expect shortest "P2 removed while held" \
        "reap does not look after locking" BUG_NO_RECHECK
    expect shortest "P9 planted content" \
        "open does not compare the stamp" BUG_NO_PROOF PROCS=2 PLANT
    expect shortest "P2 removed while held" \
        "a link is unlinked without a lock" BUG_LINK_UNLOCKED PROCS=2 PLANT
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

    heading "Known limits"
    expect shortest "P3 dead bytes" \
        "P3, openers who mark do not count" STRICT
    expect progress "endless retrying" \
        "openers of a half removed region" PROCS=2 KILLS
}

mutex() {
    forever="somebody waits for ever"
    heading "Mutexes"
    expect most nothing "Windows: 3 threads, deadlines" PROCS=3
    expect all nothing "Windows: 2, any number of deaths" PROCS=2 KILLS=9
    expect most nothing "Windows: 2, the machine restarts" PROCS=2 RESTART
    expect most nothing "Linux: 3 threads, deadlines" KERNEL PROCS=3
    expect most nothing "Linux: 2, any number of deaths" \
        KERNEL PROCS=2 KILLS=9
    expect most nothing "Linux: 2, the machine restarts" \
        KERNEL PROCS=2 RESTART
    if $long; then
        memory=16000
        expect most nothing "Linux: 3, a death" KERNEL PROCS=3 KILLS=1
        expect most nothing "Windows: 3, the machine restarts" PROCS=3 RESTART
        memory=4000
    fi
    heading "Seeded mistakes"
    expect shortest "two owners" \
        "who buries does not compare the word" BUG_BURY_UNSEEN PROCS=2 KILLS=1
    expect shortest "$forever" \
        "who buries compares the number only" BUG_NUMBER_ONLY PROCS=2 KILLS=1
    expect shortest "P11 a death untold" \
        "unlock forgets that somebody died" BUG_UNLOCK_CLEARS PROCS=2 KILLS=1
    expect shortest "$forever" \
        "a waiter does not mark the word" BUG_UNMARKED PROCS=2
    expect shortest "$forever" \
        "who was woken takes it unmarked" BUG_WOKEN_UNMARKED KERNEL PROCS=3
    expect shortest "$forever" \
        "who was woken and times out is silent" \
        BUG_TIMEOUT_FORGETS KERNEL PROCS=3
}

wait_() {
    forever="somebody sleeps for ever"
    heading "Waiting and waking"
    expect most nothing "Linux: a number, 3 threads" PROCS=3
    expect all nothing "Linux: a number, 2, deaths" PROCS=2 KILLS=9
    expect most nothing "Linux: a round, 3" ROUNDS PROCS=3
    expect most nothing "Linux: a round, 2, deaths" ROUNDS PROCS=2 KILLS=9
    expect most nothing "Linux: a condition, 3" COND PROCS=3
    expect most nothing "Linux: a condition, 2, deaths" COND PROCS=2 KILLS=9
    expect most nothing "Windows: a number, 3 threads" TOKENS PROCS=3
    expect all nothing "Windows: a number, 2, deaths" TOKENS PROCS=2 KILLS=9
    expect most nothing "Windows: a round, 3, naps" TOKENS NAPS ROUNDS PROCS=3
    expect most nothing "Windows: a condition, 3" TOKENS COND PROCS=3
    expect most nothing "Windows: a condition, 2, deaths" \
        TOKENS COND PROCS=2 KILLS=9
    if $long; then
        memory=16000
        expect all nothing "Linux: a number, 3, a death" PROCS=3 KILLS=1
        expect all nothing "Windows: a number, 3, a death" \
            TOKENS PROCS=3 KILLS=1
        memory=4000
    fi
    heading "Seeded mistakes"
    expect shortest "$forever" \
        "who wakes looks before it stores" BUG_WAKE_LOOKS_FIRST PROCS=2
    expect shortest "$forever" \
        "who waits looks before it registers" BUG_LOOKS_FIRST PROCS=2
    expect shortest "$forever" \
        "who wakes changes the sequence last" BUG_SEQUENCE_LAST PROCS=2
    expect shortest "$forever" \
        "taken back, and nobody is told" BUG_TAKEN_BACK_UNTOLD PROCS=2 COND
    expect shortest "somebody sleeps for ever" \
        "a later waiter hides a lock" BUG_TURN_STAYS PROCS=2 KILLS=1 COND
    expect shortest "somebody sleeps for ever" \
        "a waiter that locks again hides a lock" \
        BUG_RELOCKED_UNSEEN PROCS=3 KILLS=1 COND
    expect shortest "$forever" \
        "taken back, and nobody looks" BUG_UNCOUNTED PROCS=2
    expect all "$forever" \
        "taken back without looking whose it is" \
        BUG_OTHERS_REGISTRATION TOKENS PROCS=3 KILLS=1
    expect shortest "$forever" \
        "all are woken, but as many as were there" BUG_CLIPPED ROUNDS PROCS=3
    heading "Known limits"
    expect shortest "$forever" \
        "Windows: a round, without naps" TOKENS ROUNDS PROCS=2
}

once() {
    forever="somebody waits for ever"
    heading "Onces"
    expect most nothing "3 threads, deadlines" PROCS=3
    expect all nothing "2, any number of deaths" PROCS=2 KILLS=9
    expect all nothing "3, a death" PROCS=3 KILLS=1
    heading "Seeded mistakes"
    expect shortest "done twice at a time" \
        "who buries does not compare the word" BUG_BURY_UNSEEN PROCS=2 KILLS=1
    expect shortest "done twice at a time" \
        "who buries compares the number only" BUG_NUMBER_ONLY PROCS=2 KILLS=1
    expect shortest "P11 a death untold" \
        "abandon forgets that somebody died" BUG_ABANDON_FORGETS PROCS=2
    expect shortest "$forever" \
        "commit wakes one" BUG_COMMIT_WAKES_ONE PROCS=3
    expect shortest "$forever" "nobody is woken" BUG_SILENT PROCS=2
}

rwlock() {
    forever="somebody waits for ever"
    heading "Reader-writer locks"
    expect most nothing "3 threads" PROCS=3
    expect most nothing "3, one slot for readers" PROCS=3 FULL
    expect most nothing "2, readers change their slots" PROCS=2 CHANGES
    expect all nothing "2, the same, any number of deaths" PROCS=2 CHANGES KILLS=9
    expect all nothing "2, any number of deaths" PROCS=2 KILLS=9
    expect all nothing "2, the same, one slot" PROCS=2 FULL KILLS=9
    if $long; then
        expect all nothing "3, a death" PROCS=3 KILLS=1
    fi
    heading "Seeded mistakes"
    expect shortest "writing while others read" \
        "a reader looks, then takes its slot" BUG_LOOKS_FIRST PROCS=2
    expect shortest "writing while others read" \
        "a writer does not look at the slots" BUG_WRITES_AT_ONCE PROCS=2
    expect shortest "$forever" \
        "a reader does not wake the writer" BUG_LEAVES_SILENTLY PROCS=2
    expect shortest "$forever" \
        "a reader does not wake who wants its slot" BUG_SLOT_UNTOLD PROCS=3 FULL
    expect shortest "writing while others read" \
        "a reader looks at the writer, then says it reads" BUG_SAYS_LAST PROCS=2
    expect shortest "writing while others read" \
        "a writer clears the word after its look" BUG_CLEARS_LATE PROCS=2
    expect shortest "writing while others read" \
        "the same, not if a reader came since" BUG_CLEARS_UNSEEN PROCS=2
    expect shortest "writing while others read" \
        "a reader changes its slot unseen" BUG_CHANGES_UNSEEN PROCS=2 CHANGES
    expect shortest "$forever" \
        "a writer marks the word anew after its look" \
        BUG_MARKS_LATE PROCS=2 CHANGES
    expect shortest "writing while others read" \
        "a writer clears the word before its look" \
        BUG_CLEARS_FIRST PROCS=2 KILLS=1
}

record() {
    forever="somebody waits for ever"
    heading "Records"
    expect all nothing "2 writers, a reader" MODEL
    expect all nothing "2 writers, a reader, a death" KILLS=1
    heading "Seeded mistakes"
    expect shortest "a torn value" "two places" BUG_TWO_PLACES
    expect shortest "a torn value" "the version first" BUG_VERSION_FIRST
    expect shortest "a torn value" "two versions later is good" BUG_TOLERANT
    expect shortest "a torn value" "no second look" BUG_NO_SECOND_LOOK
}

presence() {
    heading "Presence"
    expect most nothing "3 processes, 3 deaths" KILLS=3
    expect most nothing "3, one that cannot be known" BLIND
    heading "Seeded mistakes"
    expect shortest "a living owner is buried" \
        "locks, then makes itself known" BUG_LOCKS_FIRST
    expect shortest "a living owner is buried" \
        "numbers of other namespaces are asked for" BUG_ANY_NAMESPACE
    expect shortest "a living owner is buried" \
        "who cannot be known is dead" BUG_UNKNOWN_IS_DEAD BLIND
    expect shortest "a living owner is buried" \
        "who buries does not compare the word" BUG_BURY_UNSEEN
    expect shortest "a dead owner is not found" \
        "a child keeps its parent's presence" BUG_INHERITED
}

roster() {
    forever="somebody waits for ever"
    heading "Rosters"
    expect most nothing "2 processes, 2 members, a death" KILLS=1 JOINS=2
    heading "Seeded mistakes"
    expect all "a seat nobody gets" \
        "who dies before it is a member is not found" BUG_DEATH_LOST
    expect all "two members of a seat" \
        "a seat is given before the burial" BUG_GIVEN_UNBURIED KILLS=1 JOINS=2
    expect all "a seat nobody gets" \
        "an undertaker's death is not found" BUG_UNDERTAKER_LOST
    expect all "a burial of two" \
        "who buries does not compare the word" BUG_TWO_UNDERTAKERS
    expect all "a burial of two" \
        "who buries does not look again" BUG_NO_SECOND_LOOK
    expect all "a change unseen" \
        "a watcher looks only when woken" BUG_NO_SLICES
}

usage() {
    sed -n 's/^# \(Usage:\|       tools\)/\1/p' "$models/check.sh"
    exit 1
}

forever="somebody waits for ever"
if [ "${1:-}" = --story ]; then
    if [ $# -lt 3 ] || [ ! -f "$models/$2.pml" ]; then
        usage
    fi
    model=$2
    shift 2
    story "$@"
    exit
fi
if [ "${1:-}" = --long ]; then
    long=true
    shift
fi
[ $# -ne 0 ] || set -- lifetime mutex wait once rwlock record presence roster
for model in "$@"; do
    case $model in
    lifetime | mutex | once | rwlock | record | presence | roster) "$model" ;;
    wait) wait_ ;; # "wait" is the shell's.
    *) usage ;;
    esac
done

echo
if [ "$failures" -eq 0 ]; then
    echo "all as expected"
else
    echo "not as expected: $failures"
    exit 1
fi
