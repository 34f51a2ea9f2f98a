# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For scripts that read this file: install what Debian or Ubuntu lacks.

# The arguments that are no installed packages.
missing_packages() {
    local package
    for package in "$@"; do
        if ! dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
            grep -qx installed; then
            echo "$package"
        fi
    done
}

# Install these packages if they are missing. On other systems, and where only
# an administrator can, say so; the build then tells what it lacks.
need_packages() {
    local missing as_root=() attempt
    if ! command -v apt-get >/dev/null; then
        echo "No apt-get here. Needed are what Debian calls: $*" >&2
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    if [ "${#missing[@]}" -eq 0 ]; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
        if [ ! -t 0 ]; then
            as_root+=(-n)
        fi
        if ! "${as_root[@]}" true 2>/dev/null; then
            echo "Missing packages. As root: apt-get install ${missing[*]}" >&2
            return 1
        fi
    fi
    echo "Installing: ${missing[*]}"
    for attempt in 1 2 3 4; do
        if "${as_root[@]}" apt-get -q update &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get -q -y -o Acquire::Retries=3 \
                -o DPkg::Lock::Timeout=300 \
                install --no-install-recommends "${missing[@]}"; then
            return 0
        fi
        sleep $((attempt * 10))
    done
    echo "These packages cannot be installed: ${missing[*]}" >&2
    return 1
}
