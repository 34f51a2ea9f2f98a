# SPDX-License-Identifier: MIT
#
# 64-bit Windows programs by mingw-w64 on Linux; the tests run under Wine.

set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)

set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
# What is built runs without the compiler's DLLs beside it.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_SHARED_LINKER_FLAGS_INIT -static-libgcc)
set(CMAKE_MODULE_LINKER_FLAGS_INIT -static-libgcc)

include("${CMAKE_CURRENT_LIST_DIR}/test-libraries.cmake")
use_test_libraries(mingw)
list(APPEND CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)

set(CMAKE_CROSSCOMPILING_EMULATOR "${CMAKE_CURRENT_LIST_DIR}/run-in-wine.sh")
