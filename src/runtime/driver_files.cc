#include "runtime/driver_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <system_error>

#include "agent/program.h"
#include "base/file.h"
#include "runtime/cdi.h"

namespace fallow::runtime {
namespace {

namespace fs = std::filesystem;

constexpr Duration kLinkerCacheMax = seconds(10);
constexpr std::size_t kLinkerCacheBytesMax = std::size_t{8} << 20;
constexpr std::size_t kDriverFilesMax = 1'024;
constexpr std::string_view kCuda = "libcuda.so";
// As the driver's packages name their libraries. Those of NVIDIA's container tools are none.
constexpr std::array<std::string_view, 10> kDriverLibraries = {
    "libcuda.so",          "libcudadebugger.so", "libnvidia-",       "libnvcuvid.so",
    "libnvoptix.so",       "libGLX_nvidia.so",   "libEGL_nvidia.so", "libGLESv1_CM_nvidia.so",
    "libGLESv2_nvidia.so", "libvdpau_nvidia.so"};
constexpr std::array<const char*, 2> kDriverPrograms = {"/usr/bin/nvidia-smi",
                                                        "/usr/bin/nvidia-debugdump"};

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_library(std::string_view name) {
  return name.starts_with("lib") && name.find(".so") != name.npos;
}

bool is_of_driver(std::string_view name) {
  return !name.starts_with("libnvidia-container") &&
         std::any_of(kDriverLibraries.begin(), kDriverLibraries.end(),
                     [name](std::string_view stem) { return name.starts_with(stem); });
}

bool is_plain_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

// Libraries by the names under which they are loaded, and programs; each name once.
class Shelf {
 public:
  explicit Shelf(DriverFiles& found) : found_(found) {
    for (const auto& [from, at] : found.files) names_.emplace(at, from);
  }

  void add(const std::string& folder, const std::string& name, const std::string& from) {
    if (found_.files.size() >= kDriverFilesMax) return;
    const std::string at = std::string(kDriverFolder) + folder + name;
    if (names_.try_emplace(at, from).second) found_.files.emplace_back(from, at);
  }
  // Also under the other names that its folder has for it: the linker's links are not there inside.
  void add_library(const std::string& path) {
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (error) return;
    const std::string name = file_name(path);
    add("/lib64/", name, real);
    add("/lib64/", real.filename(), real);
    const std::string stem = name.substr(0, name.find(".so") + 3);
    const std::string folder = path.substr(0, path.rfind('/'));
    const auto [names, is_new] = neighbours_.try_emplace(folder);
    if (is_new) names->second = names_in(folder);
    for (const std::string& other : names->second) {
      if (!other.starts_with(stem) || other == name) continue;
      if (fs::canonical(folder + "/" + other, error) == real) add("/lib64/", other, real);
    }
  }
  // What a library of the shelf is to be found under, too.
  void add_link(const std::string& target, const std::string& link) {
    const auto known = names_.find(std::string(kDriverFolder) + "/lib64/" + file_name(target));
    if (known != names_.end()) add("/lib64/", file_name(link), known->second);
  }

 private:
  DriverFiles& found_;
  std::map<std::string, std::string> names_;                    // inside, on the host
  std::map<std::string, std::vector<std::string>> neighbours_;  // by folder
};

void take_cdi(const CdiSpec& spec, const CdiEdits& edits, DriverFiles& found) {
  Shelf shelf(found);
  std::size_t missing = 0;
  for (const auto& [from, at] : edits.mounts) {
    const bool is_foreign = at.find("/i386-linux-gnu/") != at.npos || at.find("/lib32/") != at.npos;
    if (is_library(file_name(at)) && at.find("/xorg/") == at.npos && !is_foreign) {
      if (is_plain_file(from)) {
        shelf.add_library(from);
      } else {
        ++missing;
      }
    } else if (at.find("/bin/") != at.npos && is_plain_file(from)) {
      shelf.add("/bin/", file_name(at), from);
    } else {
      found.notes.push_back(spec.path + ": the mount at " + at + " is left out");
    }
  }
  // Twice: a link may point at another.
  for (int i = 0; i < 2; ++i) {
    for (const auto& [target, link] : edits.links) {
      if (is_library(file_name(link))) shelf.add_link(target, link);
    }
  }
  if (missing > 0) {
    found.notes.push_back(spec.path + " names " + std::to_string(missing) +
                          " libraries that are not there: make it anew, as with `nvidia-ctk cdi "
                          "generate --output " +
                          spec.path + "`");
  }
  for (const std::string& words : edits.left_out) {
    found.notes.push_back(spec.path + ": " + words + " is left out");
  }
  for (const std::string& node : edits.device_nodes) {
    if (std::find(found.device_files.begin(), found.device_files.end(), node) ==
        found.device_files.end()) {
      found.device_files.push_back(node);
    }
  }
  for (const auto& [name, value] : edits.environment) {
    if (!name.starts_with("LD_") && !name.starts_with("FALLOW_")) {
      found.environment.emplace_back(name, value);
    }
  }
  found.source += (found.source.empty() ? "" : ", ") + spec.path;
}

// "\tlibcuda.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libcuda.so.1"
void take_linkers(const DriverPaths& paths, DriverFiles& found) {
#if defined(__x86_64__)
  constexpr std::string_view kKind = "x86-64";
#else
  constexpr std::string_view kKind = "AArch64";
#endif
  const auto cache = agent::run_program(paths.ldconfig, kLinkerCacheMax, kLinkerCacheBytesMax);
  if (!cache || cache->exit_code != 0) {
    found.notes.push_back("the linker's cache cannot be read: " +
                          (cache ? "ldconfig failed" : cache.error().message));
    return;
  }
  Shelf shelf(found);
  std::string_view lines = cache->out;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    const std::size_t begin = line.find_first_not_of(" \t");
    const std::size_t arrow = line.find(" => ");
    if (begin == line.npos || arrow == line.npos) continue;
    const std::string_view about = line.substr(begin, arrow - begin);
    const std::string_view name = about.substr(0, about.find(' '));
    if (is_of_driver(name) && about.find(kKind) != about.npos) {
      shelf.add_library(std::string(line.substr(arrow + 4)));
    }
  }
  if (found.files.empty()) return;
  // What programs load by hand. Some distributions have the link in a package for developers.
  if (!found.has_library(kCuda)) shelf.add_link("libcuda.so.1", std::string(kCuda));
  for (const char* program : kDriverPrograms) {
    if (is_plain_file(program)) shelf.add("/bin/", file_name(program), program);
  }
  found.source += (found.source.empty() ? "" : ", ") + std::string("the libraries of the host");
}

bool has_nvidia(const std::vector<std::string>& device_files) {
  return std::any_of(device_files.begin(), device_files.end(), [](const std::string& file) {
    return file.starts_with("/dev/nvidia") && is_one_device(file);
  });
}

// One more place for a variable that lists them.
void add_place(std::vector<std::pair<std::string, std::string>>& environment,
               const std::string& name, const std::string& place) {
  const auto last = std::find_if(environment.rbegin(), environment.rend(),
                                 [&name](const auto& variable) { return variable.first == name; });
  if (last == environment.rend()) {
    environment.emplace_back(name, place);
  } else if ((":" + last->second + ":").find(":" + place + ":") == std::string::npos) {
    last->second += (last->second.empty() ? "" : ":") + place;
  }
}

}  // namespace

bool DriverFiles::has_library(std::string_view name) const {
  const std::string at = std::string(kDriverFolder) + "/lib64/" + std::string(name);
  return std::any_of(files.begin(), files.end(),
                     [&at](const auto& file) { return file.second == at; });
}

DriverFiles find_driver_files(const std::vector<std::string>& device_files,
                              const DriverPaths& paths) {
  DriverFiles found;
  found.device_files = device_files;
  std::vector<std::string> left = device_files;
  if (std::none_of(left.begin(), left.end(), is_one_device)) return found;
  for (const CdiSpec& spec : read_cdi(paths.cdi_folders, found.notes)) {
    // A device that an earlier specification has named is not named again by a later one.
    const auto edits = cdi_edits_for(spec, left);
    if (!edits) continue;
    take_cdi(spec, *edits, found);
    std::erase_if(left, [&edits](const std::string& file) {
      return is_one_device(file) &&
             std::find(edits->device_nodes.begin(), edits->device_nodes.end(), file) !=
                 edits->device_nodes.end();
    });
  }
  // Also beside a specification that has none, as one of before the driver's last update.
  if (has_nvidia(device_files) && !found.has_library("libcuda.so.1")) take_linkers(paths, found);
  return found;
}

void add_driver_files(LaunchFile& launch) {
  DriverFiles found = find_driver_files(launch.spec.device_files, launch.driver);
  launch.spec.device_files = std::move(found.device_files);
  launch.driver_files = std::move(found.files);
  auto& environment = launch.spec.environment;
  for (auto& variable : found.environment) {
    const bool is_set = std::any_of(environment.begin(), environment.end(),
                                    [&](const auto& set) { return set.first == variable.first; });
    if (!is_set) environment.push_back(std::move(variable));
  }
  if (launch.driver_files.empty()) return;
  add_place(environment, "LD_LIBRARY_PATH", std::string(kDriverFolder) + "/lib64");
  add_place(environment, "PATH", std::string(kDriverFolder) + "/bin");
}

std::vector<std::string> nvidia_device_files() {
  std::vector<std::string> files;
  for (const std::string& name : names_in("/dev")) {
    const std::string path = "/dev/" + name;
    if (path.starts_with("/dev/nvidia") && is_one_device(path)) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace fallow::runtime
