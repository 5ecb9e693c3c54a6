#include "sim/trial_market.h"

#include <algorithm>

#include "engine/command_reader.h"
#include "sim/lab_commands.h"

namespace fallow::sim {
namespace {

constexpr Duration kStopTakes = seconds(1);
constexpr Duration kReportMin = milliseconds(200);
constexpr Duration kReportMax = minutes(5);
constexpr std::uint64_t kAskEvery = 256;  // steps

// As the rules want it, and often enough that no node counts as silent.
Duration report_interval(const v1::Policy& policy) {
  const std::int64_t silence = std::min(policy.suspend_after_us(), policy.close_after_us());
  return std::clamp(Duration(std::min(policy.meter_interval_us(), silence / 2)), kReportMin,
                    kReportMax);
}

v1::Command policy_command(const v1::Policy& policy) {
  v1::Command command;
  *command.mutable_set_policy()->mutable_policy() = policy;
  return command;
}

// Its id is that of something that later commands name.
bool makes_something(const v1::Command& command) {
  return command.has_submit_order() || command.has_open_account() || command.has_join_node() ||
         command.has_withdraw() || command.has_start_proof();
}

}  // namespace

Duration TrialMarket::Workload::ran(Time now) const {
  if (!running) return base;
  const Duration time = base + (std::max(frozen.value_or(now), since) - since);
  return run ? std::min(time, std::max(run->time, base)) : time;
}

TrialMarket::TrialMarket(std::unique_ptr<core::Machine> machine, const TrialFacts& facts,
                         const std::function<bool()>& go_on)
    : machine_(std::move(machine)),
      facts_(facts),
      go_on_(go_on),
      start_takes_(facts.start_takes()),
      names_(machine_->last_index()),
      now_(machine_->now()) {}

Status TrialMarket::run(log::LogReader& log, const log::Head& from, const log::Head& until,
                        const v1::Policy& policy) {
  report_every_ = report_interval(policy);
  apply(policy_command(policy));
  for (const NodeId node : nodes_with_leases()) {
    for (const LeaseId lease : machine_->node(node)->leases) {
      if (!workloads_.contains(lease.value)) adopt(*machine_->lease(lease));
    }
  }
  engine::CommandReader reader(log, from);
  while (reader.head().last < until.last) {
    FALLOW_ASSIGN(const bool more, reader.next());
    if (!more) {
      return fail(ErrorCode::kCorrupt, "the log says it ends with command {} but has none after {}",
                  until.last.value, reader.head().last.value);
    }
    FALLOW_TRY(pass_time(reader.entry().time()));
    for (std::size_t i = 0; i < reader.commands().size(); ++i) {
      take(reader.entry().index(i), reader.commands()[i]);
    }
  }
  FALLOW_TRY(pass_time(until.time));
  for (const NodeId node : nodes_with_leases()) report(node);  // what has run until now
  count_.finish(*machine_);
  return {};
}

std::vector<NodeId> TrialMarket::nodes_with_leases() const {
  std::vector<NodeId> nodes;
  machine_->visit_nodes(NodeId(0), [&](const core::Node& node) {
    if (!node.leases.empty()) nodes.push_back(node.id);
    return true;
  });
  return nodes;
}

void TrialMarket::adopt(const core::Lease& lease) {
  Workload& workload = workloads_[lease.id.value];
  workload.node = lease.node;
  workload.run = facts_.rest_of(lease.order, lease.task);
  workload.running = lease.started_at.us != 0;
  workload.base = lease.proven;
  workload.since = now_;
  const core::Node* const node = machine_->node(lease.node);
  if (node != nullptr && node->owner == v1::OWNER_PRESENT) {
    workload.frozen = now_;
    plan(now_ + Duration(machine_->policy().owner_notice_us()), What::kEvict, lease.node.value);
  }
  if (lease.state == v1::STOPPING) plan(now_ + kStopTakes, What::kStopped, lease.node.value);
  if (!workload.running) {
    plan(now_ + start_takes_, What::kStart, lease.id.value);
  } else if (workload.run) {
    plan(now_ + std::max(Duration(), workload.run->time - workload.base), What::kEnd,
         lease.id.value);
  }
  follow_node(lease.node);
}

Status TrialMarket::pass_time(Time until) {
  for (std::uint64_t step = 0;; ++step) {
    if (step % kAskEvery == 0 && !go_on_()) {
      return fail(ErrorCode::kTimedOut, "the trial was broken off after {} commands", commands_);
    }
    const std::optional<Time> due = machine_->next_deadline();
    const bool tick = due && *due <= until && (plan_.empty() || *due <= plan_.top().at);
    if (tick) {
      now_ = std::max(now_, *due);
      v1::Command command;
      command.mutable_tick();
      apply(command);
    } else if (!plan_.empty() && plan_.top().at <= until) {
      const Planned planned = plan_.top();
      plan_.pop();
      now_ = std::max(now_, planned.at);
      happen(planned);
    } else {
      break;
    }
  }
  now_ = std::max(now_, until);
  return {};
}

void TrialMarket::apply(const v1::Command& command) {
  told_.clear();
  machine_->apply(LogIndex(machine_->last_index().value + 1), now_, command, told_);
  ++commands_;
  count_.see(command, told_, now_);
  for (const v1::Event& event : told_) {
    if (event.has_lease_placed()) placed(event.lease_placed());
    if (event.has_lease_ended()) workloads_.erase(event.lease_ended().lease());
    if (event.has_lease_changed() && event.lease_changed().state() == v1::STOPPING) {
      plan(now_ + kStopTakes, What::kStopped, event.lease_changed().node());
    }
  }
}

// A command of the log.
void TrialMarket::take(LogIndex index, const v1::Command& command) {
  switch (command.kind_case()) {
    case v1::Command::kTick:
    case v1::Command::kSetPolicy:
      return;
    case v1::Command::kObserve:
      return see_owner(command.observe());
    case v1::Command::kStopLease:
      return stop_lease(index);
    default:
      break;
  }
  v1::Command here = command;
  names_.rename(here);
  if (makes_something(here)) names_.stands(index, machine_->last_index() + LogIndex(1));
  apply(here);
  if (here.has_set_node_link() && here.set_node_link().connected()) {
    report(NodeId(here.set_node_link().node()));
  }
}

// In the log of a lease that there may be none of here; then of its task's present one.
void TrialMarket::stop_lease(LogIndex index) {
  const auto task = facts_.stopped_by(index);
  if (!task) return;
  const core::Order* const order = machine_->order(OrderId(names_.here(task->first.value)));
  if (order == nullptr || task->second >= order->tasks.size()) return;
  const LeaseId id = order->tasks[task->second].lease;
  const core::Lease* const lease = machine_->lease(id);
  if (lease == nullptr || !core::is_open(*lease)) return;
  v1::Command command;
  command.mutable_stop_lease()->set_lease(id.value);
  apply(command);
}

// Of a node's report only its owner is the log's own.
void TrialMarket::see_owner(const v1::Observe& observe) {
  const NodeId id(names_.here(observe.node()));
  const core::Node* const node = machine_->node(id);
  const bool changes =
      node != nullptr && !node->removed && v1::OwnerState_IsValid(observe.owner()) &&
      observe.owner() != v1::OWNER_STATE_UNSPECIFIED && observe.owner() != node->owner;
  if (changes) set_owner(id, observe.owner());
}

void TrialMarket::set_owner(NodeId node, v1::OwnerState owner) {
  const bool is_home = owner == v1::OWNER_PRESENT;
  for (const LeaseId id : machine_->node(node)->leases) {
    Workload& workload = workloads_[id.value];
    if (is_home && !workload.frozen) workload.frozen = now_;
    if (is_home || !workload.frozen) continue;
    workload.since = workload.since + (now_ - std::max(*workload.frozen, workload.since));
    workload.frozen.reset();
    plan(now_, What::kEnd, id.value);  // or later: it stood still meanwhile
  }
  v1::Command command;
  command.mutable_observe()->set_node(node.value);
  command.mutable_observe()->set_owner(owner);
  apply(command);
  if (is_home) {
    plan(now_ + Duration(machine_->policy().owner_notice_us()), What::kEvict, node.value);
  }
}

void TrialMarket::placed(const v1::LeasePlaced& told) {
  Workload& workload = workloads_[told.lease()];
  workload.node = NodeId(told.node());
  const core::Order* const order = machine_->order(OrderId(told.order()));
  if (order != nullptr) {
    workload.run = facts_.run_of(OrderId(names_.in_log(told.order())), told.task(),
                                 Duration(order->requirements.duration_us()));
  }
  plan(now_ + start_takes_, What::kStart, told.lease());
  follow_node(workload.node);
}

void TrialMarket::plan(Time at, What what, std::uint64_t id) {
  plan_.push(Planned{at, ++planned_, what, id});
}

void TrialMarket::follow_node(NodeId node) {
  if (followed_.insert(node.value).second) plan(now_ + report_every_, What::kReport, node.value);
}

void TrialMarket::happen(const Planned& planned) {
  const auto workload = workloads_.find(planned.id);
  const core::Node* node = nullptr;
  switch (planned.what) {
    case What::kReport:
      node = machine_->node(NodeId(planned.id));
      followed_.erase(planned.id);
      if (node == nullptr || node->leases.empty()) return;
      report(NodeId(planned.id));
      return follow_node(NodeId(planned.id));
    case What::kStart:
      if (workload == workloads_.end() || workload->second.running) return;
      workload->second.running = true;
      workload->second.since = now_;
      if (workload->second.frozen) workload->second.frozen = now_;
      if (workload->second.run) plan(now_ + workload->second.run->time, What::kEnd, planned.id);
      return report(workload->second.node);
    case What::kEnd:
      return end_run(LeaseId(planned.id));
    case What::kStopped:
      return report(NodeId(planned.id));
    case What::kEvict:
      node = machine_->node(NodeId(planned.id));
      if (node == nullptr || node->owner != v1::OWNER_PRESENT) return;
      for (const LeaseId id : node->leases) {
        if (workloads_[id.value].frozen) workloads_[id.value].evicted = true;
      }
      return report(NodeId(planned.id));
  }
}

// Its time has come, unless it stood still meanwhile.
void TrialMarket::end_run(LeaseId lease) {
  const auto at = workloads_.find(lease.value);
  if (at == workloads_.end()) return;
  Workload& workload = at->second;
  if (!workload.run || !workload.running || workload.over || workload.frozen) return;
  const Duration ran = workload.ran(now_);
  if (ran < workload.run->time) {
    return plan(now_ + (workload.run->time - ran), What::kEnd, lease.value);
  }
  workload.over = true;
  report(workload.node);
}

void TrialMarket::report(NodeId id) {
  const core::Node* const node = machine_->node(id);
  if (node == nullptr || node->removed || !node->connected || node->leases.empty()) return;
  v1::Command command;
  v1::Observe& observe = *command.mutable_observe();
  observe.set_node(id.value);
  for (const LeaseId lease : node->leases) {
    add_report(observe, *machine_->lease(lease), workloads_[lease.value]);
  }
  apply(command);
}

void TrialMarket::add_report(v1::Observe& observe, const core::Lease& lease,
                             const Workload& workload) const {
  v1::WorkloadReport& report = *observe.add_workloads();
  report.set_lease(lease.id.value);
  const bool stopped = lease.state == v1::STOPPING && now_ >= lease.stopping_at + kStopTakes;
  if (workload.over || workload.evicted || stopped) {
    report.set_state(v1::ENDED);
    report.set_reason(workload.over      ? workload.run->reason
                      : workload.evicted ? v1::OWNER_RETURNED
                                         : v1::STOPPED);
    if (workload.over) report.set_exit_code(workload.run->exit_code);
  } else if (!workload.running) {
    report.set_state(v1::STARTING);
  } else {
    report.set_state(workload.frozen ? v1::SUSPENDED : v1::RUNNING);
  }
  // As an agent, which counts no more once it hears of the stop.
  const Time until = lease.state == v1::STOPPING ? std::min(now_, lease.stopping_at) : now_;
  const Duration ran = workload.ran(until);
  if (ran > lease.proven) add_meter(report, lease.meter_sequence + 1, ran, now_);
}

}  // namespace fallow::sim
