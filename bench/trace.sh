#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Usage: bench/trace.sh [--check] BENCH_TRACE
#
# List the system calls behind create, attach and close, as strace sees them
# made by the program BENCH_TRACE (build/bench/bench_trace), in
# docs/system-calls.md: the tables after "## create" and so on, up to
# "<!-- end of trace -->". The reason beside a call stays if the same call is
# still there; one that has none yet gets "?".
#
# --check: change nothing; exit status 1 if the document lists other calls, or
# one without a reason. Names of calls are those of 64-bit x86 and glibc.
set -euo pipefail
export LC_ALL=C

check=
if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi
program=$1
document=$(dirname "$0")/../docs/system-calls.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One line per call: its section, a tab, and the call as the document shows it.
# The program announces sections by writing to descriptor -1.
strace -f -o "$work/trace" "$program"
sed -E \
    -e 's/^[0-9]+ +//' \
    -e 's/^newfstatat\(AT_FDCWD, .*, 0\) += .*/stat/' \
    -e 's/^newfstatat\(AT_FDCWD, .*/lstat/' \
    -e 's/^(newfstatat|fstat)\([0-9].*/fstat/' \
    -e 's/^prlimit64\(0, (RLIMIT_[A-Z]+), NULL.*/getrlimit(\1)/' \
    -e 's/^fcntl\([0-9]+, (F_OFD_SETLK), \{l_type=(F_[A-Z]+).*/fcntl(\1, \2)/' \
    -e 's/^fcntl\([0-9]+, (F_OFD_GETLK), \{l_type=(F_[A-Z]+).*/fcntl(\1): \2/' \
    -e 's/^fcntl\([0-9]+, (F_[A-Z_]+(, F_SEAL_[A-Z_|]+)?)[,)].*/fcntl(\1)/' \
    -e 's/^fchmod\([0-9]+, ([0-7]+)\).*/fchmod(\1)/' \
    -e 's/^flock\([0-9]+, (LOCK_[A-Z]+).*/flock(\1)/' \
    -e 's/^openat\(AT_FDCWD, "[^"]*", ([A-Z|_]*O_TMPFILE).*/open(O_TMPFILE)/' \
    -e 's/^openat\(AT_FDCWD, "[^"]*", [A-Z_|]*(O_PATH).*/open(\1)/' \
    -e 's/^openat\(AT_FDCWD, "[^"]*", (O_[A-Z]+)[^)]*\) = -1 ([A-Z]+).*/open(\1): \2/' \
    -e 's/^openat\(AT_FDCWD, "[^"]*", (O_[A-Z]+).*/open(\1)/' \
    -e 's/^mmap\(.* = -1 ([A-Z]+).*/mmap: \1/' \
    -e 's/^(sendmsg|recvmsg)\(.*/\1/' \
    -e '/^write\(-1/!s/^([a-z0-9_]+)\([^:]*\) += .*/\1/' \
    "$work/trace" |
    awk -F '"' '
        /^write\(-1/ { section = $2; next }
        section != "" && !/^\+\+\+/ { print section "\t" $0 }
    ' >"$work/calls"

# The document with the new tables. A reason is found by section, call, and
# which of several equal ones it is.
awk '
    function key(section, call) {
        return section "\t" call "\t" ++seen[section, call]
    }
    FNR == NR {
        calls[++count] = $0
        next
    }
    /^## / { section = substr($0, 4) }
    /^<!-- trace -->/ { inside = 1 }
    /^<!-- end of trace -->/ { inside = 0 }
    inside && /^\| `/ {
        split($0, cells, / *\| */)
        call = cells[2]
        gsub(/`/, "", call)
        reasons[key(section, call)] = cells[3]
        next
    }
    { lines[++total] = $0 }
    END {
        split("", seen)
        for (i = 1; i <= total; i++) {
            print lines[i]
            if (lines[i] ~ /^## /)
                section = substr(lines[i], 4)
            if (lines[i] !~ /^\|---/)
                continue
            for (j = 1; j <= count; j++) {
                split(calls[j], cells, "\t")
                if (cells[1] != section)
                    continue
                reason = reasons[key(section, cells[2])]
                print "| `" cells[2] "` | " (reason == "" ? "?" : reason) " |"
            }
        }
    }
' "$work/calls" "$document" >"$work/document"

if [ -z "$check" ]; then
    cp "$work/document" "$document"
elif ! diff -u "$document" "$work/document"; then
    echo "$document does not list the system calls that are made" >&2
    exit 1
fi
if grep -n '| ? |$' "$work/document" >&2; then
    echo "$document gives no reason for these calls" >&2
    exit 1
fi
