#include "agent/launch.h"

#include <algorithm>
#include <string_view>

#include "agent/notice.h"

namespace fallow::agent {
namespace {

constexpr std::uint64_t kBytesPerMiB = std::uint64_t{1} << 20;
constexpr std::string_view kOurs = "FALLOW_";

bool is_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && is_letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9');
  });
}

bool has_zero(std::string_view text) { return text.find('\0') != std::string_view::npos; }

void add_devices(LaunchSpec& spec, const v1::DesiredLease& desired,
                 const std::vector<LocalDevice>& devices) {
  std::string models;
  std::string cuda;
  for (const std::uint32_t index : desired.devices()) {
    const auto found = std::find_if(devices.begin(), devices.end(), [index](const LocalDevice& d) {
      return d.facts.index() == index;
    });
    if (found == devices.end()) continue;
    models += (models.empty() ? "" : ",") + found->facts.model();
    if (!found->cuda_name.empty()) cuda += (cuda.empty() ? "" : ",") + found->cuda_name;
    for (const std::string& file : found->files) {
      if (std::find(spec.device_files.begin(), spec.device_files.end(), file) ==
          spec.device_files.end()) {
        spec.device_files.push_back(file);
      }
    }
  }
  spec.environment.emplace_back("FALLOW_DEVICES", models);
  // Set even when empty: CUDA then sees no device rather than every one.
  spec.environment.emplace_back("CUDA_VISIBLE_DEVICES", cuda);
}

Result<std::vector<std::string>> command_of(const v1::Workload& workload, const ImageFacts* image) {
  std::vector<std::string> words;
  if (image != nullptr) words = image->entrypoint;
  words.insert(words.end(), workload.command().begin(), workload.command().end());
  if (workload.command().empty() && image != nullptr) {
    words.insert(words.end(), image->command.begin(), image->command.end());
  }
  if (std::any_of(words.begin(), words.end(), has_zero)) {
    return fail(ErrorCode::kInvalid, "the command holds a zero byte");
  }
  const bool is_known = image != nullptr || workload.image().empty();
  if (is_known && (words.empty() || words[0].empty())) {
    return fail(ErrorCode::kInvalid, "{}",
                workload.image().empty() ? "the workload names no command to run"
                                         : "neither the order nor the image names a command");
  }
  return words;
}

}  // namespace

std::uint64_t disk_bytes_of(const v1::DesiredLease& desired) {
  return desired.disk_mb() > 0 ? desired.disk_mb() * kBytesPerMiB : kDiskBytesDefault;
}

Result<LaunchSpec> launch_spec(const v1::DesiredLease& desired,
                               const std::vector<LocalDevice>& devices, Time fence_at,
                               const ImageFacts* image) {
  const v1::Workload& workload = desired.workload();
  LaunchSpec spec;
  spec.lease = LeaseId(desired.lease());
  FALLOW_ASSIGN(spec.command, command_of(workload, image));
  if (image != nullptr) spec.image_root = image->root;
  spec.environment = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                      {"HOME", "/work"},
                      {"TMPDIR", "/tmp"},
                      {"LANG", "C.UTF-8"},
                      {"USER", "worker"},
                      {"POCL_CACHE_DIR", "/tmp/pocl"},
                      {"CUDA_CACHE_PATH", "/tmp/cuda"}};
  if (image != nullptr) {
    for (const auto& [name, value] : image->environment) {
      if (is_name(name) && !has_zero(value) && !name.starts_with(kOurs)) {
        spec.environment.emplace_back(name, value);
      }
    }
  }
  add_devices(spec, desired, devices);
  // The order's own come after ours, so that it may choose another PATH or HOME.
  for (const v1::EnvironmentVariable& variable : workload.environment()) {
    if (!is_name(variable.name()) || has_zero(variable.value())) {
      return fail(
          ErrorCode::kInvalid,
          "an environment variable cannot be set: names are letters, digits and underscores");
    }
    if (variable.name().starts_with(kOurs)) {
      return fail(ErrorCode::kInvalid, "the environment variable {} is the market's to set",
                  variable.name());
    }
    spec.environment.emplace_back(variable.name(), variable.value());
  }
  spec.environment.emplace_back("FALLOW_LEASE", std::to_string(desired.lease()));
  spec.environment.emplace_back("FALLOW_ORDER", std::to_string(desired.order()));
  spec.environment.emplace_back("FALLOW_TASK", std::to_string(desired.task()));
  spec.environment.emplace_back("FALLOW_TASKS", std::to_string(desired.tasks()));
  const std::uint32_t nodes = std::max(desired.nodes(), 1U);
  spec.environment.emplace_back("FALLOW_NODES", std::to_string(nodes));
  spec.environment.emplace_back("FALLOW_NODE_RANK", std::to_string(desired.task() % nodes));
  spec.environment.emplace_back("FALLOW_GANG", std::to_string(desired.task() / nodes));
  spec.environment.emplace_back("FALLOW_ATTEMPT", std::to_string(desired.attempt()));
  spec.environment.emplace_back("FALLOW_OUT", "/out");
  spec.environment.emplace_back("FALLOW_CHECKPOINT_DIR", kCheckpointFolder);
  spec.environment.emplace_back("FALLOW_NOTICE", kNoticePath);
  spec.memory_bytes_max = desired.memory_mb() * kBytesPerMiB;
  spec.disk_bytes_max = disk_bytes_of(desired);
  spec.asks_for_disk = desired.disk_mb() > 0;
  spec.cpu_thousandths = desired.cpu_thousandths();
  spec.network = desired.network();
  spec.egress_bytes_max = static_cast<std::uint64_t>(desired.egress_bytes_max());
  spec.isolation_min = std::max(desired.isolation(), v1::BUBBLEWRAP);
  spec.fence_at = fence_at;
  return spec;
}

}  // namespace fallow::agent
