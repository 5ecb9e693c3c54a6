// TrialMarket: a span of the log once more, under other rules. What people did comes from the log
// as it is: orders, stops, offers, money, nodes that come and go, owners who return. What follows
// from the rules is the machine's: placements, prices, charges, endings. What nodes did about their
// leases is made up from TrialFacts: a task runs as long as it did in fact, wherever it lands.
//
// Owner: try_policy; one thread. The same log and rules give the same figures on every machine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "core/machine.h"
#include "log/log.h"
#include "sim/trial_count.h"
#include "sim/trial_facts.h"
#include "sim/trial_names.h"

namespace fallow::sim {

class TrialMarket {
 public:
  // `machine` stands at the span's beginning. `facts` outlives this. `go_on` is asked now and then.
  TrialMarket(std::unique_ptr<core::Machine> machine, const TrialFacts& facts,
              const std::function<bool()>& go_on);

  // The span, from `from` to `until`, under these rules. kTimedOut when `go_on` said no; what
  // log.read() says.
  Status run(log::LogReader& log, const log::Head& from, const log::Head& until,
             const v1::Policy& policy);

  const TrialCount& count() const { return count_; }
  std::uint64_t commands() const { return commands_; }

 private:
  // A lease as its node would know it.
  struct Workload {
    NodeId node;
    std::optional<TrialFacts::Run> run;
    bool running = false;
    bool over = false;     // came to its end by itself
    bool evicted = false;  // its owner's notice has passed
    Duration base;         // run before `since`
    Time since;
    std::optional<Time> frozen;  // its owner is home

    Duration ran(Time now) const;
  };
  enum class What : std::uint8_t { kReport, kStart, kEnd, kStopped, kEvict };
  struct Planned {
    Time at;
    std::uint64_t order = 0;  // of planning, so that ties are decided
    What what = What::kReport;
    std::uint64_t id = 0;  // of the node or lease
    bool operator>(const Planned& other) const {
      return std::pair(at, order) > std::pair(other.at, other.order);
    }
  };

  std::vector<NodeId> nodes_with_leases() const;
  void adopt(const core::Lease& lease);
  Status pass_time(Time until);
  void happen(const Planned& planned);
  void apply(const v1::Command& command);
  void take(LogIndex index, const v1::Command& command);
  void stop_lease(LogIndex index);
  void see_owner(const v1::Observe& observe);
  void set_owner(NodeId node, v1::OwnerState owner);
  void placed(const v1::LeasePlaced& told);
  void plan(Time at, What what, std::uint64_t id);
  void follow_node(NodeId node);
  void end_run(LeaseId lease);
  void report(NodeId node);
  void add_report(v1::Observe& observe, const core::Lease& lease, const Workload& workload) const;

  const std::unique_ptr<core::Machine> machine_;
  const TrialFacts& facts_;
  const std::function<bool()>& go_on_;
  const Duration start_takes_;
  TrialNames names_;
  TrialCount count_;
  Duration report_every_;
  Time now_;
  core::Events told_;  // by the latest command
  std::unordered_map<std::uint64_t, Workload> workloads_;
  std::unordered_set<std::uint64_t> followed_;  // nodes that report
  std::priority_queue<Planned, std::vector<Planned>, std::greater<>> plan_;
  std::uint64_t planned_ = 0;
  std::uint64_t commands_ = 0;
};

}  // namespace fallow::sim
