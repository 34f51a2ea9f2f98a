# SPDX-License-Identifier: MIT
#
# 32-bit Linux programs by the 64-bit compiler.

set(CMAKE_C_COMPILER gcc)
set(CMAKE_C_FLAGS_INIT "-m32 -isystem /usr/include/x86_64-linux-gnu")

include("${CMAKE_CURRENT_LIST_DIR}/test-libraries.cmake")
use_test_libraries(m32)
