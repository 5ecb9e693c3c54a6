#include "sim/sim_agent.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace fallow::sim {
namespace {

// step() is asked again while it has something to do at once; more often than this is a loop.
constexpr int kStepsAtOnceMax = 1'000;
// Often enough that most workloads save several.
constexpr Duration kCheckpointInterval = seconds(10);

}  // namespace

SimAgent::SimAgent(World& world, Watch& watch, SimNetwork& network, std::size_t index,
                   v1::NodeFacts facts)
    : world_(world),
      network_(network),
      index_(index),
      facts_(std::move(facts)),
      signer_(world.random()),
      clock_{world.now(), static_cast<std::int64_t>(world.random().below(201)) - 100},
      wall_off_(world.between(-minutes(30), minutes(30))),
      runtime_(world, watch, index, clock_,
               [this](const agent::RuntimeEvent& event) { tell(event); }) {
  network_.set_agent(index, this);
}

agent::Now SimAgent::now() const {
  return {Time{SimClock::kEpoch.us + world_.now().us} + wall_off_, clock_.at(world_.now())};
}

void SimAgent::join(NodeId node) {
  node_ = node;
  quit_ = false;
  disk_.clear();
  same_boot_ = true;
  start();
}

void SimAgent::start() {
  ++life_;
  agent::SessionOptions options;
  options.node = node_;
  options.facts = facts_;
  reconciler_ = std::make_unique<agent::Reconciler>(std::move(options), signer_, world_.random(),
                                                    kCheckpointInterval);
  // As the agent's edge takes over what an earlier one left.
  std::vector<agent::WorkloadRecord> records;
  std::vector<agent::RuntimeEvent> meanwhile;
  for (const auto& [lease, bytes] : disk_) {
    auto record = agent::decode_record(bytes);
    if (!record) return world_.fail("a stored record is damaged: " + record.error().message);
    if (!same_boot_) record->fence_at = {};
    if (record->is_live()) {
      const auto events = runtime_.seen(lease);
      if (same_boot_ && !events.empty()) {
        record->fence_at = runtime_.fence_of(lease);
        if (record->fence_at > now().monotonic) world_.reach(Mark::kReadopted);
        meanwhile.insert(meanwhile.end(), events.begin(), events.end());
      } else if (same_boot_ && record->phase == agent::Phase::kStarting) {
        record->phase = agent::Phase::kPreparing;
      } else {
        meanwhile.emplace_back(
            agent::Exited{lease, Time{}, agent::ExitCause::kLost, 0, 0, "it was gone"});
      }
    }
    records.push_back(*std::move(record));
  }
  same_boot_ = true;
  reconciler_->adopt(std::move(records), meanwhile, now());
  reconciler_->set_owner(owner_, now());
  act();
}

void SimAgent::died() {
  ++life_;
  reconciler_.reset();
  waiting_.clear();
  waiting_events_.clear();
  frozen_until_ = Time{};
  wake_at_ = Time{};
  runtime_.agent_died();
  if (connection_ != 0) network_.close_by_agent(std::exchange(connection_, 0));
}

void SimAgent::crash(Duration down) {
  if (!is_running()) return;
  world_.reach(Mark::kAgentCrashed);
  died();
  world_.after(down, [this, life = life_] {
    if (life == life_) start();
  });
}

void SimAgent::reboot(Duration down) {
  if (!is_running()) return;
  world_.reach(Mark::kMachineRebooted);
  died();
  runtime_.lose_power();
  same_boot_ = false;
  world_.after(down, [this, life = life_] {
    if (life != life_) return;
    clock_.booted = world_.now();
    start();
  });
}

void SimAgent::freeze(Duration how_long) {
  if (!is_running() || frozen_until_ > world_.now()) return;
  world_.reach(Mark::kAgentFrozen);
  frozen_until_ = world_.now() + how_long;
  world_.at(frozen_until_, [this, life = life_] {
    if (life != life_) return;
    frozen_until_ = Time{};
    // What has waited comes in one go, as the agent's edge takes it: workloads first.
    const auto events = std::exchange(waiting_events_, {});
    const auto waiting = std::exchange(waiting_, {});
    for (const agent::RuntimeEvent& event : events) reconciler_->happened(event, now());
    for (const auto& what : waiting) what();
    act();
  });
}

void SimAgent::set_owner(v1::OwnerState owner) {
  owner_ = owner;
  deliver([this] { reconciler_->set_owner(owner_, now()); });
}

void SimAgent::send_garbage() {
  if (!is_running() || connection_ == 0) return;
  world_.reach(Mark::kGarbageRefused);
  network_.send_to_server(connection_, std::string(7, '\xff'));
}

bool SimAgent::is_clean() const {
  return reconciler_ == nullptr ? quit_ : reconciler_->workloads().empty();
}

void SimAgent::deliver(std::function<void()> what) {
  if (!is_running()) return;
  if (frozen_until_ > world_.now()) {
    waiting_.push_back(std::move(what));
    return;
  }
  what();
  act();
}

void SimAgent::tell(const agent::RuntimeEvent& event) {
  if (is_running() && frozen_until_ > world_.now()) {
    waiting_events_.push_back(event);
  } else {
    deliver([this, event] { reconciler_->happened(event, now()); });
  }
}

void SimAgent::link_opened(ConnectionId id) {
  if (id != connection_) return;
  deliver([this, id] {
    if (id == connection_) reconciler_->link_opened(now());
  });
}

void SimAgent::link_received(ConnectionId id, const std::string& bytes) {
  if (id != connection_) return;
  deliver([this, id, bytes] {
    v1::HubMessage message;
    if (id != connection_) return;
    if (!message.ParseFromString(bytes)) return world_.fail("the hub sent bytes that do not parse");
    reconciler_->received(message, now());
  });
}

void SimAgent::link_closed(ConnectionId id) {
  if (id != connection_) return;
  deliver([this, id] {
    if (id != connection_) return;
    connection_ = 0;
    reconciler_->link_closed(now());
  });
}

void SimAgent::act() {
  for (int i = 0; i < kStepsAtOnceMax; ++i) {
    if (!is_running()) return;
    for (agent::Action& action : reconciler_->step(now())) {
      if (!perform(action)) return;
    }
    if (quit_ && reconciler_->workloads().empty()) return died();
    if (reconciler_->next_deadline() > now().monotonic) return plan_wake();
  }
  world_.fail(fmt::format("agent {} has something to do at once, for ever", index_));
}

bool SimAgent::perform(agent::Action& action) {
  // What is seldom asked for is to fail often enough to be seen.
  const bool is_common = std::holds_alternative<agent::Persist>(action) ||
                         std::holds_alternative<agent::Send>(action) ||
                         std::holds_alternative<agent::ExtendFence>(action);
  if (world_.fault_in(is_common ? 3'000 : 60)) {
    world_.reach(Mark::kAgentCrashedMidway);
    crash(world_.between(milliseconds(100), seconds(10)));
    return false;
  }
  if (const auto* persist = std::get_if<agent::Persist>(&action)) {
    disk_[persist->record.lease()] = agent::encode_record(persist->record);
  } else if (const auto* prepare = std::get_if<agent::Prepare>(&action)) {
    runtime_.prepare(prepare->desired);
  } else if (const auto* start = std::get_if<agent::Start>(&action)) {
    runtime_.start(start->desired, start->fence_at);
  } else if (const auto* extend = std::get_if<agent::ExtendFence>(&action)) {
    runtime_.extend(extend->lease, extend->fence_at);
  } else if (const auto* suspend = std::get_if<agent::Suspend>(&action)) {
    runtime_.suspend(suspend->lease);
  } else if (const auto* resume = std::get_if<agent::Resume>(&action)) {
    runtime_.resume(resume->lease);
  } else if (const auto* stop = std::get_if<agent::Stop>(&action)) {
    runtime_.stop(stop->lease);
  } else if (const auto* save = std::get_if<agent::Save>(&action)) {
    runtime_.save(save->lease);
  } else if (const auto* kill = std::get_if<agent::Kill>(&action)) {
    runtime_.kill(kill->lease);
  } else if (const auto* collect = std::get_if<agent::Collect>(&action)) {
    const auto found = reconciler_->workloads().find(collect->lease);
    if (found != reconciler_->workloads().end()) {
      runtime_.collect(*collect, found->second.record.desired);
    }
  } else if (const auto* forget = std::get_if<agent::Forget>(&action)) {
    runtime_.forget(forget->lease);
    disk_.erase(forget->lease);
  } else if (std::get_if<agent::Connect>(&action) != nullptr) {
    if (connection_ != 0) network_.close_by_agent(connection_);
    connection_ = network_.dial(index_);
  } else if (std::get_if<agent::Disconnect>(&action) != nullptr) {
    network_.close_by_agent(std::exchange(connection_, 0));
    reconciler_->link_closed(now());
  } else if (const auto* send = std::get_if<agent::Send>(&action)) {
    network_.send_to_server(connection_, send->message.SerializeAsString());
  } else if (std::get_if<agent::Quit>(&action) != nullptr) {
    quit_ = true;
  }
  return true;
}

void SimAgent::plan_wake() {
  const Time deadline = reconciler_->next_deadline();
  if (deadline == agent::kNever) return;
  const Time at = clock_.world_at(deadline);
  if (wake_at_ > world_.now() && wake_at_ <= at) return;
  wake_at_ = at;
  world_.at(at, [this, at, life = life_] {
    if (life != life_ || at != wake_at_) return;
    wake_at_ = Time{};
    deliver([] {});
  });
}

}  // namespace fallow::sim
