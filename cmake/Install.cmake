# SPDX-License-Identifier: MIT
# Headers, and a package for find_package(lowbit).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/lowbit")
install(DIRECTORY include/lowbit DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/lowbit")
install(TARGETS lowbit EXPORT lowbitTargets)
install(EXPORT lowbitTargets NAMESPACE lowbit:: DESTINATION "${_package_dir}")
configure_package_config_file(cmake/lowbitConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/lowbitConfig.cmake"
  INSTALL_DESTINATION "${_package_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/lowbitConfigVersion.cmake"
  COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/lowbitConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/lowbitConfigVersion.cmake"
  DESTINATION "${_package_dir}")
