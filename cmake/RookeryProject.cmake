# How every target of ours is built: C++20, warnings as errors, one place for sanitizers, and the two functions
# by which folders declare themselves.

option(ROOKERY_TORCH "Build the parts that link libtorch (models, trainer, rookery-torch)" ON)
option(ROOKERY_TESTS "Build the tests" ON)
option(ROOKERY_CUDA "Link libtorch's CUDA libraries into rookery-torch" OFF)
set(ROOKERY_SANITIZE "" CACHE STRING "Sanitizers for our code: address,undefined or thread")
option(ROOKERY_COVERAGE "Instrument for gcov" OFF)
option(ROOKERY_FUZZ "Build the fuzz targets of tests/fuzz with clang and libFuzzer" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # The precompiled torch header holds macros; without this sloppiness ccache would refuse every unit that uses it.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    # Another clone of the same sources finds what this one compiled.
    "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${CCACHE_PROGRAM}")
endif()
find_package(Threads REQUIRED)

add_library(rookery_project INTERFACE)
add_library(rookery::project ALIAS rookery_project)
target_compile_features(rookery_project INTERFACE cxx_std_20)
target_include_directories(rookery_project INTERFACE "${PROJECT_SOURCE_DIR}")
# -ffp-contract=off: the compiler may not turn a*b+c into one rounding where we did not write std::fma (laws 1 and 4).
target_compile_options(rookery_project INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  -Werror -ffp-contract=off
  # GCC 12 sees overlapping copies in `"text" + std::string` where there are none (its bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_link_libraries(rookery_project INTERFACE Threads::Threads)
if(ROOKERY_SANITIZE)
  target_compile_options(rookery_project INTERFACE -fsanitize=${ROOKERY_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(rookery_project INTERFACE -fsanitize=${ROOKERY_SANITIZE})
endif()
if(ROOKERY_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Boost.Asio's fences are unknown to the sanitizer; each of our event loops belongs to one thread.
  target_compile_options(rookery_project INTERFACE -Wno-tsan)
endif()
if(ROOKERY_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "ROOKERY_FUZZ: expected clang, which has libFuzzer, got ${CMAKE_CXX_COMPILER_ID}; "
      "use: cmake --preset fuzz")
  endif()
  # Warnings are judged by the compiler of the releases.
  target_compile_options(rookery_project INTERFACE -fsanitize=fuzzer-no-link -Wno-error)
endif()
if(ROOKERY_COVERAGE)
  target_compile_options(rookery_project INTERFACE --coverage)
  target_link_options(rookery_project INTERFACE --coverage)
endif()

# rookery_library(FOLDER SOURCES … PUBLIC … PRIVATE …): one target a folder, `rookery::FOLDER`.
function(rookery_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(rookery_${name} STATIC ${arg_SOURCES})
  add_library(rookery::${name} ALIAS rookery_${name})
  target_link_libraries(rookery_${name} PUBLIC rookery::project ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
endfunction()

# rookery_test(FOLDER SOURCES … LIBRARIES …): one executable a folder, one ctest entry a gtest case.
# TIMEOUT is in seconds a case.
function(rookery_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name}_test ${arg_SOURCES})
  target_link_libraries(${name}_test PRIVATE rookery::test_support ${arg_LIBRARIES})
  set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  set(environment)
  if(ROOKERY_SANITIZE MATCHES "thread")
    # libzmq is not instrumented; the file says which of its hand-overs are meant.
    set(environment ENVIRONMENT "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
  endif()
  gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${name} SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]"
    ${environment})
endfunction()
