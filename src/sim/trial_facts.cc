#include "sim/trial_facts.h"

#include <algorithm>

namespace fallow::sim {
namespace {

constexpr Duration kStartDefault = seconds(2);

// The task's own doing; nothing of the market's or a node's.
bool is_own_end(v1::EndReason reason) {
  return reason == v1::COMPLETED || reason == v1::EXIT_CODE || reason == v1::OUT_OF_MEMORY ||
         reason == v1::INPUT_INVALID || reason == v1::DISK_LIMIT;
}

bool is_hidden_fault(v1::EndReason reason) {
  return reason == v1::DEVICE_FAULT || reason == v1::START_FAILED || reason == v1::WORKLOAD_LOST ||
         reason == v1::IMAGE_UNAVAILABLE;
}

}  // namespace

void TrialFacts::see(const engine::Batch& batch, const core::Machine& machine) {
  for (const engine::Applied& applied : batch.commands) {
    if (applied.command->has_stop_lease()) {
      const auto* lease = machine.lease(LeaseId(applied.command->stop_lease().lease()));
      if (lease != nullptr) stopped_[applied.index] = {lease->order, lease->task};
    }
    for (const v1::Event& event : applied.events) {
      if (event.has_lease_placed()) {
        const v1::LeasePlaced& placed = event.lease_placed();
        runs_[{OrderId(placed.order()), placed.task()}].ended = false;
      }
      if (event.has_lease_ended()) see_ended(event.lease_ended(), machine);
    }
  }
}

void TrialFacts::see_ended(const v1::LeaseEnded& ended, const core::Machine& machine) {
  if (is_hidden_fault(ended.reason())) ++faults_;
  const core::Lease* const lease = machine.lease(LeaseId(ended.lease()));
  if (lease != nullptr && lease->started_at.us != 0) {
    starts_us_ += (lease->started_at - lease->placed_at).value;
    ++starts_;
  }
  Known& known = runs_[{OrderId(ended.order()), ended.task()}];
  known.ended = is_own_end(ended.reason());
  if (!known.ended) return;
  const core::Order* const order = machine.order(OrderId(ended.order()));
  known.run = {Duration(ended.proven_us()), ended.reason(),
               lease == nullptr ? 0 : lease->exit_code};
  if (order == nullptr) return;
  ran_us_ += ended.proven_us();
  limits_us_ += order->requirements.duration_us();
}

std::optional<TrialFacts::Run> TrialFacts::run_of(OrderId order, std::uint32_t task,
                                                  Duration limit) const {
  if (runs_.contains({order, task})) return rest_of(order, task);
  if (limits_us_ == 0) return std::nullopt;
  const Wide time = Wide{limit.value} * ran_us_ / limits_us_;
  return Run{Duration(static_cast<std::int64_t>(std::min<Wide>(time, limit.value)))};
}

std::optional<TrialFacts::Run> TrialFacts::rest_of(OrderId order, std::uint32_t task) const {
  const auto known = runs_.find({order, task});
  if (known == runs_.end() || !known->second.ended) return std::nullopt;
  return known->second.run;
}

std::optional<std::pair<OrderId, std::uint32_t>> TrialFacts::stopped_by(LogIndex command) const {
  const auto found = stopped_.find(command);
  if (found == stopped_.end()) return std::nullopt;
  return found->second;
}

Duration TrialFacts::start_takes() const {
  if (starts_ == 0) return kStartDefault;
  return Duration(static_cast<std::int64_t>(starts_us_ / starts_));
}

}  // namespace fallow::sim
