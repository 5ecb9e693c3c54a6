# fallow_module(<name> [DEPENDS targets...] [TEST_DEPENDS targets...])
#
# Makes fallow_<name> from src/<name>/*.cc, and <name>_test from src/<name>/*_test.cc. Every module
# has this shape; a new file needs no line here. tools/check_layers.py holds who may include whom.
include(GoogleTest)

function(fallow_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;TEST_DEPENDS" ${ARGN})
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
  if(tests)
    fallow_test(${name}_test SOURCES ${tests} DEPENDS fallow_${name} ${ARG_TEST_DEPENDS})
  endif()
endfunction()

# fallow_test(<target> SOURCES ... DEPENDS ...): a GoogleTest program, each case known to ctest.
function(fallow_test target)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE ${ARG_DEPENDS} fallow_warnings GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${target} COMMAND ${target})
  set_tests_properties(${target} PROPERTIES TIMEOUT 600)
endfunction()
