// MicrovmSandbox: a virtual machine for each lease, by qemu. The workload speaks to a kernel of its
// own, and that one to an emulator which runs, unprivileged, in a bubblewrap sandbox of the lease:
// who breaks out of the machine is where a workload of the weakest kind is, with the same files.
//
//     supervisor ── bubblewrap ── keeper ── qemu ══ the machine: its process 1 ── first process ──
//     command
//                                   └── a virtio port ──────────────┘   (runtime/init/guest_talk.h)
//
// The host's system folders, or the image, and the private folders come into the machine by 9p,
// which is served by qemu itself. The machine's processor is the host's by KVM; without KVM it is
// emulated, many times slower, where the provider says so. No devices: those of GPUs would need
// VFIO. No network.
#pragma once

#include <string>
#include <vector>

#include "runtime/bubblewrap.h"

namespace fallow::runtime {

// The device files that qemu itself opens.
std::vector<std::string> microvm_devices(const MicrovmTools& tools);

class MicrovmSandbox final : public BubblewrapSandbox {
 public:
  MicrovmSandbox(const LaunchFile& launch, PrivateFolders folders, const Cgroup& cgroup)
      : BubblewrapSandbox(launch, std::move(folders), cgroup) {}

  Status start() override;
  int status_fd() const override { return init_fd_ ? word_.get() : BubblewrapSandbox::status_fd(); }
  void follow() override;
  void ask_to_end() override;
  SandboxEnd end(std::string_view err_head) const override;

  // bubblewrap's, but for the descriptors'.
  static std::vector<std::string> arguments(const LaunchFile& launch,
                                            const PrivateFolders& folders);
  // qemu's command.
  static std::vector<std::string> emulator(const LaunchFile& launch, bool root_writable);
  // What the machine is told to run (runtime/init/machine.h).
  static std::string spec(const LaunchFile& launch, bool root_writable);
  // What the control groups hold all of it to: the emulator takes its part of the lease's memory,
  // and its threads are not the workload's processes.
  static CgroupLimits limits(const LaunchFile& launch);

 private:
  Fd word_;  // what the keeper says of the machine, a letter each
  bool ran_out_of_memory_ = false;
};

}  // namespace fallow::runtime
