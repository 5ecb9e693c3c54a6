// Runtime: sandboxes as the agent needs them. runtime/sandbox_runtime.h is the one that ships.
//
// A workload's processes belong to a supervisor of their own, which outlives the agent, keeps the
// logs, sees the exit, and kills the workload by itself when its fence passes. What an earlier
// agent left behind is found with list() and taken over with adopt().
//
// Owned by the agent's loop thread; no call waits for a workload. Whatever follows from a call
// comes as an event: poll() the descriptor, then take_events().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/actions.h"
#include "base/file.h"
#include "base/result.h"
#include "base/types.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

// Everything about one start. A value.
struct LaunchSpec {
  LeaseId lease;
  std::vector<std::string> command;  // never empty
  // The command's words are for the agent's own program, which lies on every machine that runs one:
  // it begins with the first who enters, whose connection is its standard input and output.
  bool is_prover = false;
  std::string image_root;  // the file system of its image (agent/images.h); empty: the host's /usr
  std::vector<std::pair<std::string, std::string>> environment;
  // What the workload sees beside that, and what is written to no disk.
  std::vector<std::pair<std::string, std::string>> secret_environment = {};
  std::vector<std::string> device_files;  // "/dev/nvidia0": passed in, and no others
  std::uint64_t memory_bytes_max = 0;  // 0: it asked for none: what the machine has, less a reserve
  std::uint64_t disk_bytes_max = 0;    // of all its private folders together; 0: no limit
  bool asks_for_disk = true;           // else disk_bytes_max is promised by nobody
  // What the machine must have left for others. It does not start with less; it ends when less is
  // left and it has at least as much itself, and in any case when half of this is gone, too.
  // The runtime fills them in for what asked for no memory, or no disk. 0: never.
  std::uint64_t memory_room_bytes_min = 0;
  std::uint64_t disk_room_bytes_min = 0;
  std::uint32_t cpu_thousandths = 0;  // 0: no limit
  std::uint32_t processes_max = 1024;
  v1::Network network = v1::NETWORK_NONE;
  std::uint64_t egress_bytes_max = 0;  // that it may send; then its network is closed. 0: no limit
  // The weakest sandbox that will do; the runtime refuses the start rather than give a weaker one.
  v1::Isolation isolation_min = v1::BUBBLEWRAP;
  Time fence_at;  // CLOCK_BOOTTIME
};

// A workload's private folders on the host.
struct WorkloadFolders {
  std::string work;        // its working folder; inputs go here before the start
  std::string out;         // what it leaves here is collected
  std::string checkpoint;  // what it leaves here is where its next start begins
  std::string stdout_log;  // grow while it runs; at most log_bytes_max each
  std::string stderr_log;
};

// What a workload has used since its start, but for its memory, which is that of the moment. What
// the machine does not tell is nothing.
struct WorkloadUse {
  std::optional<Duration> processor;
  std::optional<std::uint64_t> memory_bytes;  // without what the kernel could take back at once
  std::optional<std::uint64_t> disk_read_bytes;
  std::optional<std::uint64_t> disk_written_bytes;
  std::optional<std::uint64_t> network_in_bytes;  // into the workload
  std::optional<std::uint64_t> network_out_bytes;
  // Of it, the IP packets that were let out into the internet: what is paid for.
  std::optional<std::uint64_t> egress_bytes;
};

enum class AdoptState : std::uint8_t {
  kNotStarted,  // no process of it was ever made
  kTaken,       // it runs, or has run: events from its start on follow
  kLost,        // it ran and is gone without a trace; also what could not be followed and was ended
};
struct Adopted {
  AdoptState state = AdoptState::kNotStarted;
  Time fence_at;  // kTaken
};

class Runtime {
 public:
  virtual ~Runtime() = default;

  // Makes the private folders anew, empty. kTooLarge: no room on the disk.
  virtual Result<WorkloadFolders> prepare(LeaseId lease) = 0;
  virtual WorkloadFolders folders(LeaseId lease) const = 0;
  // After prepare() (and the inputs). An error means that no process of it exists.
  virtual Status start(const LaunchSpec& spec) = 0;
  virtual void set_fence(LeaseId lease, Time fence_at) = 0;
  virtual void suspend(LeaseId lease) = 0;
  virtual void resume(LeaseId lease) = 0;
  // SIGTERM to its processes, resumed if suspended.
  virtual void stop(LeaseId lease) = 0;
  // May be asked again while it shows no effect, and is then done in harder ways.
  virtual void kill(LeaseId lease) = 0;

  // Leases of which something is on this machine.
  virtual std::vector<LeaseId> list() const = 0;
  // May wait for what it ends, unlike all others.
  virtual Adopted adopt(LeaseId lease) = 0;
  // Kills what is left of it and removes everything; the slow part in the background.
  virtual void forget(LeaseId lease) = 0;

  // A connection with a process inside the lease's sandbox that serves one tunnel
  // (docs/formats/tunnel.md); not blocking. kNotFound: its workload does not run here.
  virtual Result<Fd> enter(LeaseId lease) = 0;

  // A few small files of the kernel's are read for it. Of a workload that does not run: nothing.
  virtual WorkloadUse use(LeaseId lease) const = 0;

  // Readable when take_events() has something, or a log has grown.
  virtual int event_fd() const = 0;
  struct Events {
    std::vector<RuntimeEvent> events;  // Started and Exited
    std::vector<LeaseId> logs_grown;   // without repetition
  };
  virtual Events take_events() = 0;
};

}  // namespace fallow::agent
