#include "runtime/sandbox_init.h"

// The build names the file: src/CMakeLists.txt.
__asm__(
    ".section .rodata\n"
    ".balign 16\n"
    "fallow_sandbox_init_begin:\n"
    ".incbin \"" FALLOW_SANDBOX_INIT
    "\"\n"
    "fallow_sandbox_init_end:\n"
    ".byte 0\n"
    ".previous\n");

extern "C" {
extern const char fallow_sandbox_init_begin[];  // NOLINT(cppcoreguidelines-avoid-c-arrays)
extern const char fallow_sandbox_init_end[];    // NOLINT(cppcoreguidelines-avoid-c-arrays)
}

namespace fallow::runtime {

std::string_view sandbox_init() {
  return {fallow_sandbox_init_begin,
          static_cast<std::size_t>(fallow_sandbox_init_end - fallow_sandbox_init_begin)};
}

std::string init_tie(std::string_view tie, bool is_joined) {
  return std::string(tie) + (is_joined ? "+" : "");
}

std::string init_error(std::string_view err_head) {
  if (!err_head.starts_with(kInitExecFailed)) return "";
  return std::string(
      err_head.substr(kInitExecFailed.size(), err_head.find('\n') - kInitExecFailed.size()));
}

}  // namespace fallow::runtime
