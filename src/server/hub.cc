#include "server/hub.h"

#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/meter_bytes.h"
#include "base/sealing.h"
#include "base/signing.h"

namespace fallow::server {
namespace {

constexpr std::string_view kHelloName = "fallow agent hello v1";

std::string nonce_of(Random& random, std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  random.fill(bytes);
  return {bytes.begin(), bytes.end()};
}

// A lease that runs is heard of with every meter record; one that is fetched for, or whose devices
// prove themselves, only so often. Two reports may be lost, or late.
constexpr std::int64_t kReportsPerSilence = 3;

bool meters_hold(const v1::Observed& observed, std::string_view node_key, std::size_t count_max,
                 VerifySignature verify) {
  const auto key = public_key_from_bytes(node_key);
  if (!key) return false;
  std::size_t count = 0;
  for (const v1::WorkloadReport& workload : observed.workloads()) {
    for (const v1::MeterRecord& record : workload.meters()) {
      if (++count > count_max || record.lease() != workload.lease()) return false;
      const std::string bytes = meter_bytes(
          *key, LeaseId(record.lease()), record.sequence(), Duration(record.running_us()),
          Time{record.measured_at_us()}, Duration(record.slowed_us()), record.egress_bytes());
      if (!verify(node_key, bytes, record.signature())) return false;
    }
  }
  return true;
}

bool is_open_on(const core::Machine& market, LeaseId id, NodeId node) {
  const core::Lease* const lease = market.lease(id);
  return lease != nullptr && core::is_open(*lease) && lease->node == node;
}

// The last record that counts. Nothing: none of the lease will count any more.
std::optional<std::uint32_t> meters_taken(const core::Machine& market, LeaseId id, NodeId node) {
  const core::Lease* const lease = market.lease(id);
  if (lease == nullptr || lease->node != node || !core::takes_meters(*lease)) return std::nullopt;
  return lease->meter_sequence;
}

// The node whose desired set the event may have changed.
void note_changed(const v1::Event& event, std::set<NodeId>& changed) {
  if (event.has_lease_placed()) changed.insert(NodeId(event.lease_placed().node()));
  if (event.has_lease_changed()) changed.insert(NodeId(event.lease_changed().node()));
  if (event.has_lease_extended()) changed.insert(NodeId(event.lease_extended().node()));
  if (event.has_lease_ended()) changed.insert(NodeId(event.lease_ended().node()));
  if (event.has_node_removed()) changed.insert(NodeId(event.node_removed().node()));
  if (event.has_device_checked() && event.device_checked().lease() != 0) {
    changed.insert(NodeId(event.device_checked().node()));
  }
}

}  // namespace

Hub::Hub(HubPort& port, const Clock& clock, Random& random, HubLimits limits,
         VerifySignature verify)
    : port_(port),
      clock_(clock),
      random_(random),
      limits_(limits),
      verify_(verify),
      proofs_(port, clock, random, mutex_, limits.proofs) {}

Hub::Session* Hub::find(SessionId id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

void Hub::opened(SessionId id) {
  const std::lock_guard lock(mutex_);
  if (sessions_.size() >= limits_.sessions_max) {
    v1::HubMessage message;
    message.mutable_goodbye()->set_code("busy");
    message.mutable_goodbye()->set_message(
        "the hub has as many connections as it may; try again later");
    port_.send(id, message);
    port_.close(id);
    return;
  }
  Session& session = sessions_[id];
  session.nonce = nonce_of(random_, 32);
  session.heard_at = clock_.monotonic();
  session.telemetry_at = session.heard_at - limits_.telemetry_pause;
  session.telemetry_minute_at = session.heard_at - limits_.telemetry_minute_pause;
  v1::HubMessage message;
  message.mutable_challenge()->set_nonce(session.nonce);
  port_.send(id, message);
}

void Hub::received(SessionId id, std::string_view bytes) {
  v1::AgentMessage message;
  const bool parsed = message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  // Signatures are checked before the lock is taken: they cost more than all the rest.
  std::string node_key;
  if (parsed && (message.has_observed() || message.has_secret_ask())) {
    const std::lock_guard lock(mutex_);
    if (const Session* session = find(id)) node_key = session->node_key;
  }
  const bool meters_good =
      !parsed || !message.has_observed() || node_key.empty() ||
      meters_hold(message.observed(), node_key, limits_.meters_per_message_max, verify_);
  // One that nobody could take for the node's would only hold up who hands over the others.
  const bool ask_good = !parsed || !message.has_secret_ask() || node_key.empty() ||
                        verify_(node_key,
                                secret_ask_bytes(LeaseId(message.secret_ask().lease()),
                                                 message.secret_ask().public_key()),
                                message.secret_ask().signature());

  const std::lock_guard lock(mutex_);
  Session* session = find(id);
  if (session == nullptr || session->stage == Stage::kLeaving) return;
  session->heard_at = clock_.monotonic();
  if (!parsed) {
    say_goodbye(id, *session, "protocol", "the message is not one of the agent's protocol");
  } else if (message.has_hello() && session->stage == Stage::kChallenged) {
    prove(id, *session, message.hello());
  } else if (session->stage != Stage::kOpen) {
    say_goodbye(id, *session, "protocol", "the first message must be one Hello");
  } else if (message.has_observed() && meters_good) {
    observed(id, *session, message.observed());
  } else if (message.has_observed()) {
    say_goodbye(id, *session, "protocol",
                "a meter record is not signed by this node's key, or there are too many at once");
  } else if (message.has_log_chunk()) {
    log_chunk(id, *session, std::move(*message.mutable_log_chunk()));
  } else if (message.has_secret_ask()) {
    if (!ask_good || !secret_asks_.put(session->node, message.secret_ask(), clock_.monotonic())) {
      say_goodbye(id, *session, "protocol", "this is no way to ask for secrets");
    }
  } else if (message.has_proof_answer()) {
    proofs_.answered(session->node, std::move(*message.mutable_proof_answer()));
  } else if (message.has_telemetry()) {
    telemetry(*session, std::move(*message.mutable_telemetry()));
  } else {
    say_goodbye(id, *session, "protocol", "the message is not expected here");
  }
}

void Hub::prove(SessionId id, Session& session, const v1::Hello& hello) {
  session.stage = Stage::kProving;
  const bool taken = port_.read([this, id, hello](const core::Machine& machine) {
    const std::lock_guard lock(mutex_);
    proven(id, hello, machine);
  });
  if (!taken) say_goodbye(id, session, "busy", "the market is busy; try again later");
}

void Hub::proven(SessionId id, const v1::Hello& hello, const core::Machine& machine) {
  Session* session = find(id);
  if (session == nullptr || session->stage != Stage::kProving) return;
  const core::Node* node = machine.node(NodeId(hello.node()));
  const std::string signed_bytes = std::string(kHelloName) + session->nonce;
  if (node == nullptr || node->removed) {
    say_goodbye(id, *session, "removed",
                "the market does not know this node; join again with a new token");
    return;
  }
  if (!verify_(node->public_key, signed_bytes, hello.signature())) {
    say_goodbye(id, *session, "denied", "the proof is not signed by this node's key");
    return;
  }
  if (const auto older = by_node_.find(node->id); older != by_node_.end()) {
    if (Session* replaced = find(older->second)) {
      say_goodbye(older->second, *replaced, "replaced", "the node has connected anew");
    }
  }
  session->stage = Stage::kOpen;
  session->node = node->id;
  session->node_key = node->public_key;
  session->takes_secrets = hello.takes_secrets();
  session->token = to_hex(nonce_of(random_, 32));
  by_node_[node->id] = id;
  by_token_[session->token] = node->id;

  v1::HubMessage welcome;
  welcome.mutable_welcome()->set_session_token(session->token);
  *welcome.mutable_welcome()->mutable_policy() = machine.policy();
  welcome.mutable_welcome()->set_heartbeat_us(
      std::min(limits_.heartbeat,
               Duration(machine.policy().suspend_after_us() / kReportsPerSilence))
          .value);
  welcome.mutable_welcome()->set_takes_telemetry(true);
  port_.send(id, welcome);

  v1::Command report;
  report.mutable_report_node()->set_node(node->id.value);
  *report.mutable_report_node()->mutable_facts() = hello.facts();
  const auto stored = [this, id](const core::Machine* market) {
    if (market != nullptr) return;
    const std::lock_guard lock(mutex_);
    Session* open = find(id);
    if (open != nullptr) turn_away(id, *open, "busy", "the market could not store the report");
  };
  if (!port_.submit(report, stored)) {
    turn_away(id, *session, "busy", "the market is busy; try again later");
    return;
  }
  set_link(node->id, {.connected = true});
  // Its agent may have begun anew, with another key.
  secret_asks_.drop(node->id);
  send_desired(id, *session, machine);
  proofs_.set_interval(Duration(machine.policy().proof_interval_us()));
  proofs_.opened(node->id, node->provider, id);
}

void Hub::observed(SessionId id, Session& session, const v1::Observed& observed) {
  repeat_lost_desired(id, session, observed.desired_revision());
  for (const v1::WorkloadReport& workload : observed.workloads()) {
    if (workload.proves()) proofs_.lease_ready(session.node, LeaseId(workload.lease()));
  }
  const bool news = observed.workloads_size() > 0 || observed.owner() != session.owner ||
                    observed.desired_revision() != session.revision_logged;
  if (!news) {
    // An idle heartbeat proves nothing that the log needs.
    v1::HubMessage ack;
    ack.mutable_observed_ack()->set_sequence(observed.sequence());
    port_.send(id, ack);
    return;
  }
  if (session.observed_in_flight >= limits_.observed_in_flight_max) return;

  v1::Command command;
  v1::Observe& observe = *command.mutable_observe();
  observe.set_node(session.node.value);
  *observe.mutable_workloads() = observed.workloads();
  observe.set_owner(observed.owner());
  observe.set_desired_revision(observed.desired_revision());
  observe.set_complete(observed.complete());
  const auto sequence = observed.sequence();
  const auto owner = observed.owner();
  const auto revision = observed.desired_revision();
  std::vector<LeaseId> alive;
  std::vector<std::pair<LeaseId, std::uint32_t>> metered;  // with the last sequence
  for (const v1::WorkloadReport& workload : observed.workloads()) {
    if (workload.state() != v1::ENDED) alive.emplace_back(workload.lease());
    if (workload.meters().empty()) continue;
    metered.emplace_back(workload.lease(), workload.meters().rbegin()->sequence());
  }
  ++session.observed_in_flight;
  const Status taken =
      port_.submit(command, [this, id, sequence, owner, revision, alive = std::move(alive),
                             metered = std::move(metered)](const core::Machine* market) {
        const std::lock_guard lock(mutex_);
        Session* open = find(id);
        if (open == nullptr) return;
        --open->observed_in_flight;
        if (market == nullptr || open->stage != Stage::kOpen) return;
        open->owner = owner;
        open->revision_logged = revision;
        v1::HubMessage message;
        v1::ObservedAck& ack = *message.mutable_observed_ack();
        ack.set_sequence(sequence);
        // Whose silence ended them counts on their fences: no later word may move those.
        for (const LeaseId lease : alive) {
          if (!is_open_on(*market, lease, open->node)) ack.add_ended(lease.value);
        }
        for (const auto& [lease, last] : metered) {
          const auto counted = meters_taken(*market, lease, open->node);
          if (!counted || *counted >= last) continue;
          v1::MetersNotTaken& kept = *ack.add_not_taken();
          kept.set_lease(lease.value);
          kept.set_taken(*counted);
        }
        port_.send(id, message);
      });
  if (!taken) --session.observed_in_flight;
}

void Hub::say_goodbye(SessionId id, Session& session, std::string_view code, std::string message) {
  if (session.stage == Stage::kLeaving) return;
  session.stage = Stage::kLeaving;
  v1::HubMessage goodbye;
  goodbye.mutable_goodbye()->set_code(std::string(code));
  goodbye.mutable_goodbye()->set_message(std::move(message));
  port_.send(id, goodbye);
  port_.close(id);
}

void Hub::turn_away(SessionId id, Session& session, std::string_view code, std::string message) {
  if (session.stage == Stage::kLeaving) return;
  session.by_market = true;
  say_goodbye(id, session, code, std::move(message));
}

void Hub::closed(SessionId id) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const Session& session = found->second;
  if (!session.token.empty()) by_token_.erase(session.token);
  if (const auto speaker = by_node_.find(session.node);
      speaker != by_node_.end() && speaker->second == id) {
    by_node_.erase(speaker);
    proofs_.closed(session.node);
    secret_asks_.drop(session.node);
    set_link(session.node, {.connected = false, .by_market = session.by_market || stopping_});
  }
  sessions_.erase(found);
}

// All of the batch before anybody is told of anything: the market stands behind it already, with
// leases that are still to be drawn.
void Hub::applied(const core::Machine& machine, std::span<const engine::Applied> batch) {
  std::set<NodeId> changed;
  const std::lock_guard lock(mutex_);
  for (const engine::Applied& command : batch) {
    for (const v1::Event& event : command.events) {
      note_changed(event, changed);
      take(event, machine);
    }
  }
  for (const NodeId node : changed) {
    const auto speaker = by_node_.find(node);
    if (speaker == by_node_.end()) continue;
    Session* session = find(speaker->second);
    if (session == nullptr || session->stage != Stage::kOpen) continue;
    const core::Node* known = machine.node(node);
    if (known == nullptr || known->removed) {
      say_goodbye(speaker->second, *session, "removed", "the provider took this node away");
    } else {
      send_desired(speaker->second, *session, machine);
    }
  }
}

void Hub::take(const v1::Event& event, const core::Machine& machine) {
  if (event.has_lease_ended()) {
    const LeaseId id(event.lease_ended().lease());
    proofs_.lease_over(NodeId(event.lease_ended().node()), id);
    // The batch may have swept its order away, too.
    const core::Lease* const lease = machine.lease(id);
    if (lease != nullptr) proofs_.lease_ended(lease->node, lease->devices);
  }
  if (event.has_lease_placed()) draw_proof(LeaseId(event.lease_placed().lease()), machine);
  if (event.has_proof_started()) proofs_.started(event.proof_started(), machine);
  if (event.has_policy_set()) {
    proofs_.set_interval(Duration(machine.policy().proof_interval_us()));
  }
}

void Hub::set_link(NodeId node, Link link) {
  links_wanted_[node] = link;
  flush_links();
}

void Hub::flush_links() {
  while (!links_wanted_.empty()) {
    const auto first = links_wanted_.begin();
    const auto [node, link] = *first;
    v1::Command command;
    v1::SetNodeLink& told = *command.mutable_set_node_link();
    told.set_node(node.value);
    told.set_connected(link.connected);
    told.set_by_market(link.by_market);
    // What was not stored is wanted again, as things stand then: tick() tries.
    const auto stored = [this, wanted = *first](const core::Machine* market) {
      if (market != nullptr) return;
      const std::lock_guard lock(mutex_);
      const bool connected = by_node_.contains(wanted.first);
      links_wanted_.try_emplace(wanted.first,
                                Link{connected, wanted.second.by_market && !connected});
    };
    if (!port_.submit(command, stored)) return;
    links_wanted_.erase(first);
  }
}

bool Hub::open_tunnel(NodeId node, LeaseId lease, std::string_view token) {
  const std::lock_guard lock(mutex_);
  const auto speaker = by_node_.find(node);
  if (speaker == by_node_.end()) return false;
  v1::HubMessage message;
  message.mutable_open_tunnel()->set_lease(lease.value);
  message.mutable_open_tunnel()->set_token(std::string(token));
  port_.send(speaker->second, message);
  return true;
}

std::vector<SecretAsks::Ask> Hub::secret_asks(OrderId order) const {
  return secret_asks_.of(order, clock_.monotonic());
}

SecretDelivery Hub::deliver_secrets(NodeId node, LeaseId lease, std::string sealed) {
  const std::lock_guard lock(mutex_);
  const auto speaker = by_node_.find(node);
  if (speaker == by_node_.end()) return SecretDelivery::kNodeAway;
  if (!secret_asks_.take(node, lease, clock_.monotonic())) return SecretDelivery::kNotAsked;
  v1::HubMessage message;
  message.mutable_sealed_secrets()->set_lease(lease.value);
  message.mutable_sealed_secrets()->set_sealed(std::move(sealed));
  port_.send(speaker->second, message);
  return SecretDelivery::kSent;
}

void Hub::tick() {
  const std::lock_guard lock(mutex_);
  const Time now = clock_.monotonic();
  for (auto& [id, session] : sessions_) {
    const Duration silence = now - session.heard_at;
    if (session.stage == Stage::kOpen ? silence > limits_.silence_max
                                      : silence > limits_.hello_time_max) {
      say_goodbye(id, session, "silent", "nothing was heard for too long");
    }
  }
  flush_links();
  ask_watched();
  proofs_.tick();
}

void Hub::shut_down() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  // First of all: a connection that ends now is nobody's miss.
  proofs_.shut_down();
  for (auto& [id, session] : sessions_) {
    say_goodbye(id, session, "shutting_down",
                "the market's server stops; connect again in a moment");
  }
}

NodeId Hub::node_of_token(std::string_view token) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_token_.find(token);
  return found == by_token_.end() ? NodeId() : found->second;
}

Hub::Waiting Hub::waiting() const {
  const std::lock_guard lock(mutex_);
  Waiting waiting;
  waiting.links = links_wanted_.size();
  for (const auto& [id, session] : sessions_) waiting.reports += session.observed_in_flight;
  return waiting;
}

std::size_t Hub::sessions() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

}  // namespace fallow::server
