# SPDX-License-Identifier: MIT
#
# Linux on machines with ARM, 64 bits.

include("${CMAKE_CURRENT_LIST_DIR}/test-libraries.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/linux-cross.cmake")
use_linux_cross(aarch64)
