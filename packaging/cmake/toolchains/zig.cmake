# SPDX-License-Identifier: MIT
#
# Programs for macOS and for Windows on ARM, by the cross compiler that .ci/zig
# installs. SHMAP_ZIG_TARGET is its name of the system, such as aarch64-macos
# or aarch64-windows-gnu.

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SHMAP_ZIG_TARGET)
if(SHMAP_ZIG_TARGET MATCHES "^([^-]+)-macos")
  set(CMAKE_SYSTEM_NAME Darwin)
  # The compiler brings the system's headers.
  set(CMAKE_OSX_SYSROOT "" CACHE STRING "")
  set(CMAKE_OSX_DEPLOYMENT_TARGET "" CACHE STRING "")
elseif(SHMAP_ZIG_TARGET MATCHES "^([^-]+)-windows")
  set(CMAKE_SYSTEM_NAME Windows)
else()
  message(FATAL_ERROR "SHMAP_ZIG_TARGET: '${SHMAP_ZIG_TARGET}'?")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})

include("${CMAKE_CURRENT_LIST_DIR}/test-libraries.cmake")
find_test_cache(cache)
set(CMAKE_C_COMPILER "${cache}/zig/zig" cc -target ${SHMAP_ZIG_TARGET})
# There are no ar and ranlib of other names.
set(CMAKE_AR "${cache}/zig/zig-ar")
set(CMAKE_RANLIB "${cache}/zig/zig-ranlib")
if(CMAKE_SYSTEM_NAME STREQUAL "Windows")
  set(CMAKE_RC_COMPILER /usr/lib/llvm-19/bin/llvm-windres)
  set(CMAKE_RC_FLAGS_INIT "--target=${CMAKE_SYSTEM_PROCESSOR}-w64-mingw32 -I ${cache}/zig/lib/libc/include/any-windows-any")
endif()
