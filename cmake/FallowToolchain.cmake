# Compiler, linker and checks that every target of the project shares.

# Others know not all of the options below, and older ones miscompile coroutines.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "Fallow is compiled by clang 19, not by ${CMAKE_CXX_COMPILER} (${CMAKE_CXX_COMPILER_ID} "
    "${CMAKE_CXX_COMPILER_VERSION}); why: docs/decisions/0039-one-compiler.md. `make deps` installs it, and the presets name it: "
    "cmake --preset release")
endif()

option(FALLOW_FUZZ "Build fuzz/" OFF)
set(FALLOW_SANITIZE "" CACHE STRING "Sanitizers: empty, 'address,undefined', or 'thread'")
option(FALLOW_SANITIZE_ALL "Under sanitizers, also the tests that are left to the release build for their time" OFF)

# What runs the compiler. Of clang's time a tenth is its memory, which jemalloc on huge pages gives out faster than glibc.
find_library(FALLOW_COMPILER_ALLOCATOR jemalloc)
if(FALLOW_COMPILER_ALLOCATOR)
  list(APPEND launcher LD_PRELOAD=${FALLOW_COMPILER_ALLOCATOR}
    MALLOC_CONF=thp:always,metadata_thp:auto,dirty_decay_ms:-1)
endif()
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Without this laxness ccache stores nothing that was compiled with precompiled headers; with paths
  # below the checkout made relative it serves another checkout, too.
  list(APPEND launcher CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE_PROGRAM})
endif()
if(launcher)
  set(CMAKE_C_COMPILER_LAUNCHER env ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER env ${launcher})
endif()
option(FALLOW_PRECOMPILE "Parse the headers of libraries once for many files" ON)
if(FALLOW_PRECOMPILE)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")  # ccache asks for it
endif()
find_program(LLD_PROGRAM ld.lld)
if(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()

# Line tables, not full debug information: a third of the bytes to compile and link, and stack
# traces still name file and line.
add_compile_options(-g1 -fno-omit-frame-pointer -fdiagnostics-color=auto)
# A program carries what it calls, and is linked to the libraries that this calls: what is compiled as one file
# would bring all that its neighbours need (the supervisor of every workload starts in a third of the time).
add_compile_options(-ffunction-sections -fdata-sections)
add_link_options(LINKER:--gc-sections,--as-needed)
# One build folder's path must not change the objects: ccache serves every preset's checkout.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)

if(FALLOW_SANITIZE)
  add_compile_options(-fsanitize=${FALLOW_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${FALLOW_SANITIZE})
endif()

add_library(fallow_warnings INTERFACE)
target_compile_options(fallow_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wno-missing-field-initializers -Werror)

if(FALLOW_SANITIZE MATCHES "address")
  add_library(fallow_leaks_of_others OBJECT ${CMAKE_SOURCE_DIR}/cmake/leaks_of_others.cc)
  target_compile_options(fallow_leaks_of_others PRIVATE -fno-sanitize=all)  # in static programs there is none
  target_link_libraries(fallow_warnings INTERFACE $<TARGET_OBJECTS:fallow_leaks_of_others>)
endif()
