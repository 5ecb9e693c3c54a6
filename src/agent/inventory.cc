#include "agent/inventory.h"

#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "agent/program.h"
#include "base/number.h"

namespace fallow::agent {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::size_t kProbeBytesMax = 256 << 10;
constexpr std::uint32_t kDeclaredMax = 64;
constexpr std::size_t kModelBytesMax = 64;
constexpr std::string_view kVersion = "0.1.0";

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::uint32_t saturated(std::uint64_t value) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace

std::string model_name(std::string_view name) {
  std::string text(name);
  for (const std::string_view mark : {"(R)", "(TM)", "(r)", "(tm)"}) replace_all(text, mark, "");
  for (const std::string_view maker :
       {"NVIDIA ", "GeForce ", "Tesla ", "AMD ", "Radeon ", "Intel ", "Advanced Micro Devices "}) {
    if (text.starts_with(maker)) text.erase(0, maker.size());
  }
  std::string model;
  for (const char c : text) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '-';
    if (kept) {
      model.push_back(c);
    } else if (!model.empty() && model.back() != '_') {
      model.push_back('_');
    }
  }
  model.resize(std::min(model.size(), kModelBytesMax));
  while (!model.empty() && model.back() == '_') model.pop_back();
  return model.empty() ? "unknown" : model;
}

Result<std::vector<v1::Device>> parse_declared(std::string_view text) {
  constexpr std::string_view kExample = "model=RTX_4090,memory_gb=24,kind=gpu,count=2";
  v1::Device device;
  device.set_kind(v1::GPU);
  std::uint32_t count = 1;
  std::uint32_t memory_gb = 0;
  for (const std::string_view part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
    bool understood = !value.empty();
    if (name == "model") {
      device.set_model(model_name(value));
    } else if (name == "memory_gb") {
      memory_gb = parse_number<std::uint32_t>(value).value_or(0);
      understood = memory_gb > 0 && memory_gb <= 4096;
    } else if (name == "kind") {
      understood = value == "gpu" || value == "cpu";
      device.set_kind(value == "cpu" ? v1::CPU : v1::GPU);
    } else if (name == "count") {
      count = parse_number<std::uint32_t>(value).value_or(0);
      understood = count > 0 && count <= kDeclaredMax;
    } else {
      understood = false;
    }
    if (!understood) {
      return fail(ErrorCode::kInvalid, "--device does not understand \"{}\"; write it as {}", part,
                  kExample);
    }
  }
  if (device.model().empty() || memory_gb == 0) {
    return fail(ErrorCode::kInvalid, "--device needs model and memory_gb, as in {}", kExample);
  }
  device.set_memory_mb(memory_gb * 1024);
  device.set_driver("declared");
  return std::vector<v1::Device>(count, device);
}

// One line a device, its fields apart by tabs: source ("nvml" or "opencl"), kind, name, memory in
// bytes, driver, uuid, PCI address, then its device files; or a note.
std::vector<LocalDevice> parse_probe(std::string_view text, std::vector<std::string>& warnings) {
  std::vector<LocalDevice> devices;
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = split(line, '\t');
    if (fields.size() == 2 && fields[0] == kProbeNote) warnings.emplace_back(fields[1]);
    if (fields.size() < 6) continue;
    const auto memory_bytes = parse_number<std::uint64_t>(fields[3]);
    if (!memory_bytes) continue;
    LocalDevice device;
    device.facts.set_kind(fields[1] == "cpu" ? v1::CPU : v1::GPU);
    device.facts.set_model(model_name(fields[2]));
    device.facts.set_memory_mb(saturated(*memory_bytes / kMiB));
    device.facts.set_driver(std::string(fields[4]));
    device.facts.set_uuid(std::string(fields[5]));
    if (fields[0] == "nvml") device.cuda_name = std::string(fields[5]);
    if (fields.size() > 6) device.pci = std::string(fields[6]);
    for (std::size_t i = 7; i < fields.size(); ++i) {
      if (!fields[i].empty()) device.files.emplace_back(fields[i]);
    }
    devices.push_back(std::move(device));
  }
  return devices;
}

Result<std::vector<LocalDevice>> find_devices(const InventoryOptions& options,
                                              std::vector<std::string>& warnings) {
  std::vector<LocalDevice> devices;
  for (const std::string& text : options.declared) {
    FALLOW_ASSIGN(const std::vector<v1::Device> declared, parse_declared(text));
    for (const v1::Device& device : declared) devices.push_back(LocalDevice{device, {}, ""});
  }
  if (options.declared.empty()) {
    const auto probed = run_program(options.probe, options.probe_max, kProbeBytesMax);
    if (!probed) {
      warnings.push_back("the devices could not be asked: " + probed.error().message);
    } else {
      if (probed->exit_code != 0) {
        warnings.push_back("a driver broke the search for devices; those found before it count");
      }
      devices = parse_probe(probed->out, warnings);
    }
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    v1::Device& facts = devices[i].facts;
    facts.set_index(static_cast<std::uint32_t>(i));
    if (facts.uuid().empty()) facts.set_uuid(facts.model() + "-" + std::to_string(i));
  }
  return devices;
}

v1::NodeFacts machine_facts(std::string name, std::string region, const std::string& data_folder) {
  v1::NodeFacts facts;
  facts.set_name(std::move(name));
  facts.set_region(std::move(region));
  cpu_set_t processors;
  CPU_ZERO(&processors);
  if (::sched_getaffinity(0, sizeof(processors), &processors) == 0) {
    facts.set_cpu_thousandths(static_cast<std::uint32_t>(CPU_COUNT(&processors)) * 1000);
  }
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  facts.set_memory_mb(saturated(pages * page_bytes / kMiB));
  struct statvfs disk {};
  if (::statvfs(data_folder.c_str(), &disk) == 0) {
    facts.set_disk_mb(saturated(disk.f_bavail * disk.f_frsize / kMiB));
  }
  facts.set_isolation(v1::BUBBLEWRAP);
  facts.set_agent_version(std::string(kVersion));
  return facts;
}

}  // namespace fallow::agent
