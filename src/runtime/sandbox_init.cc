#include "runtime/sandbox_init.h"

#include "base/embedded_file.h"

// The build names the file: src/CMakeLists.txt.
FALLOW_EMBED_FILE(fallow_sandbox_init, FALLOW_SANDBOX_INIT);

namespace fallow::runtime {

std::string_view sandbox_init() { return fallow_sandbox_init(); }

std::string init_tie(std::string_view tie, bool is_joined) {
  return std::string(tie) + (is_joined ? "+" : "");
}

std::string init_error(std::string_view err_head) {
  if (!err_head.starts_with(kInitExecFailed)) return "";
  return std::string(
      err_head.substr(kInitExecFailed.size(), err_head.find('\n') - kInitExecFailed.size()));
}

}  // namespace fallow::runtime
