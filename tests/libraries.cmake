# SPDX-License-Identifier: MIT
#
# Find cmocka and libuv, which the tests need, as shmap_cmocka and shmap_uv.
# Their packages have had different targets, variables or no CMake files at
# all over time. What is not found is listed in missing_test_libraries.

# Look for a header and a library where the system keeps such things, with
# pkg-config's directories as hints.
macro(find_test_library name module header)
  if(NOT CMAKE_FIND_ROOT_PATH)
    find_package(PkgConfig QUIET)
    if(PKG_CONFIG_FOUND)
      pkg_check_modules(SHMAP_PC_${name} QUIET ${module})
    endif()
  endif()
  find_path(SHMAP_${name}_INCLUDE_DIR ${header}
    HINTS ${SHMAP_PC_${name}_INCLUDE_DIRS})
  find_library(SHMAP_${name}_LIBRARY NAMES ${ARGN}
    HINTS ${SHMAP_PC_${name}_LIBRARY_DIRS})
  mark_as_advanced(SHMAP_${name}_INCLUDE_DIR SHMAP_${name}_LIBRARY)
  if(SHMAP_${name}_INCLUDE_DIR AND SHMAP_${name}_LIBRARY)
    set(${name}_found TRUE)
  endif()
endmacro()

set(missing_test_libraries)

add_library(shmap_cmocka INTERFACE)
find_package(cmocka CONFIG QUIET)
if(TARGET cmocka::cmocka)
  target_link_libraries(shmap_cmocka INTERFACE cmocka::cmocka)
elseif(TARGET cmocka)
  target_link_libraries(shmap_cmocka INTERFACE cmocka)
elseif(cmocka_FOUND AND CMOCKA_LIBRARY AND CMOCKA_INCLUDE_DIR)
  target_link_libraries(shmap_cmocka INTERFACE "${CMOCKA_LIBRARY}")
  target_include_directories(shmap_cmocka SYSTEM INTERFACE "${CMOCKA_INCLUDE_DIR}")
else()
  find_test_library(cmocka cmocka cmocka.h cmocka cmocka-static)
  if(cmocka_found)
    target_link_libraries(shmap_cmocka INTERFACE "${SHMAP_cmocka_LIBRARY}")
    target_include_directories(shmap_cmocka SYSTEM INTERFACE
      "${SHMAP_cmocka_INCLUDE_DIR}")
  else()
    list(APPEND missing_test_libraries cmocka)
  endif()
endif()
if(MINGW)
  # It declares its printers as the old C run-time's, which has no %zu.
  target_compile_options(shmap_cmocka INTERFACE -Wno-format)
endif()

add_library(shmap_uv INTERFACE)
find_package(libuv CONFIG QUIET)
if(TARGET libuv::uv)
  target_link_libraries(shmap_uv INTERFACE libuv::uv)
elseif(TARGET libuv::uv_a)
  target_link_libraries(shmap_uv INTERFACE libuv::uv_a)
else()
  find_test_library(uv libuv uv.h uv uv_a libuv)
  if(uv_found)
    find_package(Threads REQUIRED)
    target_link_libraries(shmap_uv INTERFACE
      "${SHMAP_uv_LIBRARY}" Threads::Threads)
    target_include_directories(shmap_uv SYSTEM INTERFACE "${SHMAP_uv_INCLUDE_DIR}")
    # A static libuv needs these itself.
    if(WIN32)
      target_link_libraries(shmap_uv INTERFACE psapi user32 advapi32
        iphlpapi userenv ws2_32 dbghelp ole32 shell32)
    else()
      target_link_libraries(shmap_uv INTERFACE ${CMAKE_DL_LIBS})
    endif()
  else()
    list(APPEND missing_test_libraries libuv)
  endif()
endif()
