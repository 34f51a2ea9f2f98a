# SPDX-License-Identifier: MIT
#
# Linux on machines whose bytes are in the other order.

include("${CMAKE_CURRENT_LIST_DIR}/test-libraries.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/linux-cross.cmake")
use_linux_cross(s390x)
