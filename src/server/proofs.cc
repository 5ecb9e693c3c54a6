#include "server/proofs.h"

#include <algorithm>

#include "core/proofs.h"
#include "proof/keyed_stream.h"
#include "server/proof_plan.h"

namespace fallow::server {

Proofs::Proofs(HubPort& port, const Clock& clock, Random& random, std::mutex& mutex,
               ProofLimits limits)
    : port_(port), clock_(clock), random_(random), mutex_(mutex), limits_(limits) {}

// Between half of it and half as much again.
void Proofs::plan(NodeId node, Duration about) {
  Peer& peer = peers_.at(node);
  due_.erase({peer.due_at, node});
  if (interval_ <= Duration()) return;
  const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>(about.value, 1));
  peer.due_at = clock_.monotonic() + Duration(about.value / 2) +
                Duration(static_cast<std::int64_t>(random_.below(spread)));
  due_.insert({peer.due_at, node});
}

void Proofs::set_interval(Duration interval) {
  if (interval == interval_) return;
  interval_ = interval;
  for (const auto& [node, peer] : peers_) plan(node, limits_.first_max);
}

void Proofs::opened(NodeId node, AccountId provider, SessionId session) {
  closed(node);
  peers_[node] = {.session = session, .provider = provider};
  by_provider_.insert({provider, node});
  plan(node, limits_.first_max);
}

void Proofs::closed(NodeId node) {
  const auto peer = peers_.find(node);
  if (peer == peers_.end()) return;
  due_.erase({peer->second.due_at, node});
  by_provider_.erase({peer->second.provider, node});
  peers_.erase(peer);
  const auto run = runs_.find(node);
  if (run == runs_.end()) return;
  // What a job judges at this moment is told by the job.
  for (Seat& seat : run->second.seats) {
    seat.waiting.reset();
    if (!seat.judging) seat.exam->miss("the node's connection ended");
  }
  finish_if_over(node);
}

void Proofs::tick() {
  const Time now = clock_.monotonic();
  std::erase_if(pending_,
                [&](const auto& one) { return now - one.second.since > limits_.start_wait_max; });
  std::vector<NodeId> running;
  for (const auto& [node, run] : runs_) running.push_back(node);
  for (const NodeId node : running) {
    Run& run = runs_.at(node);
    for (std::size_t device = 0; device < run.seats.size(); ++device) {
      Seat& seat = run.seats[device];
      if (seat.waiting) {
        judge(node, run.proof, device);
      } else if (!seat.judging && !seat.exam->is_over() && now > seat.exam->deadline()) {
        seat.exam->miss("no answer came in time");
      }
    }
    finish_if_over(node);
  }
  if (reading_ || due_.empty() || due_.begin()->first > now) return;
  reading_ = port_.read([this](const core::Machine& machine) {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    begin_round(machine);
  });
}

// Who is due, the others of their providers, and some that chance names.
std::set<NodeId> Proofs::choose_round() {
  const Time now = clock_.monotonic();
  std::set<NodeId> round;
  std::set<AccountId> providers;
  while (!due_.empty() && due_.begin()->first <= now && round.size() < limits_.round_max) {
    const NodeId node = due_.begin()->second;
    plan(node, limits_.idle);  // a proof that ends plans anew
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
  const std::uint64_t least = peers_.begin()->first.value;
  const std::uint64_t spread = peers_.rbegin()->first.value - least + 1;
  for (std::size_t i = 0; i < limits_.strangers && round.size() < limits_.round_max; ++i) {
    round.insert(peers_.lower_bound(NodeId(least + random_.below(spread)))->first);
  }
  return round;
}

void Proofs::begin_round(const core::Machine& machine) {
  if (peers_.empty()) return;
  for (const NodeId node : choose_round()) {
    const core::Node* const known = machine.node(node);
    const bool idle = known != nullptr && known->connected && known->leases.empty() &&
                      known->owner == v1::OWNER_AWAY && !known->devices.empty();
    if (idle && runs_.size() + pending_.size() < limits_.runs_max) begin(node);
  }
}

void Proofs::begin(NodeId node) {
  if (runs_.contains(node) || pending_.contains(node)) return;
  Pending pending{.since = clock_.monotonic()};
  random_.fill(pending.seed);
  v1::Command command;
  command.mutable_start_proof()->set_node(node.value);
  command.mutable_start_proof()->set_seed(to_bytes(pending.seed));
  const bool taken = port_.submit(std::move(command), [this, node](bool durable) {
    if (durable) return;
    const std::lock_guard lock(mutex_);
    pending_.erase(node);
  });
  if (taken) pending_[node] = pending;
}

void Proofs::started(const v1::ProofStarted& event, const core::Machine& machine) {
  const NodeId id(event.node());
  const auto pending = pending_.find(id);
  const core::Node* const node = machine.node(id);
  if (pending == pending_.end() || node == nullptr) return;
  const Digest seed = pending->second.seed;
  pending_.erase(pending);
  if (runs_.contains(id)) return;
  Run& run = runs_[id];
  run.proof = ProofId(event.proof());
  for (std::size_t i = 0; i < node->devices.size(); ++i) {
    Seat& seat = run.seats.emplace_back();
    seat.exam = std::make_shared<proof::Exam>(plan_for(node->devices[i].facts), seed, event.proof(),
                                              static_cast<std::uint32_t>(i));
  }
  if (!peers_.contains(id)) {
    for (Seat& seat : run.seats) seat.exam->miss("the node's connection ended");
    return finish_if_over(id);
  }
  for (Seat& seat : run.seats) ask(id, seat);
}

void Proofs::ask(NodeId node, Seat& seat) {
  v1::HubMessage message;
  *message.mutable_proof_ask() = seat.exam->ask(clock_.monotonic());
  port_.send(peers_.at(node).session, message);
}

Proofs::Run* Proofs::find(NodeId node, ProofId proof) {
  const auto run = runs_.find(node);
  return run == runs_.end() || run->second.proof != proof ? nullptr : &run->second;
}

void Proofs::answered(NodeId node, v1::ProofAnswer answer) {
  Run* const run = find(node, ProofId(answer.proof()));
  if (run == nullptr || answer.device() >= run->seats.size()) return;  // late, or of another proof
  Seat& seat = run->seats[answer.device()];
  if (seat.judging || seat.waiting || seat.exam->is_over()) return;
  const std::size_t device = answer.device();
  seat.waiting = std::move(answer);
  seat.came_at = clock_.monotonic();
  judge(node, run->proof, device);
}

// Where the workers are busy, tick() tries again: the answer's time has been taken.
void Proofs::judge(NodeId node, ProofId proof, std::size_t device) {
  Seat& seat = runs_.at(node).seats[device];
  const bool taken = port_.work([this, node, proof, device, exam = seat.exam,
                                 answer = *seat.waiting, came_at = seat.came_at] {
    exam->judge(answer, came_at);
    const std::lock_guard lock(mutex_);
    judged(node, proof, device);
  });
  if (!taken) return;
  seat.judging = true;
  seat.waiting.reset();
}

void Proofs::judged(NodeId node, ProofId proof, std::size_t device) {
  Run* const run = find(node, proof);
  if (run == nullptr) return;
  Seat& seat = run->seats[device];
  seat.judging = false;
  if (!peers_.contains(node)) {
    seat.exam->miss("the node's connection ended");
  } else if (!seat.exam->is_over()) {
    return ask(node, seat);
  }
  finish_if_over(node);
}

void Proofs::finish_if_over(NodeId node) {
  const auto found = runs_.find(node);
  Run& run = found->second;
  if (run.handed_in || std::any_of(run.seats.begin(), run.seats.end(), [](const Seat& seat) {
        return seat.judging || !seat.exam->is_over();
      })) {
    return;
  }
  v1::Command command;
  v1::FinishProof& finish = *command.mutable_finish_proof();
  finish.set_node(node.value);
  finish.set_proof(run.proof.value);
  bool again = false;  // a miss or a slow answer may be a stall of the network
  for (const Seat& seat : run.seats) {
    *finish.add_results() = seat.exam->result();
    const v1::ProofOutcome outcome = seat.exam->result().outcome();
    again = again || outcome == v1::PROOF_MISSED || outcome == v1::PROOF_SLOW;
  }
  const auto peer = peers_.find(node);
  if (peer != peers_.end()) {
    peer->second.failures = again ? peer->second.failures + 1 : 0;
    const bool soon = again && peer->second.failures < core::kProofMissesMax;
    plan(node, soon ? limits_.retry_max : std::max(interval_, limits_.idle));
    // The device may let go of what it holds.
    for (std::size_t device = 0; device < run.seats.size(); ++device) {
      v1::HubMessage over;
      over.mutable_proof_ask()->set_proof(run.proof.value);
      over.mutable_proof_ask()->set_device(static_cast<std::uint32_t>(device));
      over.mutable_proof_ask()->set_step(v1::PROOF_OVER);
      port_.send(peer->second.session, over);
    }
  }
  run.handed_in = port_.submit(std::move(command), [this, node, proof = run.proof](bool durable) {
    const std::lock_guard lock(mutex_);
    Run* const done = find(node, proof);
    if (done == nullptr) return;
    if (durable) runs_.erase(node);
    if (!durable) done->handed_in = false;  // tick() hands it in again
  });
}

}  // namespace fallow::server
