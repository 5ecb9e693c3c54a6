// Levels: which kinds of sandbox really work on this machine, found by starting one of each.
//
// Blocks for as long as those starts take (about a quarter of a second together; a second more
// where a virtual machine is tried); any thread.
#pragma once

#include <string>
#include <vector>

#include "agent/runtime.h"
#include "base/result.h"
#include "runtime/guest_kernel.h"
#include "runtime/launch_file.h"

namespace fallow::runtime {

// Where the programs lie; a path that does not exist is a kind that is not offered.
struct SandboxTools {
  std::string bwrap = "/usr/bin/bwrap";
  std::string runc = "/usr/sbin/runc";
  std::string runsc = "/usr/bin/runsc";
  std::string qemu = "/usr/bin/qemu-system-x86_64";
  std::vector<std::string> guest_kernels = guest_kernel_folders();  // for find_guest_kernel()
  std::string kvm = "/dev/kvm";
  // Virtual machines are offered without KVM, too: many times slower, for tests.
  bool emulates_processors = false;
};

// "bubblewrap", "runc", "gVisor", "microVM".
std::string isolation_name(v1::Isolation isolation);

struct Level {
  v1::Isolation isolation = v1::BUBBLEWRAP;
  bool works = false;
  // bubblewrap under root: sandboxes can be made by users without rights, so each lease gets one.
  bool has_own_users = true;
  std::string tool;
  std::string why;            // when it does not work, a sentence
  std::string remedy;         // and how to get it
  MicrovmTools microvm = {};  // of that kind
};

// Whether this kind can be given the lease's device files: a kernel of its own does not know them.
bool takes_devices(v1::Isolation isolation);
// Whether it can be let out to the internet.
bool takes_network(v1::Isolation isolation);

// bubblewrap, runc, gVisor, microVM in this order. `supervisor` is how to run this program as one;
// folders for the trials are made in `folder` and removed. `only`: no other kind is tried, or
// answered.
Result<std::vector<Level>> try_levels(const SandboxTools& tools,
                                      const std::vector<std::string>& supervisor,
                                      const std::string& folder, const SandboxFiles& files,
                                      const std::vector<std::string>& cgroup_parents,
                                      v1::Isolation only = v1::ISOLATION_UNSPECIFIED);

// Why workloads cannot be let out to the internet here, by a trial in every kind that leases get,
// of which a resolver must answer; empty: they can.
Result<std::string> try_egress(const std::vector<Level>& levels, const EgressPolicy& policy,
                               const std::vector<std::string>& supervisor,
                               const std::string& folder, const SandboxFiles& files,
                               const std::vector<std::string>& cgroup_parents);
// What to do about it.
std::string egress_remedy(const std::string& why);

// The kind that an order gets: the default (runc where it works, else bubblewrap), or the weakest
// stronger one when it asks for more. nullptr: this machine has none that is strong enough.
const Level* choose_level(const std::vector<Level>& levels, v1::Isolation isolation_min);

// The strongest kind that works for leases with device files, and with a way out; unspecified: none
// does.
v1::Isolation strongest(const std::vector<Level>& levels, bool with_device_files,
                        bool with_network);

}  // namespace fallow::runtime
