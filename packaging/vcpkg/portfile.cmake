# SPDX-License-Identifier: MIT
#
# An overlay port: it builds the sources that it lies in. From the root of the
# repository:
#
#     vcpkg install shmap --classic --overlay-ports=packaging/vcpkg
#
# vcpkg does not see when the sources change; --no-binarycaching after
# `vcpkg remove shmap` builds them anew.

get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DSHMAP_BUILD_TESTS=OFF
    -DSHMAP_BUILD_EXAMPLES=OFF
    -DSHMAP_BUILD_BENCH=OFF)
vcpkg_cmake_install()
vcpkg_copy_pdbs()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/shmap)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage"
  DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
