# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# For scripts that read this file: Wine's environment, in which Windows programs
# are tested, and a prefix of their own for it, unless WINEPREFIX names another.
# winedbg would end crashed tests with status 0; Mono and Gecko would ask to be
# installed.

: "${SHMAP_WINE:=/usr/lib/wine/wine64}"
: "${WINEPREFIX:=${SHMAP_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shmap-ci}/wine}"
: "${WINEDEBUG:=-all}"
WINEDLLOVERRIDES='mscoree=;mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES

# Make the prefix if it is missing; programs that come meanwhile wait. Wine's
# services get the streams of the program that starts first, and must not keep
# ours open. A new prefix says that it is Windows 7.
make_wine_prefix() {
    if [ -e "$WINEPREFIX/shmap.ready" ]; then
        return
    fi
    mkdir -p "$WINEPREFIX"
    (
        flock 9
        if [ ! -e "$WINEPREFIX/system.reg" ]; then
            "$SHMAP_WINE" wineboot -i >/dev/null 2>&1 </dev/null 9>&-
            "$SHMAP_WINE" winecfg -v win10 >/dev/null 2>&1 </dev/null 9>&-
        fi
        touch "$WINEPREFIX/shmap.ready"
    ) 9>"$WINEPREFIX/shmap.lock"
}
