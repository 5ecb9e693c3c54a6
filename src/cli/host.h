// What the command line needs of the parts that cli/ does not include: the server, the agent, the
// audit. bin/ implements it; commands only parse and print.
//
// Everything blocks the calling thread and answers an exit code (cli/command.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/types.h"
#include "fallow/v1/trial.pb.h"
#include "fallow/v1/types.pb.h"

namespace fallow::cli {

struct ServerArguments {
  std::string data;                       // folder; made on first start
  std::string listen = "127.0.0.1:8470";  // port 0 takes any free one
  std::string name = "fallow";            // of the market, on first start
  std::string currency = "TEST";          // on first start
  std::vector<std::string> hosts;         // names and addresses in the certificate
  bool plain_http = false;                // loopback only
  std::string console;                    // folder of the built console; empty: where it is found
  // Each changes one of the market's default rules, on first start.
  std::vector<std::function<void(v1::Policy&)>> rules;
  std::uint64_t artifacts_gib_max = 100;      // of the artifact store
  std::uint64_t telemetry_gib_max = 4;        // of what nodes measured by the minute
  double output_hours_kept = 720;             // of an order after its end
  double artifact_hours_kept = 168;           // that nothing refers to
  double upload_hours_kept = 24;              // unfinished, without a piece
  std::vector<std::string> webhooks_allowed;  // ranges beside the public internet
};

// What a running server tells its surroundings.
struct ServerStarted {
  std::string url;
  std::string certificate;        // SHA-256 in hex; empty for plain HTTP
  bool has_console = false;       // pages at that url
  std::string operator_key_path;  // the first operator key, in a file of mode 0600
};

struct AgentArguments {
  std::string data;  // folder of the node key and the workloads
  std::string join;  // join token; empty: joined before
  std::string name;  // empty: the host's
  std::string region;
  std::string lan;   // that it shares with others of its provider's nodes; empty: none
  std::string rack;  // of that LAN; empty: none
  std::vector<std::string> devices;         // "model=RTX_4090,memory_gb=24": declared, for tests
  std::string price_per_hour;               // offers the devices on joining; empty: not offered yet
  std::string egress_price_per_gb;          // with that: for what workloads send; empty: nothing
  std::string kwh_price;                    // of electricity; empty: not reckoned with
  std::uint32_t device_watts = 0;           // that one device takes at work; 0: not said
  bool cpu = false;                         // list the processor as an OpenCL device, too
  std::uint32_t cpu_thousandths = 0;        // 0: all of the machine's
  std::uint32_t memory_mb = 0;              // 0: all of it
  bool egress = false;                      // let workloads that ask for it out to the internet
  std::vector<std::string> resolvers;       // for them; empty: the machine's own public ones
  std::vector<std::string> egress_denied;   // ranges beside those that always are
  std::vector<std::uint32_t> egress_ports;  // no others are reached; empty: all
  std::uint32_t egress_mbps = 100;          // of each workload, each way
  std::uint32_t egress_connections = 1024;  // of each workload at a time
  std::uint32_t disk_mb_per_s = 0;          // of each workload, each way; 0: no limit
  std::uint32_t disk_iops = 0;              // likewise
  std::string sandbox;  // "bubblewrap", "runc", "gvisor", "microvm": no other kind; empty: all
  bool emulate_processors = false;  // for microvm, where KVM is not to be had
  std::uint64_t images_gb_max =
      50;  // for images and their layers; 0: orders with images go elsewhere
  std::uint32_t checkpoint_seconds = 60;  // between two savings of a workload's checkpoint
  std::string owner_policy;  // file; empty: owner-policy.toml of the data folder, if it is there
  std::string metrics_port;  // of 127.0.0.1; "0": any free one; empty: none
  std::vector<std::string> registries;  // that may be at private addresses and speak plain HTTP
};

// One thing that a provider's machine should have.
struct DoctorLine {
  std::string what;
  bool works = false;
  std::string detail;  // what was found, or what is wrong
  std::string remedy;  // what to do about it; empty when it works
};

// What an agent's watch for the owner has seen in a span of time.
struct OwnerReport {
  std::uint64_t node = 0;  // of the market; 0: of none yet
  bool dry_run = false;
  Duration span;
  Duration watched;  // of that
  Duration away;     // of what was watched: the machine could be leased
  std::uint32_t returns = 0;
  std::vector<std::pair<std::string, std::uint32_t>>
      reasons;  // of returns, the most frequent first
};

// What a lease's devices took here, as far as their power is measured.
struct LeaseEnergy {
  std::uint64_t lease = 0;
  std::uint64_t microjoules = 0;
  Duration measured;
};

// What an agent's folder tells of it.
struct NodeState {
  bool runs = false;
  std::uint64_t node = 0;  // 0: it has joined no market yet
  std::string url;         // of the market
  // As the owner has said, and as the agent's watch sees it while the agent runs.
  v1::OwnerState owner = v1::OWNER_AWAY;
  std::uint32_t workloads = 0;
  std::vector<LeaseEnergy> energy;  // in the order of leases
};

// What became of a node that was removed.
struct RemovedNode {
  std::uint32_t workloads = 0;    // that were ended
  bool folder_left = false;       // for what else is in it, or because something is mounted there
  std::vector<std::string> left;  // names in it that are no agent's
};

struct AuditReport {
  std::uint64_t entries = 0;
  std::uint64_t commands = 0;
  std::uint64_t accounts = 0;
  std::uint64_t leases = 0;
  std::string head;    // of the chain, hex
  std::string digest;  // of the market, hex
};

// A trial of other rules on the last hours of a data folder's log.
struct TrialArguments {
  std::string data;
  std::function<Status(v1::Policy&)> change;  // makes of the present rules those to be tried
  double hours = 24;
  std::uint32_t memory_gb_max = 4;
  std::uint32_t minutes_max = 10;
};

class Host {
 public:
  virtual ~Host() = default;

  // Until SIGTERM or SIGINT; `started` is called once it answers requests.
  virtual int serve(const ServerArguments& arguments,
                    const std::function<void(const ServerStarted&)>& started) = 0;
  // Until SIGTERM or SIGINT.
  virtual int run_agent(const AgentArguments& arguments) = 0;
  // Tells the agent of this data folder whether its owner wants the machine: paused lets what runs
  // come to its end, present does not.
  virtual Status tell_agent(const std::string& data, v1::OwnerState owner) = 0;
  // The owner's policy with every setting explained; of a file, what it says in words.
  virtual std::string default_owner_policy() = 0;
  virtual Result<std::string> check_owner_policy(const std::string& file) = 0;
  // Up to now. kNotFound: no agent on this data folder has watched.
  virtual Result<OwnerReport> owner_report(const std::string& data, Duration span) = 0;
  // kNotFound: the folder is no agent's.
  virtual Result<NodeState> node_state(const std::string& data) = 0;
  // kInvalid: the folder holds what is no agent's, so none is to be put there.
  virtual Status check_agent_folder(const std::string& data) = 0;
  // Ends what a stopped agent left running and, unless that is to be kept, removes what is an
  // agent's of its folder, and the folder if nothing else is in it. kBusy: an agent runs on it.
  virtual Result<RemovedNode> remove_node(const std::string& data, bool keep_data) = 0;
  // Replays the log of a data folder from nothing.
  virtual Result<AuditReport> audit(const std::string& data) = 0;
  // Only reads; also beside a running server. Bounds and yields this whole process for it.
  virtual Result<v1::PolicyTrialView> try_policy(const TrialArguments& arguments) = 0;
  // docs/openapi.json
  virtual std::string openapi() = 0;

  virtual Random& random() = 0;
  virtual const Clock& clock() = 0;

  // Tries what leases would need of this machine, egress as the arguments would have it, and limits
  // of the disk where their data folder, which is stated, is or would be.
  virtual Result<std::vector<DoctorLine>> examine_machine(const AgentArguments& arguments) = 0;
};

}  // namespace fallow::cli
