# fallow_module(<name> [DEPENDS targets...] [TEST_DEPENDS targets...]
#               [PRECOMPILE headers... | PRECOMPILED_BY module] [NOT_UNDER_TSAN filters...]
#               [APART filters...])
#
# Makes fallow_<name> from src/<name>/*.cc, and <name>_test from src/<name>/*_test.cc. Every module
# has this shape; a new file needs no line here. tools/check_layers.py holds who may include whom.
#
# PRECOMPILE: headers of libraries, of the schema and of the market that most files here read, parsed once for
# the module and the modules that name it with PRECOMPILED_BY; tests share a set of their own, see
# fallow_test_headers(). Files include what they
# use all the same: FALLOW_PRECOMPILE=OFF builds without, and clang-tidy reads them without.
# Who shares a set has the same -O: the compiler takes no headers precompiled with another one.
#
# Files are compiled FALLOW_JOINED at a time, as one: most of a file's time goes to headers and
# templates that its neighbours need too. So names in a module's anonymous namespaces are unique among
# its sources, and among its tests; the compiler says so of those it reads together. Of tests, which are not
# optimised, twice as many. FALLOW_JOINED=0 compiles each file by itself, for who changes one and builds often; clang-tidy reads them so as well.
include(GoogleTest)

set(FALLOW_JOINED 16 CACHE STRING "Files of a module that are compiled as one; 0: each by itself")

# fallow_join(<target> [times]): FALLOW_JOINED files as one, or so many times as many.
function(fallow_join target)
  set(files ${FALLOW_JOINED})
  if(ARGC GREATER 1)
    math(EXPR files "${FALLOW_JOINED} * ${ARGV1}")
  endif()
  if(FALLOW_JOINED GREATER 1)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE BATCH
                          UNITY_BUILD_BATCH_SIZE ${files})
  endif()
endfunction()

# fallow_modules_of(<variable> targets...): the libraries of all modules that the targets are made of.
function(fallow_modules_of variable)
  set(modules "")
  foreach(target ${ARGN})
    if(TARGET ${target})
      get_target_property(of_target ${target} FALLOW_MODULES)
      if(of_target)
        list(APPEND modules ${of_target})
      endif()
    endif()
  endforeach()
  list(REMOVE_DUPLICATES modules)
  set(${variable} "${modules}" PARENT_SCOPE)
endfunction()

function(fallow_module name)
  cmake_parse_arguments(ARG "" "PRECOMPILED_BY"
                        "DEPENDS;TEST_DEPENDS;PRECOMPILE;NOT_UNDER_TSAN;APART" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    return()
  endif()
  add_library(fallow_${name} STATIC ${sources})
  target_include_directories(fallow_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(fallow_${name} PUBLIC ${ARG_DEPENDS} PRIVATE fallow_warnings)
  fallow_modules_of(modules ${ARG_DEPENDS})
  set_target_properties(fallow_${name} PROPERTIES FALLOW_MODULES "fallow_${name};${modules}")
  if(tests)
    fallow_test(${name}_test SOURCES ${tests} DEPENDS fallow_${name} ${ARG_TEST_DEPENDS}
                NOT_UNDER_TSAN ${ARG_NOT_UNDER_TSAN} APART ${ARG_APART})
  endif()
  if(FALLOW_PRECOMPILE AND ARG_PRECOMPILE)
    target_precompile_headers(fallow_${name} PRIVATE ${ARG_PRECOMPILE})
  elseif(FALLOW_PRECOMPILE AND ARG_PRECOMPILED_BY)
    target_precompile_headers(fallow_${name} REUSE_FROM fallow_${ARG_PRECOMPILED_BY})
  endif()
  fallow_join(fallow_${name})
endfunction()

# fallow_test_headers(DEPENDS targets... HEADERS headers...): what all tests read, parsed once for
# them: GoogleTest most of all, which takes longer than most tests' own lines.
function(fallow_test_headers)
  cmake_parse_arguments(ARG "" "" "DEPENDS;HEADERS" ${ARGN})
  if(FALLOW_PRECOMPILE)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_headers.cc CONTENT "")
    add_library(fallow_test_headers OBJECT ${CMAKE_BINARY_DIR}/test_headers.cc)
    target_include_directories(fallow_test_headers PRIVATE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(fallow_test_headers PRIVATE ${ARG_DEPENDS} GTest::gtest GTest::gmock)
    target_compile_options(fallow_test_headers PRIVATE -O0 $<$<CONFIG:Release>:-g0>)
    target_precompile_headers(fallow_test_headers PRIVATE ${ARG_HEADERS} <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endfunction()

# fallow_test(<target> SOURCES ... DEPENDS ... [NOT_UNDER_TSAN filters...] [APART filters...]): a
# GoogleTest program.
# NOT_UNDER_TSAN: its tests that have one thread, as GTEST_FILTER names them; "*": all of it.
# ThreadSanitizer finds nothing in these and takes minutes for it: they are left to the other builds
# unless FALLOW_SANITIZE_ALL.
# APART: suites ("Chaos.*") that ctest runs as tests of their own (<target>.Chaos), beside the rest.
function(fallow_test target)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;NOT_UNDER_TSAN;APART" ${ARGN})
  set(left_out "")
  if(FALLOW_SANITIZE MATCHES "thread" AND NOT FALLOW_SANITIZE_ALL)
    set(left_out ${ARG_NOT_UNDER_TSAN})
  endif()
  if("*" IN_LIST left_out)
    return()
  endif()
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE fallow_allocator ${ARG_DEPENDS} fallow_warnings GTest::gtest GTest::gmock GTest::gtest_main)
  # A test is run once where it is built; what fails names its line without the compiler's tables.
  target_compile_options(${target} PRIVATE -O0 $<$<CONFIG:Release>:-g0>)
  # But what it tests runs as it is compiled elsewhere: of an inline function that both have, a
  # container's or a destructor, the linker takes the first, so the modules stand before the test's
  # own objects, and for that whole. They need nearly all of each other anyway.
  fallow_modules_of(modules ${ARG_DEPENDS})
  if(modules)
    list(TRANSFORM modules REPLACE "(.+)" "\"$<TARGET_FILE:\\1>\"")
    list(JOIN modules " " modules)
    target_link_options(${target} PRIVATE "SHELL:-Wl,--whole-archive ${modules} -Wl,--no-whole-archive")
  endif()
  if(FALLOW_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM fallow_test_headers)
    # Its objects name what of Asio is compiled in net, whether a test uses it or not.
    target_link_libraries(${target} PRIVATE fallow_net)
  endif()
  fallow_join(${target} 2)
  set(entries ${target})
  foreach(suite ${ARG_APART})
    if(NOT suite IN_LIST left_out)
      string(REPLACE ".*" "" name ${suite})
      list(APPEND entries ${target}.${name})
      set(filter_of_${target}.${name} ${suite})
      list(APPEND left_out ${suite})
    endif()
  endforeach()
  if(left_out)
    list(JOIN left_out ":" others)
    set(filter_of_${target} "-${others}")
  endif()
  foreach(entry ${entries})
    add_test(NAME ${entry} COMMAND ${target})
    set_tests_properties(${entry} PROPERTIES TIMEOUT 1800)
    if(filter_of_${entry})
      set_tests_properties(${entry} PROPERTIES ENVIRONMENT "GTEST_FILTER=${filter_of_${entry}}")
    endif()
    fallow_order_test(${entry})
  endforeach()
endfunction()
