// SandboxRuntime: agent::Runtime over the kinds of sandbox that work here (runtime/levels.h), for
// Linux of Debian 12's age and later.
//
// Each workload has a supervisor process (runtime/supervisor.h) and a folder <folder>/<lease>
// (runtime/launch_file.h). Run by root, the sandbox runs as an unprivileged user of its own for
// each lease; run by another user, as that one. Folders that are no longer needed move to
// <folder>/trash and are removed by a thread; what all sandboxes share lies there, too
// (runtime/sandbox_files.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/runtime.h"
#include "base/result.h"
#include "runtime/cgroup.h"
#include "runtime/driver_files.h"
#include "runtime/host_room.h"
#include "runtime/levels.h"

namespace fallow::runtime {

struct SandboxOptions {
  // Absolute. Readable by the agent's user only.
  std::string folder;
  // How to run a supervisor (runtime/supervisor.h): a program and kSupervisorMode; the lease's
  // folder is added.
  std::vector<std::string> supervisor;
  SandboxTools tools;
  // For tests: every workload gets this kind, and none other is tried. Unspecified: the rule of
  // choose_level().
  v1::Isolation only = v1::ISOLATION_UNSPECIFIED;
  // Workloads that ask for it are let out to the internet so far; `owner` is filled in. Nothing:
  // none is.
  std::optional<EgressPolicy> egress = {};
  // How fast each workload may read and write the disk that the folder lies on; `disk` is filled
  // in.
  DiskPace disk = {};
  // Where the files of the graphics driver are looked for that images get.
  DriverPaths driver = {};
  // Where the machine's memory is read; tests have their own.
  std::string meminfo = kMeminfo;
  // The program that proves devices in sandboxes; empty: this one.
  std::string prover = {};
};

class SandboxRuntime final : public agent::Runtime {
 public:
  // Tries each kind first: kFailed with what to install or to allow when none can be made here.
  static Result<std::unique_ptr<SandboxRuntime>> open(SandboxOptions options);
  // Waits for the removal of what was forgotten. Workloads run on.
  ~SandboxRuntime() override;

  Result<agent::WorkloadFolders> prepare(LeaseId lease) override;
  agent::WorkloadFolders folders(LeaseId lease) const override;
  Status start(const agent::LaunchSpec& spec) override;
  void set_fence(LeaseId lease, Time fence_at) override;
  void suspend(LeaseId lease) override;
  void resume(LeaseId lease) override;
  void stop(LeaseId lease) override;
  void kill(LeaseId lease) override;
  std::vector<LeaseId> list() const override;
  agent::Adopted adopt(LeaseId lease) override;
  void forget(LeaseId lease) override;
  Result<Fd> enter(LeaseId lease) override;
  agent::WorkloadUse use(LeaseId lease) const override;
  int event_fd() const override;
  Events take_events() override;

  // What was found at open().
  const std::vector<Level>& levels() const;
  // Whether workloads can be let out. With a policy that could not be kept: why, as a sentence.
  bool offers_egress() const;
  const std::string& egress_fault() const;
  // With a pace of the disk that cannot be kept: why, as a sentence. Workloads then have none.
  const std::string& disk_fault() const;
  // Which control groups limit the workloads; empty: the supervisors watch instead. For the log.
  const std::vector<std::string>& cgroup_parents() const;

 private:
  struct Impl;
  explicit SandboxRuntime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fallow::runtime
