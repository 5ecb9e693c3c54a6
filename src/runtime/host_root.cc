#include "runtime/host_root.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace fallow::runtime {
namespace {

constexpr std::uint64_t kSharedMemoryBytesMin = std::uint64_t{64} << 20;

bool has_render_node(const agent::LaunchSpec& spec) {
  return std::any_of(spec.device_files.begin(), spec.device_files.end(), [](const auto& device) {
    return device.starts_with("/dev/dri/") || device == "/dev/kfd";
  });
}

// The host's programs and libraries.
void add_system(HostRoot& root, std::vector<const char*>& paths) {
  paths.push_back("/usr");
  // Links such as /lib -> usr/lib stay links, real folders are shown.
  for (const char* path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    std::array<char, 256> link{};
    const ssize_t size = ::readlink(path, link.data(), link.size());
    if (size > 0) {
      root.links.emplace_back(path, std::string(link.data(), static_cast<std::size_t>(size)));
    } else {
      paths.push_back(path);
    }
  }
  paths.insert(paths.end(),
               {"/etc/OpenCL", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf",
                "/etc/ld.so.conf.d", "/etc/ssl/certs", "/etc/ca-certificates", "/etc/localtime"});
}

}  // namespace

HostRoot host_root(const agent::LaunchSpec& spec) {
  HostRoot root;
  std::vector<const char*> paths;
  if (spec.image_root.empty()) {
    add_system(root, paths);
    if (spec.network != v1::NETWORK_NONE) {
      paths.insert(paths.end(), {"/etc/services", "/etc/protocols"});
    }
  }
  if (has_render_node(spec)) {
    // Mesa and ROCm find what a render node is through these.
    paths.insert(paths.end(), {"/sys/dev/char", "/sys/bus/pci", "/sys/devices", "/sys/class/drm",
                               "/sys/class/kfd"});
  } else {
    // Without them PoCL finds no processor and says that there is not enough memory.
    paths.insert(paths.end(), {"/sys/devices/system/cpu", "/sys/devices/system/node"});
  }
  for (const char* path : paths) {
    if (::access(path, F_OK) == 0) root.shown.emplace_back(path);
  }
  return root;
}

const std::vector<std::pair<std::string, std::string>>& inner_etc() {
  static const std::vector<std::pair<std::string, std::string>> files = {
      {"passwd", "worker:x:65534:65534:the workload:/work:/bin/sh\n"},
      {"group", "worker:x:65534:\n"},
      {"hosts", "127.0.0.1 localhost fallow\n::1 localhost\n"},
      {"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"}};
  return files;
}

std::uint64_t shared_memory_bytes(const agent::LaunchSpec& spec) {
  return std::max(spec.memory_bytes_max / 2, kSharedMemoryBytesMin);
}

}  // namespace fallow::runtime
