#include "sim/sim_runtime.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/check.h"

namespace fallow::sim {
namespace {

constexpr std::array<std::string_view, kBehaviours> kKinds = {
    "done",       "fails",    "crashes", "hangs",     "eats",
    "fills-disk", "stubborn", "nostart", "bad-input", "no-output"};
constexpr Duration kForever = hours(24 * 365);

Behaviour behaviour_of(const v1::Workload& workload) {
  const auto kind = std::find(kKinds.begin(), kKinds.end(), workload.command(1));
  FALLOW_CHECK(kind != kKinds.end(), "no behaviour is called {}", workload.command(1));
  return static_cast<Behaviour>(kind - kKinds.begin());
}

Duration runs_of(const v1::Workload& workload) {
  switch (behaviour_of(workload)) {
    case Behaviour::kHangs:
    case Behaviour::kStubborn:
      return kForever;
    default:
      return milliseconds(std::stoll(workload.command(2)));
  }
}

}  // namespace

v1::Workload workload_of(Behaviour behaviour, Duration runs) {
  v1::Workload workload;
  workload.add_command("sim");
  workload.add_command(std::string(kKinds[static_cast<std::size_t>(behaviour)]));
  workload.add_command(std::to_string(runs.value / 1'000));
  workload.set_collect_output(true);
  return workload;
}

Time MachineClock::at(Time world) const {
  const std::int64_t up = (world - booted).value;
  return Time{seconds(1).value + up + up / 1'000'000 * drift_ppm};
}

Time MachineClock::world_at(Time monotonic) const {
  // Found by steps from a first guess: the drift is small.
  const std::int64_t up = monotonic.us - seconds(1).value;
  Time world = booted + Duration(up - up / 1'000'000 * drift_ppm - 2'000'000);
  while (at(world) < monotonic) {
    world = world + std::max(monotonic - at(world), microseconds(1));
  }
  return world;
}

void SimRuntime::tell_later(agent::RuntimeEvent event) {
  world_.after(microseconds(200), [this, event = std::move(event), generation = generation_] {
    if (generation == generation_) tell_(event);
  });
}

void SimRuntime::prepare(const v1::DesiredLease& desired) {
  const LeaseId lease(desired.lease());
  const Behaviour behaviour = behaviour_of(desired.workload());
  agent::RuntimeEvent answer = agent::Prepared{lease};
  if (behaviour == Behaviour::kBadInput) {
    answer = agent::PrepareFailed{lease, v1::INPUT_INVALID, "the input is not what it should be"};
  } else if (world_.fault_in(60)) {
    answer = agent::PrepareFailed{lease, v1::START_FAILED, "there is no room on the disk"};
  }
  // Once in a while the input takes longer than the market waits for a start.
  const Duration wait = world_.fault_in(100) ? world_.between(minutes(2), minutes(6))
                                             : world_.between(milliseconds(20), seconds(5));
  world_.after(wait, [this, answer = std::move(answer), generation = generation_] {
    if (generation == generation_) tell_(answer);
  });
}

void SimRuntime::start(const v1::DesiredLease& desired, Time fence_at) {
  const LeaseId lease(desired.lease());
  Process& process = processes_[lease];
  if (process.alive) return world_.fail(fmt::format("lease {} was started twice", lease.value));
  process = Process{};
  process.desired = desired;
  process.fence_at = fence_at;
  if (behaviour_of(desired.workload()) == Behaviour::kNoStart || world_.fault_in(100)) {
    process.seen.emplace_back(agent::Exited{lease, clock_.at(world_.now()),
                                            agent::ExitCause::kStartFailed, 0, 0,
                                            "the sandbox could not be made"});
    return tell_later(process.seen.back());
  }
  process.alive = true;
  process.left = runs_of(desired.workload());
  process.since = world_.now();
  watch_.process_started(agent_, desired);
  process.seen.emplace_back(agent::Started{lease, clock_.at(world_.now())});
  tell_later(process.seen.back());
  plan_end(lease, process);
  plan_fence(lease, process);
}

void SimRuntime::plan_end(LeaseId lease, Process& process) {
  const std::uint64_t plan = ++process.plan;
  if (process.suspended || process.left >= kForever) return;
  world_.after(process.left, [this, lease, plan] {
    const auto found = processes_.find(lease);
    if (found == processes_.end() || !found->second.alive || found->second.plan != plan) return;
    Process& there = found->second;
    switch (behaviour_of(there.desired.workload())) {
      case Behaviour::kFails:
        return ended(lease, there, agent::ExitCause::kExited, 1, 0);
      case Behaviour::kCrashes:
        return ended(lease, there, agent::ExitCause::kExited, 0, 11);
      case Behaviour::kEats:
        return ended(lease, there, agent::ExitCause::kOutOfMemory, 0, 9);
      case Behaviour::kFillsDisk:
        return ended(lease, there, agent::ExitCause::kDiskFull, 0, 9);
      default:
        return ended(lease, there, agent::ExitCause::kExited, 0, 0);
    }
  });
}

void SimRuntime::plan_fence(LeaseId lease, Process& process) {
  const Time fence_at = process.fence_at;
  world_.at(clock_.world_at(fence_at), [this, lease, fence_at] {
    const auto found = processes_.find(lease);
    if (found == processes_.end() || !found->second.alive || found->second.fence_at != fence_at) {
      return;
    }
    world_.reach(Mark::kAgentFenced);
    ended(lease, found->second, agent::ExitCause::kFenced, 0, 9);
  });
}

void SimRuntime::ended(LeaseId lease, Process& process, agent::ExitCause cause, int exit_code,
                       int signal) {
  process.alive = false;
  ++process.plan;
  watch_.process_ended(lease);
  process.seen.emplace_back(
      agent::Exited{lease, clock_.at(world_.now()), cause, exit_code, signal, ""});
  tell_later(process.seen.back());
}

void SimRuntime::extend(LeaseId lease, Time fence_at) {
  const auto found = processes_.find(lease);
  if (found == processes_.end() || !found->second.alive) return;
  found->second.fence_at = fence_at;
  plan_fence(lease, found->second);
}

void SimRuntime::suspend(LeaseId lease) {
  const auto found = processes_.find(lease);
  if (found == processes_.end() || !found->second.alive || found->second.suspended) return;
  Process& process = found->second;
  world_.reach(Mark::kOwnerSuspended);
  process.suspended = true;
  process.left -= std::min(process.left, world_.now() - process.since);
  watch_.process_suspended(lease, true);
  plan_end(lease, process);
}

void SimRuntime::resume(LeaseId lease) {
  const auto found = processes_.find(lease);
  if (found == processes_.end() || !found->second.alive || !found->second.suspended) return;
  Process& process = found->second;
  process.suspended = false;
  process.since = world_.now();
  watch_.process_suspended(lease, false);
  plan_end(lease, process);
}

void SimRuntime::stop(LeaseId lease) {
  resume(lease);
  const auto found = processes_.find(lease);
  if (found == processes_.end() || !found->second.alive) return;
  if (behaviour_of(found->second.desired.workload()) == Behaviour::kStubborn) return;
  world_.after(world_.between(milliseconds(1), seconds(3)), [this, lease] {
    const auto there = processes_.find(lease);
    if (there == processes_.end() || !there->second.alive) return;
    ended(lease, there->second, agent::ExitCause::kExited, 0, 15);
  });
}

void SimRuntime::kill(LeaseId lease) {
  const auto found = processes_.find(lease);
  if (found == processes_.end()) return;
  world_.after(milliseconds(2), [this, lease] {
    const auto there = processes_.find(lease);
    if (there == processes_.end() || !there->second.alive) return;
    if (behaviour_of(there->second.desired.workload()) == Behaviour::kStubborn) {
      world_.reach(Mark::kKilledAfterGrace);
    }
    ended(lease, there->second, agent::ExitCause::kExited, 0, 9);
  });
}

void SimRuntime::save(LeaseId lease) { plan_save(lease, false); }

void SimRuntime::plan_save(LeaseId lease, bool is_last) {
  const auto found = processes_.find(lease);
  if (found == processes_.end()) return;
  Process& process = found->second;
  agent::Saved answer{lease, "", is_last};
  if (!world_.fault_in(10)) {
    answer.manifest =
        checkpoint_of({process.desired.order(), process.desired.task(), lease, ++process.saves});
  }
  const std::uint64_t plan = is_last ? ++process.save_plan : process.save_plan;
  world_.after(world_.between(milliseconds(5), seconds(3)),
               [this, plan, answer = std::move(answer), generation = generation_] {
                 const auto there = processes_.find(answer.lease);
                 if (generation != generation_ || there == processes_.end()) return;
                 if (there->second.save_plan == plan) tell_(answer);
               });
}

void SimRuntime::collect(const agent::Collect& collect, const v1::DesiredLease& desired) {
  const LeaseId lease = collect.lease;
  if (collect.checkpoint) plan_save(lease, true);
  agent::RuntimeEvent answer = agent::Collected{lease, std::string(32, 'o')};
  if (behaviour_of(desired.workload()) == Behaviour::kNoOutput) {
    answer = agent::CollectFailed{lease, v1::DISK_LIMIT, "the outputs are too large"};
  }
  // After the last saving, as the agent's edge tells it.
  const Duration least = collect.checkpoint ? seconds(3) + milliseconds(1) : milliseconds(5);
  world_.after(world_.between(least, least + seconds(2)),
               [this, answer = std::move(answer), generation = generation_] {
                 if (generation == generation_) tell_(answer);
               });
}

void SimRuntime::forget(LeaseId lease) {
  const auto found = processes_.find(lease);
  if (found == processes_.end()) return;
  if (found->second.alive) watch_.process_ended(lease);
  processes_.erase(found);
}

std::vector<agent::RuntimeEvent> SimRuntime::seen(LeaseId lease) const {
  const auto found = processes_.find(lease);
  return found == processes_.end() ? std::vector<agent::RuntimeEvent>() : found->second.seen;
}

Time SimRuntime::fence_of(LeaseId lease) const {
  const auto found = processes_.find(lease);
  return found == processes_.end() ? Time{} : found->second.fence_at;
}

void SimRuntime::lose_power() {
  ++generation_;
  for (auto& [lease, process] : processes_) {
    if (process.alive) watch_.process_ended(lease);
  }
  processes_.clear();
}

}  // namespace fallow::sim
