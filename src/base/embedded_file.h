// Files that a program carries inside itself, byte for byte.
//
// FALLOW_EMBED_FILE(NAME, PATH), once in one source file and outside of namespaces:
// `std::string_view NAME()` are the bytes of the file PATH (a literal, known to the build) at the
// time of compiling. Valid for ever.
#pragma once

#include <cstddef>
#include <string_view>

// NOLINTBEGIN(cppcoreguidelines-macro-usage, cppcoreguidelines-avoid-c-arrays): only the assembler
// takes a file in.
#define FALLOW_EMBED_FILE(NAME, PATH)                                           \
  __asm__(".section .rodata." #NAME                                             \
          ",\"a\"\n"                                                            \
          ".balign 16\n" #NAME                                                  \
          "_begin:\n"                                                           \
          ".incbin \"" PATH "\"\n" #NAME                                        \
          "_end:\n"                                                             \
          ".byte 0\n"                                                           \
          ".previous\n");                                                       \
  extern "C" {                                                                  \
  extern const char NAME##_begin[];                                             \
  extern const char NAME##_end[];                                               \
  }                                                                             \
  static std::string_view NAME() {                                              \
    return {NAME##_begin, static_cast<std::size_t>(NAME##_end - NAME##_begin)}; \
  }                                                                             \
  static_assert(true)
// NOLINTEND(cppcoreguidelines-macro-usage, cppcoreguidelines-avoid-c-arrays)
