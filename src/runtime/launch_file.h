// The files by which the agent and a workload's supervisor speak to each other. All lie in the
// lease's folder, which only the agent's user can enter:
//
//   spec      what to run, but for what is secret; written by the agent before the start
//   lock      flock()ed by the supervisor as long as it lives (it inherits the lock)
//   pid       the supervisor's process id
//   control   a FIFO: one letter for each wish of the agent (ControlByte)
//   door      a socket: who connects is handed to the sandbox's process 1 (runtime/door.h)
//   fence     8 bytes: the moment at which the supervisor kills the workload by itself
//   started   the moment the workload began
//   exit      how it ended; appears whole, once, when nothing of the workload is left
//   stdout, stderr   its output, each up to log_bytes_max
//   work/ out/ tmp/  its private folders
//   layer/    what it changed of its image's files
//   network.*    what the tools were told that made its network (runtime/lease_network.h)
//
// Times are CLOCK_BOOTTIME in microseconds. Free functions; no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/actions.h"
#include "agent/runtime.h"
#include "base/file.h"
#include "base/result.h"
#include "runtime/cgroup.h"
#include "runtime/egress.h"
#include "runtime/host_room.h"
#include "runtime/sandbox_files.h"

namespace fallow::runtime {

constexpr std::uint64_t kLogBytesMax = std::uint64_t{64} << 20;

enum class ControlByte : char {
  kSuspend = 's',
  kResume = 'r',
  kStop = 't',
  kKill = 'k',
};

// Where the files of the host's graphics driver are looked for; tests have their own.
struct DriverPaths {
  std::vector<std::string> cdi_folders = {"/var/run/cdi", "/etc/cdi"};
  std::vector<std::string> ldconfig = {"/sbin/ldconfig", "-p"};  // prints the linker's cache
};

// What a virtual machine is made with (runtime/microvm.h).
struct MicrovmTools {
  std::string qemu = "/usr/bin/qemu-system-x86_64";
  std::string kernel;                // its image, and
  std::vector<std::string> modules;  // its drivers, in the order in which they are loaded
  bool emulated = false;             // the processor, for want of KVM
};

// What the supervisor needs beside the workload's own wishes.
struct LaunchFile {
  agent::LaunchSpec spec;
  v1::Isolation isolation = v1::BUBBLEWRAP;  // the kind of sandbox
  std::string tool;                          // path of the program that makes it
  SandboxFiles files;                        // of the node
  std::string prover = {};                   // the agent's own program, for spec.is_prover
  std::uint32_t uid = 0;                     // the host's user it runs as; 0: the supervisor's own
  std::vector<std::string> cgroup_parents;   // folders to make its control groups in
  EgressPolicy egress;                       // for spec.network
  DiskPace disk = {};                        // of the disk of its folders
  DriverPaths driver = {};                   // for a workload on an image
  MicrovmTools microvm = {};                 // for that kind
  std::string meminfo = kMeminfo;            // where the machine's memory is read
  // Not in the file, for the supervisor itself finds them. Files of the driver on the host, and
  // where they are seen inside, which may take as long as a slow disk does;
  std::vector<std::pair<std::string, std::string>> driver_files = {};
  // the bytes of files.filter, which cannot be seen any more once the sandbox's mounts are made.
  std::string filter = {};
};

// Without spec.secret_environment, which goes by another way, driver_files and filter.
std::string encode_launch(const LaunchFile& launch);
// kCorrupt when the bytes are not what encode_launch gave.
Result<LaunchFile> decode_launch(std::string_view bytes);

// The secret part of a workload's environment, in a file in memory that has no name.
using Environment = std::vector<std::pair<std::string, std::string>>;
Result<Fd> secrets_file(const Environment& environment);
// Takes over the descriptor if it is such a file; else there are none.
Result<Environment> read_secrets(int fd);

struct ExitFile {
  Time at;
  agent::ExitCause cause = agent::ExitCause::kExited;
  int exit_code = 0;
  int signal = 0;
  std::string detail;
  std::int64_t egress_bytes = 0;  // that it sent over its network
};
std::string encode_exit(const ExitFile& file);
Result<ExitFile> decode_exit(std::string_view bytes);

std::string encode_time(Time at);
std::optional<Time> decode_time(std::string_view bytes);

Time boot_time();

}  // namespace fallow::runtime
