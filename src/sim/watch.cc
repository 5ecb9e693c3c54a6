#include "sim/watch.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace fallow::sim {
namespace {

// A node's clock may run faster than the world's by this much.
constexpr std::int64_t kDriftPartsMax = 5'000;  // one part in so many
constexpr Duration kSlack = milliseconds(50);
// What an agent that begins anew cannot vouch for: what ran since it let a workload go on.
constexpr Duration kUnprovenMax = seconds(5);
constexpr std::uint64_t kBatchesPerCheck = 4;  // and at every restart
// What is left of the market's longest silence when its node stops counting, and nothing for the
// kill: simulated ones are quick.
constexpr Duration kFenceMax = kCloseAfterMax - Duration(kCloseAfterMax.value / 6) + kSlack;

Mark mark_of(v1::EndReason reason) {
  switch (reason) {
    case v1::COMPLETED:
      return Mark::kCompleted;
    case v1::EXIT_CODE:
      return Mark::kExitCode;
    case v1::OUT_OF_MEMORY:
      return Mark::kOutOfMemory;
    case v1::TIME_LIMIT:
      return Mark::kTimeLimit;
    case v1::FUNDS:
      return Mark::kFunds;
    case v1::INPUT_INVALID:
      return Mark::kInputInvalid;
    case v1::DISK_LIMIT:
      return Mark::kDiskLimit;
    case v1::START_FAILED:
      return Mark::kStartFailed;
    case v1::WORKLOAD_LOST:
      return Mark::kWorkloadLost;
    case v1::NODE_WITHDRAWN:
      return Mark::kNodeWithdrawn;
    case v1::OWNER_RETURNED:
      return Mark::kOwnerEvicted;
    case v1::MARKET_FAULT:
      return Mark::kMarketFault;
    case v1::PREEMPTED:
      return Mark::kPreempted;
    case v1::GANG_FAILED:
    case v1::GANG_LOST:
    case v1::GANG_BROKEN:
      return Mark::kGangEnded;
    default:
      return Mark::kStopped;
  }
}

}  // namespace

std::string checkpoint_of(const SimCheckpoint& checkpoint) {
  std::string bytes;
  for (std::uint64_t number : {checkpoint.order, std::uint64_t{checkpoint.task},
                               checkpoint.lease.value, checkpoint.saves}) {
    for (int i = 0; i < 8; ++i, number >>= 8) bytes.push_back(static_cast<char>(number & 0xFF));
  }
  return bytes;
}

SimCheckpoint checkpoint_of(const std::string& manifest) {
  std::array<std::uint64_t, 4> numbers{};
  for (std::size_t at = 0; at < manifest.size() && at < 32; ++at) {
    numbers[at / 8] |= std::uint64_t{static_cast<std::uint8_t>(manifest[at])} << (8 * (at % 8));
  }
  return {numbers[0], static_cast<std::uint32_t>(numbers[1]), LeaseId(numbers[2]), numbers[3]};
}

void Watch::process_started(std::size_t agent, const v1::DesiredLease& desired) {
  const LeaseId lease(desired.lease());
  const TaskKey task{desired.order(), desired.task()};
  if (live_.contains(lease)) return world_.fail(fmt::format("lease {} runs twice", lease.value));
  for (const auto& [other, process] : live_) {
    if (process.task != task) continue;
    const auto ended = ended_.find(other);
    return world_.fail(fmt::format(
        "task {} of order {} runs as lease {} on agent {} while lease {} still runs on agent {}; "
        "{}",
        task.second, task.first, lease.value, agent, other.value, process.agent,
        ended == ended_.end()
            ? "the market has not ended that"
            : fmt::format("the market ended that {:.3f} s ago: {}",
                          static_cast<double>((world_.now() - ended->second.at).value) / 1e6,
                          v1::EndReason_Name(ended->second.reason))));
  }
  const std::uint32_t share =
      desired.device_thousandths() == 0 ? 1000 : desired.device_thousandths();
  Process process{agent, task, {desired.devices().begin(), desired.devices().end()}, share};
  for (const std::uint32_t device : process.devices) {
    std::uint32_t taken = share;
    for (const auto& [other, beside] : live_) {
      const bool same = beside.agent == agent &&
                        std::count(beside.devices.begin(), beside.devices.end(), device) > 0;
      if (same) taken += beside.share;
    }
    if (taken > 1000) {
      return world_.fail(
          fmt::format("device {} of agent {} carries {} thousandths as lease {} starts", device,
                      agent, taken, lease.value));
    }
  }
  if (const auto ended = ended_.find(lease);
      ended != ended_.end() && world_.now() - ended->second.at > kFenceMax) {
    return world_.fail(
        fmt::format("lease {} starts {:.1f} s after the market had ended it", lease.value,
                    static_cast<double>((world_.now() - ended->second.at).value) / 1e6));
  }
  if (!desired.checkpoint_manifest().empty()) world_.reach(Mark::kCheckpointCarriedOn);
  if (const auto last = checkpoints_.find(task);
      desired.checkpoint_manifest() !=
      (last == checkpoints_.end() ? "" : checkpoint_of(last->second))) {
    return world_.fail(
        fmt::format("lease {} begins with another checkpoint than its task's last", lease.value));
  }
  live_.emplace(lease, std::move(process));
  ran_[lease].since = world_.now();
}

void Watch::process_suspended(LeaseId lease, bool suspended) {
  Ran& ran = ran_[lease];
  if (suspended && ran.since.us != 0) {
    ran.ran += world_.now() - ran.since;
    ran.since = Time{};
  } else if (!suspended && ran.since.us == 0) {
    ran.since = world_.now();
  }
}

void Watch::process_ended(LeaseId lease) {
  process_suspended(lease, true);
  live_.erase(lease);
  const auto ended = ended_.find(lease);
  if (ended == ended_.end()) return;
  if (world_.now() - ended->second.at > kFenceMax) {
    world_.fail(fmt::format("lease {} ran on for {:.1f} s after the market had ended it",
                            lease.value,
                            static_cast<double>((world_.now() - ended->second.at).value) / 1e6));
  }
}

Duration Watch::truth(LeaseId lease) const {
  const auto found = ran_.find(lease);
  if (found == ran_.end()) return Duration(0);
  const Ran& ran = found->second;
  return ran.ran + (ran.since.us == 0 ? Duration(0) : world_.now() - ran.since);
}

void Watch::faults_are_over() {
  faults_are_over_ = true;
  for (const auto& [lease, ran] : ran_) {
    if (ended_.contains(lease)) continue;
    const auto proven = proven_.find(lease);
    unpaid_[lease] = truth(lease) - (proven == proven_.end() ? Duration(0) : proven->second);
  }
}

// Of what ended by itself: what runs on after a decision to stop it is nobody's to pay.
void Watch::see_paid(const v1::LeaseEnded& ended) {
  const LeaseId lease(ended.lease());
  const bool by_itself = ended.reason() == v1::COMPLETED || ended.reason() == v1::EXIT_CODE;
  if (!faults_are_over_ || !by_itself || states_[lease] == v1::STOPPING) return;
  world_.reach(Mark::kPaidAfterFaults);
  const Duration ran = truth(lease);
  const Duration unpaid = ran - Duration(ended.proven_us()) - unpaid_[lease];
  if (unpaid > kUnprovenMax + Duration(ran.value / kDriftPartsMax) + kSlack) {
    world_.fail(
        fmt::format("lease {} ran for {} us and proved {} us, though nothing was in its way",
                    lease.value, ran.value, ended.proven_us()));
  }
}

void Watch::answered(LogIndex index) { answered_ = std::max(answered_, index); }

void Watch::recovered(LogIndex last) {
  if (last < answered_) {
    world_.fail(fmt::format("command {} was answered, but the log ends with command {}",
                            answered_.value, last.value));
  }
}

void Watch::ordered(const Bound& bound) { bounds_[bound.name] = bound; }

void Watch::on_batch(const engine::Batch& batch, const core::Machine& machine) {
  // All of the market each time would be most of a run's time; a seed can be run again.
  if (++batches_ % kBatchesPerCheck == 0) machine.check_invariants();
  for (const engine::Applied& applied : batch.commands) see(applied, machine);
}

void Watch::see(const engine::Applied& applied, const core::Machine& machine) {
  if (applied.command->has_observe()) see_meters(applied);
  for (const v1::Event& event : applied.events) {
    if (event.has_refused()) see_refusal(event.refused());
    if (event.has_repeated()) world_.reach(Mark::kRequestRepeated);
    if (event.has_order_accepted()) {
      ++orders_accepted_;
      const std::string& name = applied.command->submit_order().name();
      names_[event.order_accepted().order()] = name;
      if (!accepted_.insert(name).second) {
        world_.fail(fmt::format("order {} was accepted twice", name));
      }
    }
    if (event.has_order_extended()) see_extended(event.order_extended());
    if (event.has_order_ended()) {
      ++orders_ended_;
      const auto bound = bounds_.find(names_[event.order_ended().order()]);
      const std::int64_t charged = event.order_ended().charged_micros();
      if (bound == bounds_.end()) continue;
      const Bound& limits = bound->second;
      if ((limits.budget_micros_max > 0 && charged > limits.budget_micros_max) ||
          (limits.quote_micros > 0 && charged > limits.quote_micros)) {
        world_.fail(fmt::format("order {} was charged {} above its budget {} or its quote {}",
                                limits.name, charged, limits.budget_micros_max,
                                limits.quote_micros));
      }
    }
    if (event.has_lease_placed()) {
      ++leases_;
      const core::Lease* lease = machine.lease(LeaseId(event.lease_placed().lease()));
      if (lease == nullptr) continue;
      if (lease->attempt > 1) world_.reach(Mark::kRetriedElsewhere);
      const core::Node* node = machine.node(lease->node);
      if (node != nullptr && node->offer.id.value != 0 &&
          lease->device_hour < node->offer.device_hour) {
        world_.reach(Mark::kFormerPriceHonoured);
      }
    }
    if (event.has_lease_changed()) {
      const v1::LeaseChanged& changed = event.lease_changed();
      v1::LeaseState& state = states_[LeaseId(changed.lease())];
      if (changed.state() == v1::SUSPENDED && applied.command->has_tick()) {
        world_.reach(Mark::kLeaseSuspendedBySilence);
      }
      if (changed.state() == v1::RUNNING && state == v1::SUSPENDED) {
        world_.reach(Mark::kSuspendedLeaseResumed);
      }
      state = changed.state();
    }
    if (event.has_task_changed() && event.task_changed().retry_at_us() > 0) {
      const core::Lease* lease = machine.lease(LeaseId(event.task_changed().lease()));
      if (lease != nullptr && lease->fenced_at.us > 0) world_.reach(Mark::kRetryWaitsForFence);
    }
    if (event.has_checkpoint_taken()) see_checkpoint(event.checkpoint_taken());
    if (event.has_lease_ended()) see_lease_ended(event.lease_ended(), applied);
    if (event.has_spot_priced() && event.spot_priced().leases() > 0 &&
        event.spot_priced().losing_micros() == event.spot_priced().price_micros()) {
      world_.reach(Mark::kSpotPriceAboveFloor);
    }
    if (event.has_lease_changed() && event.lease_changed().state() == v1::STOPPING) {
      const core::Lease* lease = machine.lease(LeaseId(event.lease_changed().lease()));
      const core::Order* claimant = lease == nullptr ? nullptr : machine.order(lease->claimant);
      if (claimant != nullptr && claimant->requirements.tier() == v1::SPOT) {
        world_.reach(Mark::kSpotOutbid);
      }
    }
    if (event.has_payout_settled() && !event.payout_settled().paid()) {
      world_.reach(Mark::kPayoutReturned);
    }
    if (event.has_transferred() && event.transferred().reason() == v1::RELEASED) {
      world_.reach(Mark::kEarningsReleased);
    }
  }
}

// What the renter agreed to beside.
void Watch::see_extended(const v1::OrderExtended& extended) {
  world_.reach(Mark::kOrderExtended);
  const auto bound = bounds_.find(names_[extended.order()]);
  if (bound == bounds_.end()) return;
  Bound& limits = bound->second;
  if (limits.budget_micros_max > 0) limits.budget_micros_max += extended.added_micros();
  if (limits.quote_micros > 0) limits.quote_micros += extended.added_micros();
}

void Watch::see_checkpoint(const v1::CheckpointTaken& taken) {
  world_.reach(Mark::kCheckpointTaken);
  const SimCheckpoint next = checkpoint_of(taken.manifest());
  SimCheckpoint& last = checkpoints_[{taken.order(), taken.task()}];
  if (next.order != taken.order() || next.task != taken.task() ||
      next.lease.value != taken.lease() || next <= last) {
    world_.fail(
        fmt::format("lease {} brought a checkpoint of lease {} that is not after that of {}",
                    taken.lease(), next.lease.value, last.lease.value));
  }
  last = next;
}

void Watch::see_lease_ended(const v1::LeaseEnded& ended, const engine::Applied& applied) {
  const LeaseId lease(ended.lease());
  see_paid(ended);
  ++endings_[ended.reason()];
  if (ended.reason() == v1::HOST_LOST) {
    if (applied.command->has_tick()) world_.reach(Mark::kLeaseClosedBySilence);
  } else {
    world_.reach(mark_of(ended.reason()));
  }
  if (states_[lease] == v1::STOPPING && applied.command->has_tick()) {
    world_.reach(Mark::kStopNeverConfirmed);
  }
  if (ended.rerated_hour_micros() > 0) world_.reach(Mark::kTermRerated);
  ended_[lease] = Ended{world_.now(), ended.reason()};
  states_.erase(lease);
  sequences_.erase(lease);
  proven_.erase(lease);
  unpaid_.erase(lease);
}

void Watch::see_meters(const engine::Applied& applied) {
  for (const v1::WorkloadReport& report : applied.command->observe().workloads()) {
    const auto known = sequences_.find(LeaseId(report.lease()));
    if (known == sequences_.end() || report.meters_size() == 0) continue;
    if (report.meters(0).sequence() <= known->second) world_.reach(Mark::kDuplicateMeterIgnored);
  }
  for (const v1::Event& event : applied.events) {
    if (!event.has_meter_accepted()) continue;
    ++meters_;
    const v1::MeterAccepted& meter = event.meter_accepted();
    const LeaseId lease(meter.record().lease());
    sequences_[lease] = meter.record().sequence();
    proven_[lease] = Duration(meter.proven_us());
    const Duration ran = truth(lease);
    const Duration most = ran + Duration(ran.value / kDriftPartsMax) + kSlack;
    if (Duration(meter.proven_us()) > most) {
      world_.fail(fmt::format("lease {} proved {} us, but its process ran for {} us", lease.value,
                              meter.proven_us(), ran.value));
    }
  }
}

void Watch::see_refusal(const v1::Refused& refused) {
  switch (refused.code()) {
    case v1::QUOTE_GONE:
      return world_.reach(Mark::kQuoteGone);
    case v1::NO_FUNDS:
      return world_.reach(Mark::kNoFunds);
    case v1::OVER_BUDGET:
      return world_.reach(Mark::kOverBudget);
    case v1::NO_MATCH:
      return world_.reach(Mark::kNoMatch);
    default:
      return;
  }
}

}  // namespace fallow::sim
