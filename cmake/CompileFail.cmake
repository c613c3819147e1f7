# SPDX-License-Identifier: MIT
# Wrong code must not compile, and must say why. Each tests/compile_fail/*.cpp names a part of the message in its line
# "// expect: …"; with LOWBIT_RIGHT defined the same file must compile, so that it fails for the one reason it means.
#
# Included from tests/CMakeLists.txt it adds the tests; run with -P it is the test.

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(STRINGS "${SOURCE}" expected REGEX "^// expect: ")
  string(REGEX REPLACE "^// expect: " "" expected "${expected}")
  set(command "${CXX}" -std=c++20 -Werror=unused-result -fsyntax-only "-I${INCLUDE}")
  execute_process(COMMAND ${command} -DLOWBIT_RIGHT "${SOURCE}" RESULT_VARIABLE right ERROR_VARIABLE message)
  if(NOT right EQUAL 0)
    message(FATAL_ERROR "The right half of ${SOURCE} does not compile:\n${message}")
  endif()
  execute_process(COMMAND ${command} "${SOURCE}" RESULT_VARIABLE wrong ERROR_VARIABLE message)
  if(wrong EQUAL 0)
    message(FATAL_ERROR "${SOURCE} compiles, and must not")
  endif()
  string(FIND "${message}" "${expected}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "${SOURCE} fails without saying \"${expected}\":\n${message}")
  endif()
  return()
endif()

file(GLOB _sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/compile_fail/*.cpp")
foreach(_source ${_sources})
  get_filename_component(_name "${_source}" NAME_WE)
  add_test(NAME compile_fail_${_name} COMMAND ${CMAKE_COMMAND} -DCXX=${CMAKE_CXX_COMPILER} -DSOURCE=${_source}
    -DINCLUDE=${PROJECT_SOURCE_DIR}/include -P ${PROJECT_SOURCE_DIR}/cmake/CompileFail.cmake)
endforeach()
