#include "agent/opencl_choice.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kVendorTextBytesMax = 64;

// "/dev/dri/renderD128" for each that the folder names.
std::vector<std::string> render_nodes_in(const std::string& folder_path) {
  std::vector<std::string> files;
  std::error_code error;  // no such folder: no such files
  std::filesystem::directory_iterator file(folder_path, error);
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (name.starts_with("renderD")) files.push_back("/dev/dri/" + name);
  }
  std::sort(files.begin(), files.end());
  return files;
}

// By the PCI numbers, of the file "0x1002\n"; nothing: the kernel does not say.
std::optional<std::uint32_t> vendor_in(const std::string& path) {
  const auto text = read_file(path, kVendorTextBytesMax);
  if (!text || !text->starts_with("0x")) return std::nullopt;
  std::uint32_t vendor = 0;
  for (const char c : text->substr(2)) {
    const std::string_view digits = "0123456789abcdef";
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) break;
    vendor = vendor * 16 + static_cast<std::uint32_t>(digit);
  }
  return vendor;
}

}  // namespace

OpenClChoice::Verdict OpenClChoice::judge(const OpenClFacts& device) {
  if (device.is_processor) return {!std::exchange(has_processor_, true), "", {}};
  if (has_nvml_ && device.vendor == kNvidiaVendor) return {};
  if (is_double(device)) return {};
  auto files = render_nodes_of(device);
  if (!files) {
    return {false,
            "which file of /dev/dri is its own cannot be told, since its driver does not say where "
            "it sits (OpenCL's cl_khr_pci_bus_info), and a lease must not be given other GPUs'; "
            "install its maker's newer OpenCL driver",
            {}};
  }
  Maker& maker = makers_.try_emplace(device.vendor, Maker{device.platform, false}).first->second;
  if (device.pci.empty()) maker.has_placeless = true;
  places_.insert(device.pci);
  nodes_.insert(files->begin(), files->end());
  // Shared by AMD's GPUs; each is only reached by one who may open its render node, too.
  const bool has_kfd = ::access((root_ + "/dev/kfd").c_str(), F_OK) == 0;
  if (has_kfd && device.vendor == kAmdVendor && !files->empty()) files->emplace_back("/dev/kfd");
  return {true, "", std::move(*files)};
}

bool OpenClChoice::is_double(const OpenClFacts& device) const {
  if (!device.pci.empty() && places_.contains(device.pci)) return true;
  const auto maker = makers_.find(device.vendor);
  if (maker == makers_.end() || maker->second.platform == device.platform) return false;
  return device.pci.empty() || maker->second.has_placeless;
}

std::optional<std::vector<std::string>> OpenClChoice::render_nodes_of(
    const OpenClFacts& device) const {
  std::vector<std::string> files;
  const std::string place = root_ + "/sys/bus/pci/devices/" + device.pci;
  // One that the kernel shows there has those files alone, be it none.
  const bool is_placed = !device.pci.empty() && ::access(place.c_str(), F_OK) == 0;
  if (is_placed) {
    files = render_nodes_in(place + "/drm");
  } else {
    // The one of a machine that has one is its own, unless it is known as another maker's.
    files = render_nodes_in(root_ + "/dev/dri");
    if (files.size() > 1) return std::nullopt;
    if (!files.empty()) {
      const std::string name = files[0].substr(files[0].rfind('/') + 1);
      const auto vendor = vendor_in(root_ + "/sys/class/drm/" + name + "/device/vendor");
      if (vendor && *vendor != device.vendor) files.clear();
    }
  }
  const bool is_given = std::any_of(files.begin(), files.end(), [this](const std::string& file) {
    return nodes_.contains(file);
  });
  if (is_given) return std::nullopt;
  return files;
}

}  // namespace fallow::agent
