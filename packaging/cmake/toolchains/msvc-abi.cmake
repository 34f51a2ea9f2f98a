# SPDX-License-Identifier: MIT
#
# Libraries for Windows with Microsoft's ABI, by clang-cl on Linux and with
# Wine's headers. SHMAP_MSVC_PROCESSOR is x86_64 (default), i686 or aarch64.
# There is no C run-time to link programs with. What a DLL needs of it is in the
# folder SHMAP_MSVC_RUNTIME, which .ci/msvc/check.sh makes.

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SHMAP_MSVC_PROCESSOR)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
if(NOT SHMAP_MSVC_PROCESSOR)
  set(SHMAP_MSVC_PROCESSOR x86_64)
endif()

set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR ${SHMAP_MSVC_PROCESSOR})

set(llvm /usr/lib/llvm-19/bin)
set(wine /usr/include/wine/wine)
set(CMAKE_C_COMPILER ${llvm}/clang-cl)
set(CMAKE_C_COMPILER_TARGET ${SHMAP_MSVC_PROCESSOR}-pc-windows-msvc)
set(CMAKE_LINKER ${llvm}/lld-link)
set(CMAKE_AR ${llvm}/llvm-lib)
set(CMAKE_MT ${llvm}/llvm-mt)
set(CMAKE_RC_COMPILER ${llvm}/llvm-rc)
set(CMAKE_C_FLAGS_INIT
  "/X /GS- -imsvc ${wine}/msvcrt -imsvc ${wine}/windows -D_UCRT")
set(CMAKE_RC_FLAGS_INIT "/I ${wine}/windows /I ${wine}/msvcrt")

set(CMAKE_C_STANDARD_LIBRARIES "kernel32.lib ucrtbase.lib ntdll.lib")
set(CMAKE_SHARED_LINKER_FLAGS_INIT
  "/nodefaultlib /manifest:no /entry:DllMainCRTStartup /include:_tls_used /libpath:${SHMAP_MSVC_RUNTIME} runtime.obj")
