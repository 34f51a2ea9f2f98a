# SPDX-License-Identifier: MIT
#
# The DLL says its version in its resources: in numbers and in words.
#
# Usage: cmake -DDLL=<file> -DVERSION=<version> -P version_resource.cmake

file(READ "${DLL}" content HEX)

# VS_FIXEDFILEINFO: its signature, its own version, the file's version as two
# numbers of 32 bits, each as two of 16, the higher first but little-endian.
string(REPLACE "." ";" parts "${VERSION}")
list(APPEND parts 0)
foreach(at IN ITEMS 1 0 3 2)
  list(GET parts ${at} part)
  math(EXPR low "${part} & 255")
  math(EXPR high "${part} >> 8")
  foreach(byte IN ITEMS ${low} ${high})
    math(EXPR byte "${byte} + 256" OUTPUT_FORMAT HEXADECIMAL)
    string(SUBSTRING "${byte}" 3 2 byte)
    string(APPEND fixed "${byte}")
  endforeach()
endforeach()

string(HEX "${VERSION}" text)
string(REGEX REPLACE "(..)" "\\100" text "${text}")

foreach(name IN ITEMS FileVersion ProductVersion)
  string(HEX "${name}" key)
  string(REGEX REPLACE "(..)" "\\100" key "${key}")
  if(NOT content MATCHES "${key}(00)+${text}0000")
    message(FATAL_ERROR "${DLL} has no ${name} ${VERSION}")
  endif()
endforeach()
if(NOT content MATCHES "bd04effe00000100${fixed}${fixed}")
  message(FATAL_ERROR "${DLL} does not say ${VERSION} in numbers")
endif()
