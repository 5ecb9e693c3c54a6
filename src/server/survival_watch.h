// Fits how long nodes last from what the market knows of them, and tells it: now and then, on a
// thread of its own.
//
// The market keeps the latest stretches of each node for which it could be leased. Nodes whose
// first device is of one model are a class; one with too few endings goes by all nodes together,
// and while these have too few nothing is told. What comes of it is a SetSurvival for the nodes of
// which it has changed by more than 2 points of a hundred somewhere, and for nodes that nothing is
// known of.
//
// Owner: Server. Constructed and destroyed on its thread, after the engine and before it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "core/survival.h"
#include "engine/engine.h"
#include "server/survival_fit.h"

namespace fallow::server {

// What the market remembers of one node.
struct NodeRecord {
  NodeId node;
  std::string model;  // of its first device; canonical
  std::vector<Stretch> stretches;
  double up_hours = 0;  // of the stretch that it is in; 0: of none
  core::Survival told;
};

// The distribution of each class, from what its nodes went through.
class SurvivalFits {
 public:
  // Of a class as many stretches count as kStretchesMax, of all together as well: a million nodes
  // are not kept in memory.
  static constexpr std::size_t kStretchesMax = 20'000;
  void add(const NodeRecord& node);
  // After the last one was added.
  void fit();

  // Of the class, or of all nodes where too few of it ended; none while too few of all did.
  std::optional<Weibull> of(const std::string& model) const;
  std::optional<Weibull> of_all() const { return of_all_; }

 private:
  std::map<std::string, std::vector<Stretch>> classes_;
  std::vector<Stretch> all_;
  std::map<std::string, Weibull> fits_;
  std::optional<Weibull> of_all_;
};

// What is to be told of these nodes: nothing of those of which it is known already.
v1::SetSurvival survival_of(const SurvivalFits& fits, const std::vector<NodeRecord>& nodes);
// And of nodes of which nothing is known, where `told` was told last.
v1::SetSurvival survival_of_unknown(const SurvivalFits& fits, const core::Survival& told);

class SurvivalWatch {
 public:
  // The engine outlives it.
  SurvivalWatch(engine::Engine& engine, const Clock& clock, Duration interval);
  ~SurvivalWatch();
  SurvivalWatch(const SurvivalWatch&) = delete;
  SurvivalWatch& operator=(const SurvivalWatch&) = delete;

  // Fits and tells now: what the thread does. An error of the engine ends it: the next may succeed.
  Status run_once();
  // Any thread: what runs ends before its next page of nodes with kClosed, and nothing runs again.
  void stop();

 private:
  struct Page {
    std::vector<NodeRecord> nodes;
    core::Survival told;  // of those of which nothing is known
  };
  Result<Page> read_page(NodeId after);
  Status tell(v1::SetSurvival&& told);
  void loop();

  engine::Engine& engine_;
  const Clock& clock_;
  const Duration interval_;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace fallow::server
