// Agent: one loop that feeds the reconciler with what the hub, the runtime and the owner say, and
// does what it answers.
//
// bin/ makes the parts and hands them over:
//
//   key = load_or_make_node_key(data)           membership = load_membership(data) or join_market()
//   runtime = SandboxRuntime::open(...)      link = MarketLink::make(config_of(membership))
//   devices = find_devices(...)                 store = MarketStore(config_of(membership), random)
//   Agent::make(options, *runtime, *link, *store, *random), then run() until stop().
//
// Workloads run on when the agent ends; the next agent on the same data folder takes them over.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/folder_store.h"
#include "agent/hub_link.h"
#include "agent/images.h"
#include "agent/launch.h"
#include "agent/runtime.h"
#include "agent/secret_desk.h"
#include "agent/tunnels.h"
#include "base/env.h"
#include "base/result.h"
#include "base/signing.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

class OwnerWatch;

struct AgentOptions {
  // Absolute. One agent at a time: the folder is locked.
  std::string data_folder;
  NodeId node;
  SigningKey key;
  // Without devices; those are added from `devices`.
  v1::NodeFacts facts;
  std::vector<LocalDevice> devices;
  std::size_t transfer_threads = 8;
  Duration checkpoint_interval = minutes(1);
  // Outlives the agent. Null: no lease has an image.
  Images* images = nullptr;
  // Outlives the agent. Null: nobody can reach into the sandboxes.
  Tunnels* tunnels = nullptr;
  // Outlives the agent. Null: the owner is away until `fallow agent pause` or its file says
  // otherwise.
  OwnerWatch* owner_watch = nullptr;
  // How long a lease waits for secrets of its renter while the market can be reached.
  Duration secret_wait = SecretDesk::kWaitMax;
};

// What `run()` came back for.
enum class AgentEnd {
  kStopped,  // stop() was called
  kRemoved,  // the market removed this node; nothing of it runs here any more
};

class Agent {
 public:
  // kBusy when another agent has the data folder. `runtime`, `link`, `store` and `random` outlive
  // the agent.
  static Result<std::unique_ptr<Agent>> make(AgentOptions options, Runtime& runtime, HubLink& link,
                                             FolderStore& store, Random& random);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Blocks. Once.
  AgentEnd run();
  // Any thread, and signal handlers.
  void stop();
  // What is measured now, in the text format of Prometheus. Any thread; waits for a sample, some
  // seconds at most. A node whose metrics are read measures as if it was watched.
  std::string metrics();

 private:
  struct Impl;
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fallow::agent
