#include "agent/hub_session.h"

#include <algorithm>

namespace fallow::agent {
namespace {

constexpr std::string_view kHelloPrefix = "fallow agent hello v1";
constexpr Duration kHeartbeatMin = milliseconds(50);
constexpr Duration kHeartbeatMax = minutes(1);

}  // namespace

v1::Policy default_policy() {
  v1::Policy policy;
  policy.set_meter_interval_us(seconds(5).value);
  policy.set_suspend_after_us(seconds(15).value);
  policy.set_close_after_us(seconds(30).value);
  policy.set_start_timeout_us(minutes(15).value);
  policy.set_stop_grace_us(seconds(10).value);
  policy.set_owner_notice_us(seconds(5).value);
  return policy;
}

HubSession::HubSession(SessionOptions options, const Signer& signer, Random& random)
    : options_(std::move(options)), signer_(signer), random_(random), policy_(default_policy()) {}

void HubSession::opened(Now now) {
  if (state_ != State::kConnecting) return;
  state_ = State::kGreeting;
  greeting_until_ = now.monotonic + options_.handshake_max;
}

void HubSession::closed(Now now) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  session_token_.clear();
  flights_.clear();
  retry_later(now, std::exchange(retry_at_least_, Duration(0)));
}

void HubSession::received(const v1::HubMessage& message, Now now, std::vector<Action>& actions) {
  if (state_ != State::kGreeting && state_ != State::kReady) return;
  if (message.has_challenge() && state_ == State::kGreeting) {
    v1::AgentMessage answer;
    v1::Hello& hello = *answer.mutable_hello();
    hello.set_node(options_.node.value);
    hello.set_signature(
        to_bytes(signer_.sign(std::string(kHelloPrefix) + message.challenge().nonce())));
    *hello.mutable_facts() = options_.facts;
    hello.set_takes_secrets(true);
    actions.emplace_back(Send{std::move(answer)});
  } else if (message.has_welcome() && state_ == State::kGreeting) {
    state_ = State::kReady;
    failures_ = 0;
    session_token_ = message.welcome().session_token();
    takes_telemetry_ = message.welcome().takes_telemetry();
    // A market without rules of its own in the message leaves ours in force.
    if (message.welcome().policy().close_after_us() > 0) policy_ = message.welcome().policy();
    if (message.welcome().heartbeat_us() > 0) {
      heartbeat_ =
          std::clamp(Duration(message.welcome().heartbeat_us()), kHeartbeatMin, kHeartbeatMax);
    }
    heartbeat_at_ = now.monotonic;
  } else if (message.has_goodbye()) {
    const v1::Goodbye& goodbye = message.goodbye();
    if (goodbye.code() == "removed") {
      has_quit_ = true;
      actions.emplace_back(Quit{goodbye.message()});
    }
    retry_at_least_ = pause_after(goodbye.code());
    actions.emplace_back(Disconnect{goodbye.code() + ": " + goodbye.message()});
    closed(now);
  }
}

// What passes by itself is tried again as any lost connection is, of a busy server not at once.
// Behind everything else stands another agent with our key, or a server that does not understand
// us: haste would not help.
Duration HubSession::pause_after(std::string_view goodbye) const {
  if (goodbye == "shutting_down" || goodbye == "silent") return {};
  return goodbye == "busy" ? options_.retry_min : options_.retry_max;
}

void HubSession::come_back_within(Duration pause_max) {
  retry_max_ = std::min(pause_max, options_.retry_max);
}

void HubSession::step(Now now, std::vector<Action>& actions) {
  if (state_ == State::kGreeting && now.monotonic >= greeting_until_) {
    actions.emplace_back(Disconnect{"the server did not greet in time"});
    closed(now);
  }
  if (state_ == State::kReady && !flights_.empty() &&
      now.monotonic >= flights_.front().sent_at + ack_wait_max()) {
    actions.emplace_back(Disconnect{"the server does not acknowledge any more"});
    closed(now);
  }
  if (state_ == State::kClosed && !has_quit_ && now.monotonic >= connect_at_) {
    state_ = State::kConnecting;
    actions.emplace_back(Connect{});
  }
}

void HubSession::sent(v1::Observed& observed, Flight flight, Now now) {
  observed.set_sequence(++sequence_);
  flight.sequence = sequence_;
  flight.sent_at = now.monotonic;
  if (flights_.size() >= kFlightsMax) flights_.erase(flights_.begin() + 1);
  flights_.push_back(std::move(flight));
  heartbeat_at_ = now.monotonic + jittered(heartbeat_);
}

std::optional<Flight> HubSession::acknowledged(std::uint64_t sequence) {
  const auto found = std::find_if(flights_.begin(), flights_.end(),
                                  [sequence](const Flight& f) { return f.sequence == sequence; });
  if (found == flights_.end()) return std::nullopt;
  Flight flight = std::move(*found);
  flights_.erase(flights_.begin(), found + 1);
  return flight;
}

Time HubSession::next_deadline() const {
  switch (state_) {
    case State::kClosed:
      return has_quit_ ? kNever : connect_at_;
    case State::kConnecting:
      return kNever;  // the link has a time limit of its own
    case State::kGreeting:
      return greeting_until_;
    case State::kReady:
      return flights_.empty() ? heartbeat_at_
                              : std::min(heartbeat_at_, flights_.front().sent_at + ack_wait_max());
  }
  return kNever;
}

void HubSession::retry_later(Now now, Duration at_least) {
  Duration wait = options_.retry_first;
  if (failures_ > 0) {
    const std::uint32_t doublings = std::min(failures_ - 1, 20U);
    wait = std::min(Duration(options_.retry_min.value << doublings), retry_max_);
  }
  ++failures_;
  connect_at_ = now.monotonic + jittered(std::max(wait, at_least));
}

// Between 3/4 and the whole, so that the agents of a market that restarts do not come in step.
Duration HubSession::jittered(Duration duration) {
  const auto spread = static_cast<std::uint64_t>(duration.value / 4 + 1);
  return Duration(duration.value - static_cast<std::int64_t>(random_.below(spread)));
}

// Long enough for a busy server, short enough to try another connection before the market
// suspends the leases.
Duration HubSession::ack_wait_max() const {
  return std::min(std::max(Duration(3 * heartbeat_.value), seconds(3)),
                  Duration(policy_.suspend_after_us() * 2 / 3));
}

}  // namespace fallow::agent
