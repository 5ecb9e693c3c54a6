#include "bin/console_folder.h"

#include <filesystem>

namespace fallow::bin {

std::string console_folder() {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  if (error) return {};
  for (const char* folder : {"console", "../share/fallow/console", "../../../web/dist"}) {
    const fs::path candidate = (program / folder).lexically_normal();
    if (fs::is_regular_file(candidate / "index.html", error)) return candidate.string();
  }
  return {};
}

}  // namespace fallow::bin
