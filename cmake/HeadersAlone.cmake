# SPDX-License-Identifier: MIT
# One source per header, holding nothing but its #include: every header compiles alone.
file(GLOB_RECURSE _headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/include/lowbit/*.hpp")
set(_sources)
foreach(_header ${_headers})
  string(REPLACE "/" "_" _name "${_header}")
  set(_source "${CMAKE_CURRENT_BINARY_DIR}/headers_alone/${_name}.cpp")
  file(CONFIGURE OUTPUT "${_source}" CONTENT "#include \"${_header}\"\n")
  list(APPEND _sources "${_source}")
endforeach()
add_library(lowbit_headers_alone OBJECT ${_sources})
target_link_libraries(lowbit_headers_alone PRIVATE lowbit_own)
target_compile_options(lowbit_headers_alone PRIVATE -O0 -g0)
