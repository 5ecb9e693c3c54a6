// fallow agent doctor: what leases would need of this machine, each thing tried.
#include <unistd.h>

#include <filesystem>

#include "agent/inventory.h"
#include "base/file.h"
#include "bin/egress_policy.h"
#include "bin/market_host.h"
#include "bin/supervisor_program.h"
#include "runtime/cgroup.h"
#include "runtime/disk_of.h"
#include "runtime/driver_files.h"
#include "runtime/host_machines.h"
#include "runtime/image_tools.h"
#include "runtime/levels.h"
#include "runtime/processes.h"
#include "runtime/sandbox_files.h"

namespace fallow::bin {
namespace {

// What could be offered, and which GPUs could not though a driver knows them.
Result<cli::DoctorLine> offered_devices(const cli::AgentArguments& arguments) {
  agent::InventoryOptions options;
  options.declared = arguments.devices;
  std::vector<std::string> warnings;
  FALLOW_ASSIGN(const auto found, agent::find_devices(options, warnings));
  cli::DoctorLine line{"devices", !found.empty() && warnings.empty(), "", ""};
  for (const agent::LocalDevice& device : found) {
    line.detail += (line.detail.empty() ? "" : ", ") + device.facts.model();
    if (device.facts.kind() == v1::CPU) line.detail += " (with --cpu)";
  }
  if (found.empty()) line.detail = "none is found";
  for (const std::string& warning : warnings) line.detail += "; " + warning;
  if (!line.works) {
    line.remedy =
        "install the GPU's driver with OpenCL (AMD: ROCm's OpenCL or mesa-opencl-icd; "
        "Intel: intel-opencl-icd; NVIDIA: nvidia-opencl-icd and libnvidia-ml1)";
  }
  return line;
}

cli::DoctorLine control_groups(const std::vector<std::string>& parents) {
  cli::DoctorLine line{"control groups", !parents.empty(), "", ""};
  for (const std::string& parent : parents)
    line.detail += (line.detail.empty() ? "" : ", ") + parent;
  if (parents.empty()) {
    line.detail = "none may be made: memory and processes are watched ten times a second instead";
    line.remedy =
        "run the agent as root, or as a systemd unit with Delegate=memory pids cpu io (needs "
        "cgroup "
        "v2)";
  }
  return line;
}

// The folder, or what is there of the path to where it would be made: they are on the same disk.
std::string nearest_folder(const std::string& folder) {
  std::filesystem::path path(folder);
  std::error_code unknown;
  while (!std::filesystem::exists(path, unknown) && path.has_relative_path()) {
    path = path.parent_path();
  }
  return path.empty() ? "." : path.string();
}

// Tried as `fallow agent --disk-mb-per-s` would do it.
cli::DoctorLine disk_pace(const std::string& folder, const std::vector<std::string>& parents) {
  cli::DoctorLine line{"disk limits", false, "", ""};
  const auto disk = runtime::disk_of(folder);
  line.detail = disk ? runtime::why_no_disk_pace(parents, {*disk, 1'000'000'000, 0},
                                                 runtime::egress_owner(folder + "/workloads"))
                     : "of " + folder + ": " + disk.error().message;
  line.works = line.detail.empty();
  if (!line.works) {
    line.remedy =
        "cgroup v2 with the io controller (a systemd unit with Delegate=yes), and --data "
        "on ext4 or XFS";
  } else {
    line.detail = "--disk-mb-per-s and --disk-iops can be kept on disk " + *disk;
    if (!runtime::slows_all_writes(parents)) {
      line.detail += ", for reads and direct writes alone (cgroup v1)";
    }
  }
  return line;
}

cli::DoctorLine images(const std::string& folder) {
  cli::DoctorLine line{"images", false, "", ""};
  line.detail = runtime::ImageTools({}, folder, std::uint64_t{1} << 30).why_not();
  line.works = line.detail.empty();
  if (!line.works) {
    line.remedy = "apt-get install skopeo umoci bubblewrap, and allow user namespaces";
  } else if (::geteuid() == 0) {
    line.detail = "each lease may change its own copy";
  } else {
    line.detail = "read-only for leases: the agent does not run as root";
  }
  return line;
}

// What workloads on images would be given with all of the machine's devices.
cli::DoctorLine driver_files() {
  cli::DoctorLine line{"GPU libraries", true, "", ""};
  const std::vector<std::string> devices = runtime::nvidia_device_files();
  if (devices.empty()) {
    line.detail = "images get none: no NVIDIA device is here";
    return line;
  }
  const runtime::DriverFiles found = runtime::find_driver_files(devices, {});
  line.works = found.has_library("libcuda.so.1");
  line.detail = line.works
                    ? std::to_string(found.files.size()) + " files for images, by " + found.source
                    : "no libcuda.so.1 is found: programs on images see no GPU";
  for (const std::string& note : found.notes) line.detail += "; " + note;
  if (!line.works) {
    line.remedy =
        "install the driver's libraries (Debian: apt-get install libcuda1 nvidia-smi), run "
        "ldconfig; "
        "or, with NVIDIA's container toolkit: nvidia-ctk cdi generate --output "
        "/etc/cdi/nvidia.yaml";
  }
  return line;
}

// What is to be known of virtual machines here, beyond whether they work.
std::string of_machines(const runtime::Level& level) {
  std::string detail;
  if (level.works) detail = level.microvm.emulated ? ", by an emulated processor" : ", by KVM";
  detail += "; not for leases with GPUs, nor together with --egress";
  const std::string no_vfio = runtime::why_no_vfio();
  if (no_vfio.empty()) return detail + " (VFIO is there, but Fallow does not use it yet)";
  return detail + " (VFIO, which GPUs would need: " + no_vfio + "; " +
         runtime::vfio_remedy(no_vfio) + ")";
}

// Tried as `fallow agent --egress` would do it, with the same options.
cli::DoctorLine egress(const cli::AgentArguments& arguments,
                       const std::vector<runtime::Level>& levels, const std::string& folder,
                       const runtime::SandboxFiles& files,
                       const std::vector<std::string>& supervisor,
                       const std::vector<std::string>& parents) {
  cli::DoctorLine line{"egress", false, "", ""};
  auto policy = egress_policy(arguments);
  if (!policy) {
    line.detail = policy.error().message;
    line.remedy =
        "name a resolver: fallow agent doctor --resolver ADDRESS, and the same with --egress";
    return line;
  }
  policy->owner = runtime::egress_owner(folder);
  const auto why = runtime::try_egress(levels, *policy, supervisor, folder, files, parents);
  line.detail = why ? *why : why.error().message;
  line.works = line.detail.empty();
  if (line.works) {
    line.detail = "can be offered with --egress; names by " + policy->resolvers.front();
  } else {
    line.remedy = runtime::egress_remedy(line.detail);
  }
  return line;
}

}  // namespace

Result<std::vector<cli::DoctorLine>> MarketHost::examine_machine(
    const cli::AgentArguments& arguments) {
  FALLOW_ASSIGN(cli::DoctorLine of_devices, offered_devices(arguments));
  std::string folder = "/tmp/fallow-doctor-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return tl::unexpected(file_error("make", folder, errno));
  const std::vector<std::string> parents = runtime::find_cgroup_parents();
  const auto give_up = [&folder](Error error) {
    runtime::remove_tree(folder);
    return tl::unexpected(std::move(error));
  };
  const auto files = runtime::write_sandbox_files(folder);
  if (!files) return give_up(files.error());
  const auto supervisor = write_supervisor(folder);
  if (!supervisor) return give_up(supervisor.error());
  runtime::SandboxTools tools;
  tools.emulates_processors = arguments.emulate_processors;
  const auto levels = runtime::try_levels(tools, *supervisor, folder, *files, parents);
  if (!levels) return give_up(levels.error());
  cli::DoctorLine of_egress = egress(arguments, *levels, folder, *files, *supervisor, parents);
  cli::DoctorLine image_line = images(folder);
  cli::DoctorLine of_disk = disk_pace(nearest_folder(arguments.data), parents);
  runtime::remove_tree(folder);
  std::vector<cli::DoctorLine> lines;
  const runtime::Level* usual = runtime::choose_level(*levels, v1::BUBBLEWRAP);
  for (const runtime::Level& level : *levels) {
    cli::DoctorLine line{runtime::isolation_name(level.isolation), level.works, level.why,
                         level.remedy};
    if (level.works)
      line.detail = &level == usual ? "what orders get" : "for orders that ask for it";
    if (level.works && usual != nullptr && level.isolation < usual->isolation)
      line.detail = "not needed";
    if (level.isolation == v1::MICROVM) line.detail += of_machines(level);
    lines.push_back(std::move(line));
  }
  lines.push_back(std::move(of_devices));
  lines.push_back(std::move(image_line));
  lines.push_back(driver_files());
  lines.push_back(control_groups(parents));
  lines.push_back(std::move(of_disk));
  lines.push_back(std::move(of_egress));
  return lines;
}

}  // namespace fallow::bin
