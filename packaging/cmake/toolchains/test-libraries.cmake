# SPDX-License-Identifier: MIT
#
# Where .ci/deps puts the cmocka and libuv that it builds for a toolchain.

function(find_test_cache result)
  if(DEFINED ENV{SHMAP_CI_CACHE})
    set(${result} "$ENV{SHMAP_CI_CACHE}" PARENT_SCOPE)
  elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(${result} "$ENV{XDG_CACHE_HOME}/shmap-ci" PARENT_SCOPE)
  else()
    set(${result} "$ENV{HOME}/.cache/shmap-ci" PARENT_SCOPE)
  endif()
endfunction()

function(use_test_libraries target)
  find_test_cache(cache)
  set(CMAKE_FIND_ROOT_PATH "${cache}/${target}" PARENT_SCOPE)
  set(SHMAP_TEST_LIBRARIES_COMMAND ".ci/deps ${cache} ${target}" PARENT_SCOPE)
  # The build machine's own libraries are of no use.
  foreach(kind IN ITEMS LIBRARY INCLUDE PACKAGE)
    set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY PARENT_SCOPE)
  endforeach()
  set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER PARENT_SCOPE)
endfunction()
