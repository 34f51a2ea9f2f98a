#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Usage: .ci/msvc/check.sh <directory> <build directory of mingw-shared>
#
# Build the library with Microsoft's ABI by clang-cl, all warnings as errors:
# as cl sees the sources and as clang-cl does, for three processors. Then run the
# tests that mingw-w64 has built with it, as a DLL and as a static library.
set -euo pipefail

work=$1
mingw=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
wine=/usr/lib/x86_64-linux-gnu/wine/x86_64-windows
headers=(-imsvc /usr/include/wine/wine/msvcrt
    -imsvc /usr/include/wine/wine/windows)
# What clang alone warns of, and says nothing of when it calls itself clang.
cl='/U__clang__ -fms-compatibility-version=19.24'
cl+=' /clang:-Wno-missing-field-initializers'

mkdir -p "$work/runtime"
/usr/lib/llvm-19/bin/clang-cl --target=x86_64-pc-windows-msvc /X \
    "${headers[@]}" -D_UCRT /O2 /c "/Fo$work/runtime/runtime.obj" \
    -- "$root/.ci/msvc/runtime.c"
for library in advapi32 kernel32 ucrtbase ntdll; do
    ln -sf "$wine/lib$library.a" "$work/runtime/$library.lib"
done

# $1: directory, $2: processor, $3: target, $4: what the compiler is to be told,
# the rest: options of the configuration.
build() {
    cmake -S "$root" -B "$work/$1" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_TOOLCHAIN_FILE="$root/packaging/cmake/toolchains/msvc-abi.cmake" \
        -DSHMAP_MSVC_PROCESSOR="$2" -DSHMAP_MSVC_RUNTIME="$work/runtime" \
        -DCMAKE_C_FLAGS_RELEASE="/O2 /DNDEBUG $4" -DSHMAP_WERROR=ON \
        -DSHMAP_BUILD_EXAMPLES=OFF -DSHMAP_BUILD_BENCH=OFF "${@:5}" \
        2>&1 | grep -v 'tests are not built'
    cmake --build "$work/$1" --target "$3"
}

build dll x86_64 shmap "$cl" -DBUILD_SHARED_LIBS=ON -DSHMAP_BUILD_TESTS=OFF
build static x86_64 shmap_stops '' -DSHMAP_BUILD_TESTS=ON
build i686 i686 shmap '' -DSHMAP_BUILD_TESTS=OFF
# What clang-cl knows of atomics on this processor, Wine's headers hide.
build aarch64 aarch64 shmap "$cl" -DSHMAP_BUILD_TESTS=OFF

# The tests of the DLL, with another DLL beside them.
mkdir -p "$work/tests"
cp "$mingw"/tests/*.exe "$mingw"/tests/*.plugin "$work/tests"
sed "s,$mingw/tests,$work/tests,g" "$mingw/tests/CTestTestfile.cmake" \
    >"$work/tests/CTestTestfile.cmake"
cp "$work/dll/src/shmap.dll" "$work/tests/libshmap.dll"

# The tests of the library with stop points, linked again. Those whose support
# looks at the library's own state of a thread cannot be.
x86_64-w64-mingw32-gcc -O2 -c "$root/.ci/msvc/print.c" -o "$work/print.o"
cp "$work/static/src/shmap_stops.lib" "$work/libshmap_stops.a"
ninja -C "$mingw" -t commands | grep -- '-o tests/test_.*libshmap_stops.a' |
    sed -n "s,-o tests/,-o $work/tests/,
        s,src/libshmap_stops.a,$work/libshmap_stops.a $work/print.o,gp" \
        >"$work/relink"
relinked=()
cd "$mingw"
while read -r command; do
    name=$(grep -o 'tests/test_[a-z_]*\.exe' <<<"$command" | head -n 1)
    name=$(basename "$name" .exe)
    if bash -c "$command" >"$work/relink.log" 2>&1; then
        relinked+=("${name#test_}")
    else
        echo "$name cannot be linked with it:"
        tail -n 3 "$work/relink.log"
        rm -f "$work/tests/$name.exe"
        sed -i "/^add_test(${name#test_} /d; /^set_tests_properties(${name#test_} /d" \
            "$work/tests/CTestTestfile.cmake"
    fi
done <"$work/relink"
echo "linked again: ${relinked[*]}"
