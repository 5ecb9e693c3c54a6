#include "server/tunnels.h"

#include <array>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "net/io_pool.h"
#include "net/notifier.h"

namespace fallow::server {
namespace {

constexpr std::size_t kLeasesTracked = 4'096;

template <class Id>
std::size_t count_of(const std::map<Id, std::size_t>& counts, Id id) {
  const auto found = counts.find(id);
  return found == counts.end() ? 0 : found->second;
}

// From one side to the other until the first is over; then the other is told why.
net::Task<void> relay(std::shared_ptr<net::WebSocket> from, std::shared_ptr<net::WebSocket> to,
                      std::atomic<std::uint64_t>& bytes, std::string_view lost) {
  bool is_taken = true;
  for (;;) {
    auto message = co_await from->receive();
    if (!message) break;
    if (!is_taken) continue;  // what is left of a side that the other has gone from
    bytes.fetch_add(message->data.size(), std::memory_order_relaxed);
    if (to->try_send(message->data)) continue;
    const Status sent = co_await net::run_on(to->executor(), to->send(message->data));
    is_taken = sent.has_value();
  }
  const bool farewell = !from->close_reason().empty();
  to->close(farewell ? from->close_code() : net::CloseCode::kInternalError,
            farewell ? std::string_view(from->close_reason()) : lost);
}

}  // namespace

// Null: that side will not come.
struct Tunnels::Meeting {
  explicit Meeting(const net::Executor& executor) : agent(executor) {}
  net::OneShot<Socket> agent;
  std::optional<net::OneShot<Socket>> renter;  // made by the agent's side before it shows itself
};

Tunnels::Tunnels(Ask ask, const Clock& clock, Random& random, TunnelLimits limits)
    : ask_(std::move(ask)),
      clock_(clock),
      random_(random),
      limits_(limits),
      opened_per_lease_(limits.opened_per_lease, kLeasesTracked, random.next_u64()) {}

Answer<std::string> Tunnels::announce(const Way& way, const std::shared_ptr<Meeting>& meeting) {
  std::array<std::uint8_t, 32> secret{};
  if (const auto wait = opened_per_lease_.take(way.lease.value, clock_.monotonic())) {
    return refuse(429, "rate_limited",
                  "tunnels to lease {} are opened too fast; wait {} ms, and use one for longer",
                  way.lease.value, wait->value / 1000 + 1);
  }
  const std::lock_guard lock(mutex_);
  if (stopping_)
    return refuse(503, "shutting_down", "the market is shutting down; try again later");
  if (open_ >= limits_.open_max) {
    return refuse(503, "busy", "the market has as many tunnels as it may; try again later");
  }
  if (count_of(by_lease_, way.lease) >= limits_.open_per_lease_max) {
    return refuse(429, "tunnels_max", "lease {} has {} tunnels open; close one", way.lease.value,
                  limits_.open_per_lease_max);
  }
  if (count_of(by_account_, way.caller.account) >= limits_.open_per_account_max) {
    return refuse(429, "tunnels_max", "this account has {} tunnels open; close one",
                  limits_.open_per_account_max);
  }
  random_.fill(secret);
  std::string token = to_hex(secret);
  meetings_.emplace(token, meeting);
  ++by_lease_[way.lease];
  ++by_account_[way.caller.account];
  ++open_;
  return token;
}

void Tunnels::leave(const Way& way, const std::string& token) {
  const std::lock_guard lock(mutex_);
  meetings_.erase(token);
  tunnels_.erase(token);
  watched_ = tunnels_.size();
  --open_;
  const auto drop = [](auto& counts, auto id) {
    const auto found = counts.find(id);
    if (found != counts.end() && --found->second == 0) counts.erase(found);
  };
  drop(by_lease_, way.lease);
  drop(by_account_, way.caller.account);
}

net::Task<Answer<int>> Tunnels::serve_renter(net::Exchange& exchange, Way way, Recheck recheck) {
  if (!exchange.asks_for_websocket()) {
    // It says what is wrong. No agent dials for that.
    (void)co_await exchange.upgrade(net::bulk_socket_options());
    co_return 400;
  }
  const auto meeting = std::make_shared<Meeting>(exchange.executor());
  Answer<std::string> token = announce(way, meeting);
  if (!token) co_return tl::unexpected(std::move(token).error());
  if (!ask_(way.node, way.lease, *token)) {
    leave(way, *token);
    co_return refuse(503, "node_away",
                     "the node of lease {} is not connected at the moment; try again",
                     way.lease.value);
  }
  Result<Socket> agent = co_await meeting->agent.wait(limits_.meeting_time_max);
  if (!agent || *agent == nullptr) {
    leave(way, *token);
    if (is_stopping()) co_return refuse(503, "shutting_down", "the market is shutting down");
    co_return refuse(504, "node_silent",
                     "the node of lease {} did not answer; its agent may be older than this market",
                     way.lease.value);
  }
  auto renter = co_await exchange.upgrade(net::bulk_socket_options());
  if (!renter) {
    meeting->renter->set(nullptr);
    leave(way, *token);
    co_return 400;
  }
  {
    const std::lock_guard lock(mutex_);
    tunnels_.emplace(*token, Tunnel{way, *renter, *agent});
    watched_ = tunnels_.size();
    ++opened_;
  }
  // A lease that ended or a key that was revoked before now was not looked for in tunnels_.
  const Answer<void> still = co_await recheck();
  if (!still) {
    (*renter)->close(net::CloseCode::kNormal, still.error().detail());
    (*agent)->close(net::CloseCode::kNormal, still.error().detail());
  }
  meeting->renter->set(*renter);
  co_await relay(*renter, *agent, bytes_in_, "the renter's connection was lost");
  leave(way, *token);
  co_return 101;
}

net::Task<Answer<int>> Tunnels::serve_agent(net::Exchange& exchange) {
  const Answer<std::string_view> token = bearer_token(exchange.request().headers);
  if (!token) co_return tl::unexpected(token.error());
  std::shared_ptr<Meeting> meeting;
  {
    const std::lock_guard lock(mutex_);
    const auto found = meetings_.find(*token);
    if (found != meetings_.end()) {
      meeting = std::move(found->second);
      meetings_.erase(found);
    }
  }
  if (!meeting) co_return refuse(404, "not_found", "nobody waits for this tunnel any more");
  auto agent = co_await exchange.upgrade(net::bulk_socket_options());
  if (!agent) {
    meeting->agent.set(nullptr);
    co_return 400;
  }
  const net::OneShot<Socket> renter_comes(exchange.executor());
  meeting->renter = renter_comes;
  meeting->agent.set(*agent);
  Result<Socket> renter = co_await renter_comes.wait(limits_.meeting_time_max);
  if (!renter || *renter == nullptr) {
    (*agent)->close(net::CloseCode::kNormal, "the renter went away");
    co_return 101;
  }
  co_await relay(*agent, *renter, bytes_out_, "the connection to the node was lost");
  co_return 101;
}

void Tunnels::shut_down() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (const auto& [token, meeting] : meetings_) meeting->agent.set(nullptr);
}

bool Tunnels::is_stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void Tunnels::end_if(const std::function<bool(const Way&)>& is_over, std::string_view why) {
  const std::lock_guard lock(mutex_);
  for (const auto& [token, tunnel] : tunnels_) {
    if (!is_over(tunnel.way)) continue;
    tunnel.renter->close(net::CloseCode::kNormal, why);
    tunnel.agent->close(net::CloseCode::kNormal, why);
  }
}

void Tunnels::on_batch(const engine::Batch& batch, const core::Machine& machine) {
  if (watched_ == 0) return;
  for (const engine::Applied& applied : batch.commands) {
    for (const v1::Event& event : applied.events) {
      if (event.has_lease_ended()) {
        const LeaseId lease(event.lease_ended().lease());
        end_if([lease](const Way& way) { return way.lease == lease; }, "the lease has ended");
      } else if (event.has_key_revoked()) {
        end_if([&](const Way& way) { return machine.key(way.caller.key_hash) == nullptr; },
               "the API key that opened the tunnel was revoked");
      } else if (event.has_member_set()) {
        end_if(
            [&](const Way& way) {
              if (way.caller.member.value == 0) return false;
              const auto role = machine.role_in(way.caller.account, way.caller.member);
              return !role || (rights_of(*role) & right_bit(v1::MAY_RUN)) == 0;
            },
            "who opened the tunnel may no longer do so for this account");
      }
    }
  }
}

void Tunnels::tick(const SessionStands& session_stands) {
  if (watched_ == 0) return;
  const Time now = clock_.now();
  end_if(
      [now](const Way& way) {
        return way.caller.expires_at.us != 0 && way.caller.expires_at <= now;
      },
      "the API key that opened the tunnel has expired");
  end_if([&](const Way& way) { return way.caller.session && !session_stands(*way.caller.session); },
         "you are signed out, or the session has expired");
}

Tunnels::Counts Tunnels::counts() const {
  const std::lock_guard lock(mutex_);
  return {open_, opened_, bytes_in_.load(), bytes_out_.load()};
}

}  // namespace fallow::server
