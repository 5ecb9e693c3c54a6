#include "bin/supervisor_program.h"

#include "base/embedded_file.h"
#include "base/file.h"
#include "runtime/supervisor.h"

// The build names the file: src/CMakeLists.txt.
FALLOW_EMBED_FILE(fallow_supervisor, FALLOW_SUPERVISOR);

namespace fallow::bin {

Result<std::vector<std::string>> write_supervisor(const std::string& folder) {
  FALLOW_TRY(make_folder(folder));
  const std::string path = folder + "/fallow-supervisor";
  FALLOW_TRY(replace_file(path, fallow_supervisor(), 0700));
  return std::vector<std::string>{path, runtime::kSupervisorMode};
}

}  // namespace fallow::bin
