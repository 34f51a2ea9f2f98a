#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: tests/header/check.sh [command...]
#
# Every public header compiles alone, and twice, as C99, C11, C++98 and C++20
# with every warning an error, and so does use.c. Each command (default: the
# GCC and Clang that are there) is a C or, if its name ends in ++, a C++
# compiler.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ $# -eq 0 ]; then
    for compiler in gcc g++ clang clang++; do
        if command -v "$compiler" >/dev/null; then
            set -- "$@" "$compiler"
        fi
    done
fi

warnings="-Werror -pedantic-errors -Wall -Wextra -Wconversion -Wsign-conversion
    -Wshadow -Wundef -Wcast-qual"

# $1: compiler, $2: standard, $3: language, $4: file, the rest: options
compile() {
    compiler=$1 standard=$2 language=$3 file=$4
    shift 4
    # shellcheck disable=SC2086
    $compiler -std="$standard" $warnings "$@" -I"$root/include" \
        -fsyntax-only -x "$language" "$file"
    count=$((count + 1))
}

count=0
for compiler in "$@"; do
    case $compiler in
    *++) language=c++ standards='c++98 c++20' option=-Wold-style-cast ;;
    *) language=c standards='c99 c11' option=-Wstrict-prototypes ;;
    esac
    for standard in $standards; do
        for header in shmap.h $(cd "$root/include" && ls shmap/*.h); do
            printf '#include <%s>\n#include <%s>\n' "$header" "$header" \
                >"$work/alone"
            echo 'extern int nothing;' >>"$work/alone"
            compile "$compiler" "$standard" "$language" "$work/alone" "$option"
        done
        compile "$compiler" "$standard" "$language" \
            "$root/tests/header/use.c" "$option"
    done
done
echo "$count compilations, no warning"
