// ArtifactSweeper: keeps the artifact store to what somebody still needs, now and then, on a thread
// of its own. docs/operations.md tells operators what is kept how long.
//
// Kept are the inputs of open orders, the outputs of open orders and of those that ended lately,
// the last checkpoints of their tasks that are not done, what these manifests name, and whatever
// was stored or asked for lately.
//
// Owner: Server. start(), sweep_now() and stop() from the owner's thread; counts() from any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "artifacts/store.h"
#include "artifacts/sweep.h"
#include "base/digest.h"
#include "base/env.h"
#include "base/result.h"
#include "engine/engine.h"
#include "server/superseded.h"

namespace fallow::server {

struct Retention {
  Duration outputs = hours(30 * 24);  // of an order after its end
  Duration artifacts =
      hours(7 * 24);  // that nothing refers to, since they were stored or asked for
  // The same while the store is fuller than kFullPercent of its limit.
  Duration artifacts_when_full = hours(6);
  // Of a checkpoint whose place a newer one has, since it was stored or asked for. No saving takes
  // so long: what it asked for first is still there when it is named.
  Duration superseded = hours(1);
  Duration uploads = hours(24);  // unfinished, without a piece
  Duration interval = hours(1);  // between sweeps

  static constexpr std::uint64_t kFullPercent = 90;
};

class ArtifactSweeper {
 public:
  struct Counts {
    std::uint64_t sweeps = 0;
    std::uint64_t failures = 0;
    std::uint64_t artifacts = 0;  // removed
    std::uint64_t bytes = 0;      // of them
    std::uint64_t uploads = 0;    // abandoned
  };

  // All three outlive it. `log` is told what was swept, and why not; on the sweeper's thread.
  ArtifactSweeper(artifacts::BlobStore& store, engine::Engine& engine, Superseded& superseded,
                  const Retention& retention, std::function<void(const std::string&)> log);
  // stop(), if that was not called.
  ~ArtifactSweeper();
  ArtifactSweeper(const ArtifactSweeper&) = delete;
  ArtifactSweeper& operator=(const ArtifactSweeper&) = delete;

  // The first sweep is one interval away: whoever was cut off by a restart comes back first.
  void start();
  // Ends a sweep that runs. Before the engine stops.
  void stop();

  // On the caller's thread, which waits for disk and market.
  Result<artifacts::Swept> sweep_now();
  Counts counts() const;

 private:
  void loop();
  void let_go_superseded(Time before);
  // What open orders and kept outputs refer to.
  Result<std::vector<Digest>> roots(Time outputs_since);
  // `look` on the market thread, again and again until it says that it has come to the end.
  Status visit_all(const std::function<bool(const core::Machine&)>& look);
  Duration kept() const;

  artifacts::BlobStore& store_;
  engine::Engine& engine_;
  Superseded& superseded_;
  const Retention retention_;
  const std::function<void(const std::string&)> log_;
  const std::unique_ptr<Clock> file_clock_;  // as the file system's

  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Counts counts_;  // under the mutex
  std::thread thread_;
};

}  // namespace fallow::server
