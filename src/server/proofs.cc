#include "server/proofs.h"

#include <algorithm>

#include "core/proofs.h"
#include "proof/keyed_stream.h"
#include "server/proof_plan.h"

namespace fallow::server {

namespace {

constexpr const char* kGone = "the node's connection ended";

}  // namespace

Proofs::Proofs(HubPort& port, const Clock& clock, Random& random, std::mutex& mutex,
               ProofLimits limits)
    : port_(port), clock_(clock), random_(random), mutex_(mutex), limits_(limits) {}

// Between half of it and half as much again.
void Proofs::plan(NodeId node, Duration about, bool by_interval) {
  Peer& peer = peers_.at(node);
  peer.by_interval = by_interval;
  due_.erase({peer.due_at, node});
  if (interval_ <= Duration()) return;
  const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>(about.value, 1));
  peer.due_at = clock_.monotonic() + Duration(about.value / 2) +
                Duration(static_cast<std::int64_t>(random_.below(spread)));
  due_.insert({peer.due_at, node});
}

void Proofs::set_interval(Duration interval) {
  if (interval == interval_ || stopped_) return;
  interval_ = interval;
  for (const auto& [node, peer] : peers_) plan(node, limits_.first_max, false);
}

void Proofs::opened(NodeId node, AccountId provider, SessionId session) {
  closed(node);
  peers_[node] = {.session = session, .provider = provider};
  by_provider_.insert({provider, node});
  plan(node, limits_.first_max, false);
}

void Proofs::lease_ended(NodeId node, std::span<const std::uint32_t> devices) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  const Time now = clock_.monotonic();
  peer.settled_at = now + limits_.idle;
  bool was_left_out = false;
  for (const std::uint32_t device : devices) {
    peer.settled[device] = peer.settled_at;
    was_left_out = peer.left_out.erase(device) > 0 || was_left_out;
  }
  if (!was_left_out) return;
  const auto run = runs_.find({node, LeaseId()});
  if (run != runs_.end()) run->second.leaves_idle_out = true;
  if (peer.due_at > peer.settled_at + limits_.idle) plan(node, limits_.idle + limits_.idle, false);
}

void Proofs::shut_down() {
  stopped_ = true;
  interval_ = Duration();
  due_.clear();
  pending_.clear();
  drawn_.clear();
  runs_.clear();  // what a job judges finds no run
}

void Proofs::closed(NodeId node) {
  const auto peer = peers_.find(node);
  if (peer == peers_.end()) return;
  due_.erase({peer->second.due_at, node});
  by_provider_.erase({peer->second.provider, node});
  peers_.erase(peer);
  for (const auto& [on, proof] : running_on(node)) {
    Run& run = *find(on, proof);
    if (!run.asked) continue;  // its lease may become ready after the next connection
    // What a job judges at this moment is told by the job.
    for (auto& [device, seat] : run.seats) {
      seat.waiting.reset();
      if (!seat.judging) seat.exam->miss(kGone);
    }
    finish_if_over(run);
  }
}

void Proofs::tick() {
  const Time now = clock_.monotonic();
  std::erase_if(pending_,
                [&](const auto& one) { return now - one.second.since > limits_.start_wait_max; });
  std::vector<RunKey> running;
  for (const auto& [key, run] : runs_) running.push_back(key);
  for (const RunKey& key : running) {
    Run& run = runs_.at(key);
    if (!run.asked) continue;
    for (auto& [device, seat] : run.seats) {
      if (seat.waiting) {
        judge(run, device);
      } else if (!seat.judging && !seat.exam->is_over() && now > seat.exam->deadline()) {
        seat.exam->miss("no answer came in time");
      }
    }
    finish_if_over(run);
  }
  if (reading_ || due_.empty() || due_.begin()->first > now) return;
  reading_ = port_.read([this](const core::Machine& machine) {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    begin_round(machine);
  });
}

// Who is due, the others of their providers, and some that chance names: those only where the
// interval began the round, so that nobody has others asked by connecting, or by missing.
std::set<NodeId> Proofs::choose_round() {
  const Time now = clock_.monotonic();
  std::set<NodeId> round;
  std::set<AccountId> providers;
  bool by_interval = false;
  while (!due_.empty() && due_.begin()->first <= now && round.size() < limits_.round_max) {
    const NodeId node = due_.begin()->second;
    by_interval = by_interval || peers_.at(node).by_interval;
    plan(node, limits_.idle, false);  // a proof that ends plans anew
    round.insert(node);
    providers.insert(peers_.at(node).provider);
  }
  for (const AccountId provider : providers) {
    for (auto next = by_provider_.lower_bound({provider, NodeId()});
         next != by_provider_.end() && next->first == provider && round.size() < limits_.round_max;
         ++next) {
      round.insert(next->second);
    }
  }
  if (by_interval) add_strangers(round);
  return round;
}

// By rank, so that each is as likely as any other: ids have gaps, and whoever has a gap before its
// own would be drawn for all of it.
void Proofs::add_strangers(std::set<NodeId>& round) {
  std::set<std::uint64_t> ranks;
  for (std::size_t i = 0; i < limits_.strangers; ++i) ranks.insert(random_.below(peers_.size()));
  std::uint64_t rank = 0;
  auto peer = peers_.begin();
  for (const std::uint64_t drawn : ranks) {
    if (round.size() >= limits_.round_max) return;
    for (; rank < drawn; ++rank) ++peer;
    round.insert(peer->first);
  }
}

// An agent that proves nothing beside leases clears up all of its devices, or none.
bool Proofs::is_settled(const core::Machine& machine, const core::Node& node,
                        std::uint32_t device) const {
  const auto peer = peers_.find(node.id);
  if (peer == peers_.end()) return true;
  const Time now = clock_.monotonic();
  if (!core::proves_beside_leases(machine.policy(), node)) return peer->second.settled_at <= now;
  const auto settled = peer->second.settled.find(device);
  return settled == peer->second.settled.end() || settled->second <= now;
}

std::vector<std::uint32_t> Proofs::devices_to_ask(const core::Machine& machine,
                                                  const core::Node& node) const {
  std::vector<std::uint32_t> devices = core::devices_to_prove(machine.policy(), node);
  std::erase_if(devices, [&](std::uint32_t device) { return !is_settled(machine, node, device); });
  return devices;
}

void Proofs::begin_round(const core::Machine& machine) {
  if (peers_.empty() || stopped_) return;
  for (const NodeId node : choose_round()) {
    const core::Node* const known = machine.node(node);
    if (known == nullptr) continue;
    const std::size_t devices = devices_to_ask(machine, *known).size();
    if (devices > 0 && has_room(devices)) begin(node, devices);
  }
}

bool Proofs::has_room(std::size_t devices) const {
  return runs_.size() + pending_.size() + drawn_.size() < limits_.runs_max &&
         devices_proving() + devices <= limits_.devices_max;
}

std::size_t Proofs::devices_proving() const {
  std::size_t devices = 0;
  for (const auto& [key, run] : runs_) devices += run.seats.size();
  for (const auto& [node, pending] : pending_) devices += pending.devices;
  for (const auto& [lease, drawn] : drawn_) devices += drawn.devices.size();
  return devices;
}

void Proofs::begin(NodeId node, std::size_t devices) {
  if (runs_.contains({node, LeaseId()}) || pending_.contains(node)) return;
  Pending pending{.since = clock_.monotonic(), .devices = devices};
  random_.fill(pending.seed);
  v1::Command command;
  command.mutable_start_proof()->set_node(node.value);
  command.mutable_start_proof()->set_seed(to_bytes(pending.seed));
  const Status taken = port_.submit(command, [this, node](const core::Machine* market) {
    if (market != nullptr) return;
    const std::lock_guard lock(mutex_);
    pending_.erase(node);
  });
  if (taken) pending_[node] = pending;
}

void Proofs::started(const v1::ProofStarted& event, const core::Machine& machine) {
  if (event.lease() != 0) return lease_started(event, machine);
  const NodeId id(event.node());
  const auto pending = pending_.find(id);
  const core::Node* const node = machine.node(id);
  if (pending == pending_.end() || node == nullptr) return;
  const Digest seed = pending->second.seed;
  pending_.erase(pending);
  const RunKey key(id, LeaseId());
  if (runs_.contains(key)) return;
  Run& run = runs_[key];
  run.node = id;
  run.proof = ProofId(event.proof());
  run.asked = true;
  for (const std::uint32_t device : devices_to_ask(machine, *node)) {
    run.seats[device].exam = std::make_shared<proof::Exam>(plan_for(node->devices[device].facts),
                                                           seed, event.proof(), device);
  }
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) {
    for (auto& [device, seat] : run.seats) seat.exam->miss(kGone);
    return finish_if_over(run);
  }
  run.session = peer->second.session;
  peer->second.left_out.clear();
  for (std::uint32_t device = 0; device < node->devices.size(); ++device) {
    if (run.seats.contains(device)) continue;
    peer->second.left_out.insert(device);
    run.leaves_idle_out = run.leaves_idle_out || !is_settled(machine, *node, device);
  }
  // A lease that came in between may leave nothing to ask.
  if (run.seats.empty()) return finish_if_over(run);
  ask_all(run);
}

void Proofs::ask_all(Run& run) {
  for (auto& [device, seat] : run.seats) ask(run, seat);
}

void Proofs::ask(const Run& run, Seat& seat) {
  v1::HubMessage message;
  *message.mutable_proof_ask() = seat.exam->ask(clock_.monotonic());
  message.mutable_proof_ask()->set_lease(run.lease.value);
  port_.send(run.session, message);
}

Proofs::Run* Proofs::find(NodeId node, ProofId proof) {
  const auto first = runs_.lower_bound({node, LeaseId()});
  for (auto run = first; run != runs_.end() && run->first.first == node; ++run) {
    if (run->second.proof == proof) return &run->second;
  }
  return nullptr;
}

std::vector<std::pair<NodeId, ProofId>> Proofs::running_on(NodeId node) const {
  std::vector<std::pair<NodeId, ProofId>> running;
  const auto first = runs_.lower_bound({node, LeaseId()});
  for (auto run = first; run != runs_.end() && run->first.first == node; ++run) {
    running.emplace_back(node, run->second.proof);
  }
  return running;
}

bool Proofs::is_present(const Run& run) const {
  const auto peer = peers_.find(run.node);
  return peer != peers_.end() && peer->second.session == run.session;
}

void Proofs::answered(NodeId node, v1::ProofAnswer answer) {
  Run* const run = find(node, ProofId(answer.proof()));
  if (run == nullptr) return;  // late, or of another proof
  const std::uint32_t device = answer.device();
  const auto found = run->seats.find(device);
  if (found == run->seats.end()) return;
  Seat& seat = found->second;
  // While a job judges, the exam is the job's.
  if (seat.judging || seat.waiting || !seat.exam->awaits(answer)) return;
  const std::size_t bytes = answer.ByteSizeLong();
  std::size_t held_bytes = bytes;
  for (const auto& [place, other] : run->seats) held_bytes += other.held_bytes;
  if (seat.exam->is_oversized(answer)) {
    seat.exam->refuse("the answer is larger than what was asked for");
  } else if (held_bytes > limits_.node_bytes_max) {
    seat.exam->miss("more answers of the node came at once than the market keeps");
  }
  if (seat.exam->is_over()) return finish_if_over(*run);
  seat.waiting = std::make_shared<const v1::ProofAnswer>(std::move(answer));
  seat.held_bytes = bytes;
  seat.came_at = clock_.monotonic();
  judge(*run, device);
}

// Where the workers are busy, tick() tries again: the answer's time has been taken.
void Proofs::judge(Run& run, std::uint32_t device) {
  Seat& seat = run.seats.at(device);
  const bool taken = port_.work([this, node = run.node, proof = run.proof, device, exam = seat.exam,
                                 answer = seat.waiting, came_at = seat.came_at] {
    const bool was_taken = exam->judge(*answer, came_at);
    const std::lock_guard lock(mutex_);
    judged(node, proof, device, was_taken);
  });
  if (!taken) return;
  seat.judging = true;
  seat.waiting.reset();
}

// Asks go on only after an answer that was taken: another ask begins another time.
void Proofs::judged(NodeId node, ProofId proof, std::uint32_t device, bool taken) {
  Run* const run = find(node, proof);
  if (run == nullptr) return;
  Seat& seat = run->seats.at(device);
  seat.judging = false;
  seat.held_bytes = 0;
  if (!is_present(*run)) {
    seat.exam->miss(kGone);
  } else if (!seat.exam->is_over()) {
    if (taken) ask(*run, seat);
    return;
  }
  finish_if_over(*run);
}

// Once a run: when the node is asked again, and that it may let go of what it holds.
void Proofs::close(Run& run) {
  run.closed = true;
  if (run.lease) return close_lease(run);
  const NodeId node = run.node;
  const auto peer = peers_.find(node);
  if (peer == peers_.end()) return;
  // A miss or a slow answer may be a stall of the network.
  const bool again = std::any_of(run.seats.begin(), run.seats.end(), [](const auto& one) {
    const v1::ProofOutcome outcome = one.second.exam->result().outcome();
    return outcome == v1::PROOF_MISSED || outcome == v1::PROOF_SLOW;
  });
  peer->second.failures = again ? peer->second.failures + 1 : 0;
  const bool soon = again && peer->second.failures < core::kProofMissesMax;
  if (run.leaves_idle_out) {
    plan(node, limits_.idle + limits_.idle, false);
  } else {
    plan(node, soon ? limits_.retry_max : std::max(interval_, limits_.idle), !soon);
  }
  if (!is_present(run)) return;
  for (const auto& [device, seat] : run.seats) {
    v1::HubMessage over;
    over.mutable_proof_ask()->set_proof(run.proof.value);
    over.mutable_proof_ask()->set_device(device);
    over.mutable_proof_ask()->set_step(v1::PROOF_OVER);
    port_.send(run.session, over);
  }
}

// Where the engine's queue is full, tick() hands the outcome in again.
void Proofs::finish_if_over(Run& run) {
  if (run.handed_in || std::any_of(run.seats.begin(), run.seats.end(), [](const auto& one) {
        return one.second.judging || !one.second.exam->is_over();
      })) {
    return;
  }
  if (!run.closed) close(run);
  v1::Command command;
  v1::FinishProof& finish = *command.mutable_finish_proof();
  finish.set_node(run.node.value);
  finish.set_proof(run.proof.value);
  finish.set_lease(run.lease.value);
  for (const auto& [device, seat] : run.seats) *finish.add_results() = seat.exam->result();
  const RunKey key(run.node, run.lease);
  const Status taken =
      port_.submit(command, [this, key, proof = run.proof](const core::Machine* market) {
        const std::lock_guard lock(mutex_);
        Run* const done = find(key.first, proof);
        if (done == nullptr) return;
        if (market != nullptr) {
          runs_.erase(key);
        } else {
          done->handed_in = false;
        }
      });
  run.handed_in = taken.has_value();
  // What the engine calls invalid it will never take: the market asks anew some time.
  if (!taken && taken.error().code == ErrorCode::kInvalid) runs_.erase(key);
}

}  // namespace fallow::server
