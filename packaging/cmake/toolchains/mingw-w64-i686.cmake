# SPDX-License-Identifier: MIT
#
# 32-bit Windows programs by mingw-w64 on Linux; the tests run under Wine.

set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR i686)

set(CMAKE_C_COMPILER i686-w64-mingw32-gcc)
set(CMAKE_RC_COMPILER i686-w64-mingw32-windres)
# The compiler's DLLs need not be beside a program.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_SHARED_LINKER_FLAGS_INIT -static-libgcc)
set(CMAKE_MODULE_LINKER_FLAGS_INIT -static-libgcc)

include("${CMAKE_CURRENT_LIST_DIR}/test-libraries.cmake")
use_test_libraries(mingw32)
list(APPEND CMAKE_FIND_ROOT_PATH /usr/i686-w64-mingw32)

set(CMAKE_CROSSCOMPILING_EMULATOR "${CMAKE_CURRENT_LIST_DIR}/run-in-wine.sh")
