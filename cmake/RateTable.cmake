# SPDX-License-Identifier: MIT
# The table of formats and their published errors, compiled once: a test checks it, the benchmark prints it.
include_guard(GLOBAL)
add_library(lowbit_rate_table STATIC "${PROJECT_SOURCE_DIR}/tests/support/rate_table.cpp"
  "${PROJECT_SOURCE_DIR}/tests/support/rate_table_vectors.cpp")
target_link_libraries(lowbit_rate_table PUBLIC lowbit_own)
target_compile_options(lowbit_rate_table PRIVATE $<$<CONFIG:Release>:-O1>)
target_include_directories(lowbit_rate_table PUBLIC "${PROJECT_SOURCE_DIR}/tests")
