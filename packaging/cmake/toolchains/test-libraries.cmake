# SPDX-License-Identifier: MIT
#
# Where .ci/deps puts the cmocka and libuv that it builds for a toolchain.

function(use_test_libraries target)
  if(DEFINED ENV{SHMAP_CI_CACHE})
    set(cache "$ENV{SHMAP_CI_CACHE}")
  elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(cache "$ENV{XDG_CACHE_HOME}/shmap-ci")
  else()
    set(cache "$ENV{HOME}/.cache/shmap-ci")
  endif()
  set(CMAKE_FIND_ROOT_PATH "${cache}/${target}" PARENT_SCOPE)
  # The build machine's own libraries are of no use.
  foreach(kind IN ITEMS LIBRARY INCLUDE PACKAGE)
    set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY PARENT_SCOPE)
  endforeach()
  set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER PARENT_SCOPE)
endfunction()
