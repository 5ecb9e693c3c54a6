// The API's way into sandboxes: who may open a tunnel to a lease, and where it leads.
#include <optional>
#include <string>

#include "base/number.h"
#include "server/api.h"

namespace fallow::server {
namespace {

std::optional<LeaseId> lease_of(const net::Target& target) {
  const auto& segments = target.segments;
  if (segments.size() != 4 || segments[0] != "v1" || segments[1] != "leases" ||
      segments[3] != "tunnel") {
    return std::nullopt;
  }
  // What is no number is no lease either: nobody has it.
  return LeaseId(parse_number<std::uint64_t>(segments[2]).value_or(0));
}

// The lease's node, for its renter alone: not even an operator sees into what others run.
Answer<NodeId> node_behind(const core::Machine& machine, const Caller& caller, LeaseId id) {
  const core::Lease* lease = machine.lease(id);
  if (lease == nullptr || !(caller.may_see(lease->renter) || caller.may_see(lease->provider))) {
    return refuse(404, "not_found", "there is no lease {} of yours; GET /v1/leases lists them",
                  id.value);
  }
  if (lease->renter != caller.account) {
    return refuse(403, "not_allowed", "only its renter reaches into lease {}", id.value);
  }
  if (lease->state != v1::RUNNING && lease->state != v1::SUSPENDED) {
    return refuse(409, "not_running",
                  "lease {} does not run {}; each try of a task is a lease of its own", id.value,
                  core::is_open(*lease) && lease->state != v1::STOPPING ? "yet" : "any more");
  }
  return lease->node;
}

// Browsers show no script how a handshake was refused. Theirs is completed, and what was to be
// said is said in closing: 4000 and the problem's status, and its sentence.
net::Task<void> refuse_in_words(net::Exchange& exchange, const v1::Problem& problem) {
  constexpr int kPrivateCodes = 4'000;
  const auto code = static_cast<net::CloseCode>(kPrivateCodes + problem.status());
  const auto socket = co_await exchange.upgrade(net::bulk_socket_options());
  if (!socket) co_return;
  (*socket)->close(code, problem.detail());
  for (;;) {
    const auto message = co_await (*socket)->receive();
    if (!message) co_return;
  }
}

}  // namespace

net::Task<bool> Api::serve_tunnel(net::Exchange& exchange, Outcome& outcome) {
  const net::Target& target = exchange.request().parts;
  const bool is_agent = target.path == "/v1/agent/tunnel";
  const std::optional<LeaseId> lease = lease_of(target);
  if (!is_agent && !lease) co_return false;
  outcome.route = is_agent ? "/v1/agent/tunnel" : "/v1/leases/{lease}/tunnel";
  outcome.is_stream = true;
  Answer<int> status = 0;
  if (is_agent) {
    const Answer<void> rate = check_rate(per_peer_, peer_number(exchange.peer_address()));
    if (!rate) {
      co_await respond_problem(exchange, outcome, rate.error());
      co_return true;
    }
    status = co_await edges_.tunnels->serve_agent(exchange);
  } else {
    status = co_await serve_renter(exchange, outcome, *lease);
  }
  if (status) {
    outcome.status = *status;
  } else {
    co_await respond_problem(exchange, outcome, std::move(status).error());
  }
  co_return true;
}

net::Task<Answer<int>> Api::serve_renter(net::Exchange& exchange, Outcome& outcome, LeaseId lease) {
  const auto ticket = streams_.enter();
  if (!ticket) co_return refuse(503, "busy", "too many streams at once; try again");
  // Pages of other sites make browsers open WebSockets and send cookies along: check_same_origin()
  // is asked before the cookie counts.
  FALLOW_CO_ASSIGN(const Caller caller,
                   co_await authenticate(exchange, 1U << v1::RENTER, v1::MAY_RUN));
  outcome.account = caller.account;
  Answer<int> status = co_await join_renter(exchange, caller, lease);
  if (status || !caller.session || !exchange.asks_for_websocket()) co_return status;
  const int refusal = static_cast<int>(status.error().status());
  co_await refuse_in_words(exchange, status.error());
  co_return refusal;
}

net::Task<Answer<int>> Api::join_renter(net::Exchange& exchange, const Caller& caller,
                                        LeaseId lease) {
  const Call call(parts_, caller, exchange.request(), {}, exchange.executor());
  const std::function<Answer<NodeId>(const core::Machine&)> look =
      [&](const core::Machine& machine) { return node_behind(machine, caller, lease); };
  FALLOW_CO_ASSIGN(const NodeId node, co_await call.visit(look));
  Tunnels::Way way{caller, lease, node};
  const auto recheck = [&]() -> net::Task<Answer<void>> {
    const bool known = co_await still_known(exchange, caller);
    if (!known) co_return tl::unexpected(key_unknown());
    FALLOW_CO_TRY(co_await call.visit(look));
    co_return Answer<void>();
  };
  co_return co_await edges_.tunnels->serve_renter(exchange, std::move(way), recheck);
}

}  // namespace fallow::server
