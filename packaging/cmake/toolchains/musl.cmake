# SPDX-License-Identifier: MIT
#
# Linux programs against musl, by the musl-gcc wrapper of the native compiler.

set(CMAKE_C_COMPILER musl-gcc)
# The kernel's headers are the system's: after musl's own, so that nothing of
# glibc's comes in.
set(CMAKE_C_FLAGS_INIT
  "-idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu")

include("${CMAKE_CURRENT_LIST_DIR}/test-libraries.cmake")
use_test_libraries(musl)
