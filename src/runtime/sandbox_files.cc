#include "runtime/sandbox_files.h"

#include "base/file.h"
#include "runtime/sandbox_init.h"
#include "runtime/syscalls.h"

namespace fallow::runtime {

Result<SandboxFiles> write_sandbox_files(const std::string& folder) {
  SandboxFiles files{folder + "/init", folder + "/filter"};
  FALLOW_TRY(replace_file(files.init, sandbox_init(), 0755));
  FALLOW_ASSIGN(const std::string filter, seccomp_program());
  FALLOW_TRY(replace_file(files.filter, filter, 0600));
  return files;
}

}  // namespace fallow::runtime
