# SPDX-License-Identifier: MIT
# Every dependency by find_package first. With LOWBIT_FETCH, what is missing comes by FetchContent; otherwise its absence
# is an error that names the Debian package.

find_package(Threads REQUIRED)

macro(lowbit_dependency target package debian url)
  if(NOT TARGET ${target})
    find_package(${package} CONFIG QUIET)
  endif()
  if(NOT TARGET ${target})
    if(LOWBIT_FETCH)
      include(FetchContent)
      FetchContent_Declare(${package} URL ${url})
      FetchContent_MakeAvailable(${package})
    else()
      message(FATAL_ERROR "lowbit needs ${package}: apt-get install ${debian}, or configure with -DLOWBIT_FETCH=ON")
    endif()
  endif()
endmacro()

lowbit_dependency(Eigen3::Eigen Eigen3 libeigen3-dev
  https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.gz)
lowbit_dependency(nlohmann_json::nlohmann_json nlohmann_json nlohmann-json3-dev
  https://github.com/nlohmann/json/archive/refs/tags/v3.11.3.tar.gz)
if(LOWBIT_BUILD_EXAMPLES)
  lowbit_dependency(CLI11::CLI11 CLI11 libcli11-dev https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz)
endif()
if(LOWBIT_BUILD_TESTS)
  lowbit_dependency(Catch2::Catch2 Catch2 catch2 https://github.com/catchorg/Catch2/archive/refs/tags/v3.7.1.tar.gz)
endif()
if(LOWBIT_BUILD_BENCH)
  set(BENCHMARK_ENABLE_TESTING OFF)
  lowbit_dependency(benchmark::benchmark benchmark libbenchmark-dev
    https://github.com/google/benchmark/archive/refs/tags/v1.9.1.tar.gz)
endif()

# Header-only packages serve every target architecture, but /usr/include as a whole is the host's: last in the search.
if(CMAKE_CROSSCOMPILING)
  foreach(target nlohmann_json::nlohmann_json Catch2::Catch2)
    if(TARGET ${target})
      get_target_property(_includes ${target} INTERFACE_INCLUDE_DIRECTORIES)
      if(_includes MATCHES "/usr/(lib/\\.\\./)?include/?$" OR _includes STREQUAL "/usr/include")
        set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "" INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "")
        target_compile_options(${target} INTERFACE -idirafter/usr/include)
      endif()
    endif()
  endforeach()
endif()
