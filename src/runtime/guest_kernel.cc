#include "runtime/guest_kernel.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/file.h"

namespace fallow::runtime {
namespace {

constexpr std::string_view kImagePrefix = "vmlinuz-";
constexpr std::size_t kBuiltInBytesMax = std::size_t{1} << 20;

struct Module {
  std::string_view path;  // below the modules' "kernel" folder
  bool needed = false;    // the others are parts of it in some versions only
};
// Whoever needs another comes behind it.
constexpr Module kModules[] = {
    {"drivers/virtio/virtio_ring.ko"},
    {"drivers/virtio/virtio.ko"},
    {"drivers/virtio/virtio_pci_legacy_dev.ko"},
    {"drivers/virtio/virtio_pci_modern_dev.ko"},
    {"drivers/virtio/virtio_pci.ko", true},
    {"drivers/char/virtio_console.ko", true},
    {"net/9p/9pnet.ko", true},
    {"net/9p/9pnet_virtio.ko", true},
    {"fs/netfs/netfs.ko"},
    {"fs/fscache/fscache.ko"},
    {"fs/9p/9p.ko", true},
};

// The modules below "<folder>/kernel"; `missing` names the first that is needed and not there.
std::vector<std::string> modules_in(const std::string& folder, std::string& missing) {
  const std::string built_in =
      read_file(folder + "/modules.builtin", kBuiltInBytesMax).value_or(std::string());
  std::vector<std::string> found;
  for (const Module& module : kModules) {
    const std::string below = "kernel/" + std::string(module.path);
    if (::access((folder + "/" + below).c_str(), R_OK) == 0) {
      found.push_back(folder + "/" + below);
    } else if (module.needed && missing.empty() &&
               built_in.find(below + "\n") == std::string::npos) {
      missing = module.path;
    }
  }
  return found;
}

}  // namespace

const std::vector<std::string>& guest_kernel_folders() {
  static const std::vector<std::string> folders = {"/usr/local/lib/fallow/guest", ""};
  return folders;
}

Status find_guest_kernel(const std::vector<std::string>& folders, MicrovmTools& tools) {
  std::string why = "no kernel is in /boot";
  for (const std::string& folder : folders) {
    std::vector<std::string> versions;
    for (const std::string& name : names_in(folder + "/boot")) {
      if (name.starts_with(kImagePrefix)) versions.push_back(name.substr(kImagePrefix.size()));
    }
    std::sort(versions.begin(), versions.end(), [](const auto& left, const auto& right) {
      return ::strverscmp(left.c_str(), right.c_str()) > 0;
    });
    for (const std::string& version : versions) {
      std::string missing;
      std::vector<std::string> modules = modules_in(folder + "/lib/modules/" + version, missing);
      if (missing.empty()) {
        tools.kernel = folder + "/boot/" + std::string(kImagePrefix) + version;
        tools.modules = std::move(modules);
        return {};
      }
      why = "the kernel " + version + " has no module " + missing +
            ", or a compressed one, which is not read here";
    }
  }
  return fail(ErrorCode::kNotFound, "there is no kernel for virtual machines: {}", why);
}

}  // namespace fallow::runtime
