# SPDX-License-Identifier: MIT
#
# For the toolchain files of Linux on other processors: by Debian's cross
# compiler, static, and run by qemu's user mode emulation.

function(use_linux_cross processor)
  set(CMAKE_SYSTEM_NAME Linux PARENT_SCOPE)
  set(CMAKE_SYSTEM_PROCESSOR ${processor} PARENT_SCOPE)
  set(CMAKE_C_COMPILER ${processor}-linux-gnu-gcc PARENT_SCOPE)
  set(CMAKE_EXE_LINKER_FLAGS_INIT -static PARENT_SCOPE)
  set(CMAKE_CROSSCOMPILING_EMULATOR qemu-${processor} PARENT_SCOPE)
  use_test_libraries(${processor})
  set(SHMAP_TEST_LIBRARIES_COMMAND ${SHMAP_TEST_LIBRARIES_COMMAND} PARENT_SCOPE)
  foreach(kind IN ITEMS LIBRARY INCLUDE PACKAGE PROGRAM)
    set(CMAKE_FIND_ROOT_PATH_MODE_${kind}
      ${CMAKE_FIND_ROOT_PATH_MODE_${kind}} PARENT_SCOPE)
  endforeach()
  set(CMAKE_FIND_ROOT_PATH
    "${CMAKE_FIND_ROOT_PATH};/usr/${processor}-linux-gnu" PARENT_SCOPE)
endfunction()
