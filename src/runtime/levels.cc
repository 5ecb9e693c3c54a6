#include "runtime/levels.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/program.h"
#include "base/file.h"
#include "runtime/host_machines.h"
#include "runtime/host_network.h"
#include "runtime/microvm.h"
#include "runtime/processes.h"

namespace fallow::runtime {
namespace {

constexpr Duration kTrialMax = seconds(20);
constexpr Duration kEmulatedTrialMax = minutes(11);
constexpr std::size_t kTrialBytesMax = 4096;
// A user for trials, beyond those of leases.
constexpr std::uint32_t kTrialUid = 0x70010000;

const char* remedy_of(v1::Isolation isolation) {
  switch (isolation) {
    case v1::RUNC:
      return "run the agent as root on a machine with control groups and install runc: "
             "apt-get install runc";
    case v1::GVISOR:
      return "run the agent as root with control groups and install runsc: tools/install_deps.sh "
             "--gvisor, or apt-get install -t bookworm-backports runsc";
    case v1::MICROVM:
      return "install qemu and a kernel for the machines: tools/install_deps.sh --microvm, or "
             "apt-get install qemu-system-x86 linux-image-amd64";
    default:
      return "install bubblewrap (apt-get install bubblewrap) and allow user namespaces: sysctl "
             "user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0";
  }
}

struct Trial {
  const std::vector<std::string>& supervisor;
  const std::string& folder;

  // Why it did not work; empty: it did.
  Result<std::string> run(const LaunchFile& launch) const {
    std::string place = folder + "/trial-XXXXXX";
    if (::mkdtemp(place.data()) == nullptr) {
      return tl::unexpected(file_error("make", place, errno));
    }
    const Status written = replace_file(place + "/spec", encode_launch(launch));
    std::vector<std::string> words = supervisor;
    words.insert(words.end(), {"--probe", place});
    const Duration wait_max = launch.microvm.emulated ? kEmulatedTrialMax : kTrialMax;
    auto answer = written ? agent::run_program(words, wait_max, kTrialBytesMax)
                          : Result<agent::ProgramOutput>(tl::unexpected(written.error()));
    remove_tree(place);
    if (!answer) return answer.error().message;
    if (answer->exit_code == 0) return std::string();
    std::string why = answer->out.substr(0, answer->out.find('\n'));
    return why.empty() ? "it gave no answer" : why;
  }
};

LaunchFile launch_of(const Level& level, const SandboxFiles& files,
                     const std::vector<std::string>& cgroup_parents) {
  LaunchFile launch;
  launch.isolation = level.isolation;
  launch.tool = level.tool;
  launch.microvm = level.microvm;
  launch.files = files;
  launch.uid = level.has_own_users ? kTrialUid : 0;
  launch.cgroup_parents = cgroup_parents;
  launch.spec.command = {"true"};
  if (level.isolation == v1::MICROVM) launch.spec.device_files = microvm_devices(level.microvm);
  return launch;
}

// What a virtual machine is made with here; else why there can be none, and what would help.
void find_microvm_tools(const SandboxTools& tools, Level& level) {
  level.microvm.qemu = tools.qemu;
  const std::string no_kvm = why_no_kvm(tools.kvm);
  level.microvm.emulated = !no_kvm.empty();
  if (::access(tools.qemu.c_str(), X_OK) != 0) {
    level.why = tools.qemu + " is not installed";
  } else if (const Status found = find_guest_kernel(tools.guest_kernels, level.microvm); !found) {
    level.why = found.error().message;
  } else if (level.microvm.emulated && !tools.emulates_processors) {
    level.why = no_kvm;
    level.remedy = kvm_remedy(no_kvm);
  }
}

}  // namespace

std::string isolation_name(v1::Isolation isolation) {
  switch (isolation) {
    case v1::BUBBLEWRAP:
      return "bubblewrap";
    case v1::RUNC:
      return "runc";
    case v1::GVISOR:
      return "gVisor";
    default:
      return "microVM";
  }
}

Result<std::vector<Level>> try_levels(const SandboxTools& tools,
                                      const std::vector<std::string>& supervisor,
                                      const std::string& folder, const SandboxFiles& files,
                                      const std::vector<std::string>& cgroup_parents,
                                      v1::Isolation only) {
  const Trial trial{supervisor, folder};
  const bool is_root = ::geteuid() == 0;
  std::vector<Level> levels = {{v1::BUBBLEWRAP, false, is_root, tools.bwrap, "", ""},
                               {v1::RUNC, false, true, tools.runc, "", ""},
                               {v1::GVISOR, false, true, tools.runsc, "", ""},
                               {v1::MICROVM, false, is_root, tools.bwrap, "", ""}};
  if (only != v1::ISOLATION_UNSPECIFIED) {
    std::erase_if(levels, [only](const Level& level) { return level.isolation != only; });
  }
  for (Level& level : levels) {
    if (level.isolation == v1::MICROVM) find_microvm_tools(tools, level);
    const bool needs_root = level.isolation == v1::RUNC || level.isolation == v1::GVISOR;
    if (!level.why.empty()) {
      // Known without a trial.
    } else if (::access(level.tool.c_str(), X_OK) != 0) {
      level.why = level.tool + " is not installed";
    } else if (needs_root && !is_root) {
      level.why = "the agent does not run as root";
    } else {
      FALLOW_ASSIGN(level.why, trial.run(launch_of(level, files, cgroup_parents)));
      const bool is_machine = level.isolation == v1::MICROVM;
      if (!level.why.empty() && is_machine && !level.microvm.emulated &&
          tools.emulates_processors) {
        // A virtual machine may have a KVM that starts no machine within it.
        level.microvm.emulated = true;
        FALLOW_ASSIGN(level.why, trial.run(launch_of(level, files, cgroup_parents)));
      }
      if (!level.why.empty() && !needs_root && is_root) {
        // Some machines let only root make user namespaces.
        level.has_own_users = false;
        FALLOW_ASSIGN(level.why, trial.run(launch_of(level, files, cgroup_parents)));
      }
    }
    level.works = level.why.empty();
    if (!level.works && level.remedy.empty()) level.remedy = remedy_of(level.isolation);
  }
  return levels;
}

Result<std::string> try_egress(const std::vector<Level>& levels, const EgressPolicy& policy,
                               const std::vector<std::string>& supervisor,
                               const std::string& folder, const SandboxFiles& files,
                               const std::vector<std::string>& cgroup_parents) {
  if (::geteuid() != 0) return std::string("the agent does not run as root");
  for (const char* tool : {"nft", "ip", "tc"}) {
    if (network_tool(tool).empty()) return std::string(tool) + " is not installed";
  }
  const Level* last = nullptr;
  for (const v1::Isolation least : {v1::BUBBLEWRAP, v1::RUNC, v1::GVISOR}) {
    const Level* level = choose_level(levels, least);
    if (level == nullptr || level == last || !takes_network(level->isolation)) continue;
    last = level;
    LaunchFile launch = launch_of(*level, files, cgroup_parents);
    launch.spec.network = v1::EGRESS;
    launch.egress = policy;
    FALLOW_ASSIGN(std::string why, (Trial{supervisor, folder}.run(launch)));
    if (!why.empty()) return isolation_name(level->isolation) + ": " + why;
  }
  return std::string();
}

std::string egress_remedy(const std::string& why) {
  if (why.find("root") != std::string::npos && why.find("agent") != std::string::npos) {
    return "run the agent as root: no other user may make a link into a sandbox";
  }
  if (why.find("not installed") != std::string::npos) return "apt-get install nftables iproute2";
  if (why.find("resolver") != std::string::npos) {
    return "name one that answers with --resolver, and let firewalls of your own pass what comes "
           "from and goes to interfaces fw-* (Docker: the chain DOCKER-USER)";
  }
  return "load what the kernel has as modules: modprobe -a veth sch_tbf nf_tables nft_ct nft_limit "
         "nft_connlimit nft_fib_inet nft_reject_inet nft_masq nft_quota nft_objref; in a "
         "container, give the agent CAP_NET_ADMIN and a /proc/sys that it may write to";
}

const Level* choose_level(const std::vector<Level>& levels, v1::Isolation isolation_min) {
  const Level* chosen = nullptr;
  for (const Level& level : levels) {
    if (!level.works || level.isolation < isolation_min) continue;
    // runc stands in for bubblewrap wherever it works; what is stronger only when asked for.
    if (chosen == nullptr || level.isolation <= v1::RUNC) chosen = &level;
  }
  return chosen;
}

bool takes_devices(v1::Isolation isolation) { return isolation < v1::GVISOR; }
bool takes_network(v1::Isolation isolation) { return isolation != v1::MICROVM; }

v1::Isolation strongest(const std::vector<Level>& levels, bool with_device_files,
                        bool with_network) {
  v1::Isolation found = v1::ISOLATION_UNSPECIFIED;
  for (const Level& level : levels) {
    if (!level.works || (with_device_files && !takes_devices(level.isolation)) ||
        (with_network && !takes_network(level.isolation))) {
      continue;
    }
    found = std::max(found, level.isolation);
  }
  return found;
}

}  // namespace fallow::runtime
