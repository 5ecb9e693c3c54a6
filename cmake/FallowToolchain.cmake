# Compiler, linker and checks that every target of the project shares.
option(FALLOW_FUZZ "Build fuzz/ (needs clang)" OFF)
set(FALLOW_SANITIZE "" CACHE STRING "Sanitizers: empty, 'address,undefined', or 'thread'")
option(FALLOW_SANITIZE_ALL "Under sanitizers, also the tests that are left to the release build for their time" OFF)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Without this laxness ccache stores nothing that was compiled with precompiled headers; with paths
  # below the checkout made relative it serves another checkout, too.
  set(CMAKE_C_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()
option(FALLOW_PRECOMPILE "Parse the headers of libraries once for many files" ON)
if(FALLOW_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # ccache asks for it
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc looks for garbage in its own memory from 128 MB on, which joined files pass several times.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:--param=ggc-min-heapsize=786432>)  # KiB
endif()
find_program(LLD_PROGRAM ld.lld)
if(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()

# Line tables, not full debug information: a third of the bytes to compile and link, and stack
# traces still name file and line.
add_compile_options(-g1 -fno-omit-frame-pointer -fdiagnostics-color=auto)
# One build folder's path must not change the objects: ccache serves every preset's checkout.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)

if(FALLOW_SANITIZE)
  add_compile_options(-fsanitize=${FALLOW_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${FALLOW_SANITIZE})
  # clang 14 cannot assemble what its check of function types puts before a coroutine.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-fno-sanitize=function)
  endif()
endif()

add_library(fallow_warnings INTERFACE)
target_compile_options(fallow_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wno-missing-field-initializers -Werror)
if(FALLOW_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12's false alarms about std::string (its bugs 105329, 105651): it keeps them to itself in
  # system headers, but not when these were precompiled.
  target_compile_options(fallow_warnings INTERFACE -Wno-array-bounds -Wno-restrict
    -Wno-stringop-overread -Wno-stringop-overflow)
endif()
if(FALLOW_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A sanitizer's own code between test and use blinds gcc to which paths are taken (its manual says
  # so of -Wmaybe-uninitialized); the release build has the warning, and all the same code.
  target_compile_options(fallow_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
if(FALLOW_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc warns that fences are not modelled; Asio's use of one is known to be benign.
  target_compile_options(fallow_warnings INTERFACE -Wno-tsan)
endif()
