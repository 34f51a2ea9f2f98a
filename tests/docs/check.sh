#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: tests/docs/check.sh [compiler...]
#
# Every block of C in README.md and docs/porting.md compiles against the headers,
# every link between the pages leads somewhere, and CONTRIBUTING.md lists every
# environment variable of tests and scripts. A block without a function or struct
# of its own counts as the body of a function that has a region and a token.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- gcc clang

cd "$root"
failed=0
for page in README.md docs/porting.md; do
    name=$(basename "$page" .md)
    awk -v stem="$work/$name" '
        /^```c$/ { file = sprintf("%s-%d.c", stem, NR + 1); line = NR + 1
                   text = ""; whole = 0; next }
        /^```/ && file {
            print "#include <inttypes.h>\n#include <stdio.h>\n" \
                  "#include <time.h>\n#include <shmap.h>\n" >file
            if (!whole)
                print "static void block(shmap_region *region, " \
                      "const char *token);\nstatic void " \
                      "block(shmap_region *region, const char *token)\n{ {" \
                      >file
            printf "#line %d\n%s", line, text >file
            if (!whole)
                print "} }" >file
            close(file); file = ""; next }
        file { text = text $0 "\n"
               if (/^{$/ || /^(struct|union|enum|typedef) .*{$/) whole = 1 }
    ' "$page"
done

count=0
for block in "$work"/*.c; do
    for compiler in "$@"; do
        if ! "$compiler" -std=c11 -pedantic-errors -Wall -Wextra -Werror \
            -Wno-unused -Wno-unused-parameter -Iinclude -fsyntax-only "$block"; then
            echo "a block of $(basename "$block" .c) does not compile" >&2
            failed=1
        fi
        count=$((count + 1))
    done
done
echo "$count compilations"

# $1: page. Its headings as the names of links.
anchors() {
    # shellcheck disable=SC2016
    sed -n '/^```/,/^```/d; s/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' |
        sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

for page in *.md docs/*.md examples/*.md; do
    grep -o '](\([^)]*\))' "$page" | sed 's/^](//; s/)$//' |
        grep -v '^https*:' | sort -u >"$work/links" || true
    while read -r link; do
        target=${link%%#*}
        [ -n "$target" ] && target=$(dirname "$page")/$target || target=$page
        if [ ! -e "$target" ]; then
            echo "$page: no $link" >&2
            failed=1
        elif [ "${link#*#}" != "$link" ] &&
            ! anchors "$target" | grep -qxF -e "${link#*#}"; then
            echo "$page: no heading $link" >&2
            failed=1
        fi
    done <"$work/links"
done

# The environment variables that tests and scripts read are those of the table
# in CONTRIBUTING.md.
# shellcheck disable=SC2016
{
    find tests -name '*.[ch]' -exec cat {} + | tr -d ' \n' |
        grep -oE '(setting|getenv)\("SHMAP_[A-Z_]+'
    find .ci tools bench packaging tests -type f ! -name '*.[ch]' -exec \
        grep -hoE '(^|[^$])\$SHMAP_[A-Z_]+|\$\{SHMAP_[A-Z_]+:|ENV\{SHMAP_[A-Z_]+' {} +
} | grep -oE 'SHMAP_[A-Z_]+' | sort -u >"$work/read"
# shellcheck disable=SC2016
sed -n 's/^| `\(SHMAP_[A-Z_]*\)`.*/\1/p' CONTRIBUTING.md | sort >"$work/listed"
if ! diff "$work/read" "$work/listed"; then
    echo "CONTRIBUTING.md lists other variables (>) than are read (<)" >&2
    failed=1
fi
exit "$failed"
