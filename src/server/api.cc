#include "server/api.h"

#include <algorithm>
#include <utility>

#include "server/json.h"
#include "server/openapi.h"

namespace fallow::server {
namespace {

constexpr std::string_view kArtifactPrefix = "artifacts";

bool is_loopback_peer(std::string_view peer) {
  return peer.starts_with("127.") || peer.starts_with("[::1]");
}

net::Response json_response(int status, std::string body) {
  return {status,
          {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          std::move(body)};
}

net::Response text_response(int status, std::string body) {
  return {status,
          {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}},
          std::move(body)};
}

v1::Problem wait_problem(int status, std::string_view code, std::string detail) {
  return make_problem(status, code, std::move(detail));
}

// Of a body: absent, or JSON. Forms and others are refused before they are misread.
Answer<void> check_content_type(const net::Request& request) {
  const std::string* type = request.headers.find("Content-Type");
  if (type == nullptr || !request.has_body()) return {};
  const std::string_view media = std::string_view(*type).substr(0, type->find(';'));
  const std::string_view trimmed = media.substr(0, media.find_last_not_of(" \t") + 1);
  if (net::equals_ignoring_case(trimmed, "application/json")) return {};
  return refuse(415, "type_unsupported", "send JSON, with `Content-Type: application/json`");
}

}  // namespace

Api::Api(ApiEdges edges, const ApiLimits& limits)
    : edges_(std::move(edges)),
      limits_(limits),
      handlers_(router_),
      openapi_(openapi_json()),
      metrics_(router_),
      artifacts_(*edges_.store, *edges_.disk),
      per_key_(limits.per_key, limits.callers_tracked_max, edges_.limiter_seed),
      per_peer_(limits.per_peer, limits.callers_tracked_max, edges_.limiter_seed + 1),
      requests_(limits.requests_in_flight_max),
      streams_(limits.streams_max) {}

Api::~Api() = default;

void Api::open(const ApiParts& parts) {
  parts_ = parts;
  open_.store(true, std::memory_order_release);
}

net::Task<void> Api::serve(net::Exchange& exchange) {
  const Time start = edges_.clock->monotonic();
  Outcome outcome;
  outcome.number = metrics_.other_route();
  co_await dispatch(exchange, outcome);
  const Duration took = edges_.clock->monotonic() - start;
  metrics_.observe(outcome.number, outcome.status, outcome.is_stream ? Duration(-1) : took);
  edges_.access_log->write({exchange.peer_address(), exchange.request().method, outcome.route,
                            outcome.status, outcome.account, took});
}

net::Task<void> Api::dispatch(net::Exchange& exchange, Outcome& outcome) {
  const bool is_plain = co_await serve_plain(exchange, outcome);
  if (is_plain) co_return;
  const net::Target& target = exchange.request().parts;
  if (target.path == "/v1/agent") {
    outcome.route = "/v1/agent";
    outcome.is_stream = true;
    co_await edges_.serve_agent(exchange);
    outcome.status = 101;
    co_return;
  }
  const bool is_tunnel = co_await serve_tunnel(exchange, outcome);
  if (is_tunnel) co_return;
  if (target.segments.size() >= 2 && target.segments[0] == "v1" &&
      target.segments[1] == kArtifactPrefix) {
    co_await serve_artifact(exchange, outcome);
    co_return;
  }
  co_await serve_rpc(exchange, outcome);
}

// Answers what needs no market, and everything while there is none.
net::Task<bool> Api::serve_plain(net::Exchange& exchange, Outcome& outcome) {
  const net::Request& request = exchange.request();
  const std::string& path = request.parts.path;
  const bool is_get = request.method == "GET" || request.method == "HEAD";
  if (is_get && path == "/healthz") {
    outcome.route = "/healthz";
    co_await respond(exchange, outcome, text_response(200, "ok\n"));
    co_return true;
  }
  if (is_get && path == "/readyz") {
    co_await serve_ready(exchange, outcome);
    co_return true;
  }
  if (is_get && path == "/v1/openapi.json") {
    outcome.route = "/v1/openapi.json";
    co_await respond(exchange, outcome, json_response(200, openapi_));
    co_return true;
  }
  // The console's pages stand while the market replays its log, and say so.
  if (is_get) {
    std::optional<net::Response> page = edges_.console->find(request);
    if (page) {
      outcome.route = "console";
      co_await respond(exchange, outcome, std::move(*page));
      co_return true;
    }
  }
  if (!open_.load(std::memory_order_acquire)) {
    co_await respond_problem(exchange, outcome,
                             make_problem(503, "starting",
                                          "the market replays its log; GET /readyz says when it is "
                                          "done"));
    co_return true;
  }
  if (is_get && path == "/metrics") {
    co_await serve_metrics(exchange, outcome);
    co_return true;
  }
  co_return false;
}

net::Task<void> Api::serve_ready(net::Exchange& exchange, Outcome& outcome) {
  outcome.route = "/readyz";
  std::string trouble;
  if (closing_) {
    trouble = "the server is going down";
  } else if (!open_.load(std::memory_order_acquire)) {
    trouble = "the market replays its log";
  } else {
    trouble = parts_.engine->stats().sequencer.storage_error;
  }
  net::Response response =
      trouble.empty() ? text_response(200, "ready\n") : text_response(503, trouble + "\n");
  co_await respond(exchange, outcome, std::move(response));
}

net::Task<void> Api::serve_metrics(net::Exchange& exchange, Outcome& outcome) {
  outcome.route = "/metrics";
  // Prometheus beside the server needs no key; from elsewhere it is the operator's to see.
  if (!is_loopback_peer(exchange.peer_address())) {
    Answer<Caller> caller = co_await authenticate(exchange, 1U << v1::OPERATOR, v1::MAY_READ);
    if (!caller) {
      co_await respond_problem(exchange, outcome, std::move(caller).error());
      co_return;
    }
  }
  Gauges gauges = edges_.gauges();
  gauges.requests_in_flight = requests_.in_flight();
  gauges.streams_open = streams_.in_flight();
  gauges.engine = parts_.engine->stats();
  const Caller nobody;
  const Call call(parts_, nobody, exchange.request(), {}, exchange.executor());
  const std::function<Answer<core::Machine::Counts>(const core::Machine&)> look =
      [](const core::Machine& machine) -> Answer<core::Machine::Counts> {
    return machine.counts();
  };
  Answer<core::Machine::Counts> counts = co_await call.visit(look);
  if (!counts) {
    co_await respond_problem(exchange, outcome, std::move(counts).error());
    co_return;
  }
  gauges.market = *counts;
  net::Response response = text_response(200, metrics_.write(gauges));
  response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  co_await respond(exchange, outcome, std::move(response));
}

net::Task<void> Api::serve_artifact(net::Exchange& exchange, Outcome& outcome) {
  outcome.route = "/v1/artifacts/{digest}";
  outcome.number = metrics_.artifacts_route();
  const net::Request& request = exchange.request();
  const auto ticket = requests_.enter();
  if (!ticket) {
    co_await respond_problem(exchange, outcome,
                             wait_problem(503, "busy", "too many requests at once; try again"));
    co_return;
  }
  if (request.parts.segments.size() != 3) {
    co_await respond_problem(
        exchange, outcome,
        make_problem(404, "route_unknown", "artifacts are at /v1/artifacts/{digest}"));
    co_return;
  }
  if (ArtifactRoutes::kAllow.find(request.method) == std::string_view::npos) {
    net::Response response = json_response(
        405,
        write_problem(make_problem(405, "method_not_allowed", "artifacts have other methods")));
    response.headers.set("Content-Type", "application/problem+json");
    response.headers.set("Allow", std::string(ArtifactRoutes::kAllow));
    co_await respond(exchange, outcome, std::move(response));
    co_return;
  }
  std::uint64_t uploader = 0;
  const Answer<std::string_view> token = bearer_token(request.headers);
  const std::optional<NodeId> node = token ? edges_.sessions->node_of(*token) : std::nullopt;
  if (node) {
    uploader = node->value;
  } else {
    const bool reads = request.method == "GET" || request.method == "HEAD";
    Answer<Caller> caller =
        co_await authenticate(exchange, 1U << v1::RENTER | 1U << v1::PROVIDER | 1U << v1::OPERATOR,
                              reads ? v1::MAY_READ : v1::MAY_RUN);
    if (!caller) {
      co_await respond_problem(exchange, outcome, std::move(caller).error());
      co_return;
    }
    outcome.account = caller->account;
    uploader = caller->account.value;
  }
  Answer<int> status = co_await artifacts_.serve(exchange, request.parts.segments[2], uploader);
  if (status) {
    outcome.status = *status;
  } else {
    co_await respond_problem(exchange, outcome, std::move(status).error());
  }
}

net::Task<void> Api::serve_rpc(net::Exchange& exchange, Outcome& outcome) {
  const net::Request& request = exchange.request();
  const Router::Match match =
      router_.match(request.method == "HEAD" ? "GET" : request.method, request.parts);
  if (match.route == nullptr) {
    net::Response response = json_response(0, {});
    if (match.allow.empty()) {
      co_await respond_problem(
          exchange, outcome,
          make_problem(404, "route_unknown",
                       "there is nothing here; GET /v1/openapi.json lists what there is"));
      co_return;
    }
    response.status = 405;
    response.body = write_problem(make_problem(
        405, "method_not_allowed", fmt::format("this path knows only {}", match.allow)));
    response.headers.set("Content-Type", "application/problem+json");
    response.headers.set("Allow", match.allow);
    co_await respond(exchange, outcome, std::move(response));
    co_return;
  }
  const Route& route = *match.route;
  outcome.route = route.path;
  outcome.number = route.number;
  outcome.is_stream = route.is_stream();

  std::optional<Admission::Ticket> ticket =
      route.is_stream() ? streams_.enter() : requests_.enter();
  if (!ticket) {
    co_await respond_problem(exchange, outcome,
                             wait_problem(503, "busy", "too many requests at once; try again"));
    co_return;
  }
  Answer<Caller> caller = co_await authenticate(exchange, route.scopes, route.right);
  if (!caller) {
    co_await respond_problem(exchange, outcome, std::move(caller).error());
    co_return;
  }
  outcome.account = caller->account;
  std::string body;
  auto message = co_await read_request(exchange, route, body);
  if (!message) {
    co_await respond_problem(exchange, outcome, std::move(message).error());
    co_return;
  }
  Call call(parts_, *caller, request, body, exchange.executor());
  if (const Answer<void> checked = call.check_idempotency_key(); !checked) {
    co_await respond_problem(exchange, outcome, checked.error());
    co_return;
  }
  if (route.is_stream()) {
    co_await serve_stream(exchange, route, call, **message, outcome);
    co_return;
  }
  auto answer = co_await handlers_.unary(route)(call, **message);
  if (!answer) {
    co_await respond_problem(exchange, outcome, std::move(answer).error());
    co_return;
  }
  net::Response response = json_response(200, write_json(**answer));
  for (const net::HeaderField& field : call.answer_headers().fields()) {
    response.headers.add(field.name, field.value);
  }
  co_await respond(exchange, outcome, std::move(response));
}

net::Task<Answer<std::unique_ptr<google::protobuf::Message>>> Api::read_request(
    net::Exchange& exchange, const Route& route, std::string& body) {
  FALLOW_CO_TRY(check_content_type(exchange.request()));
  if (exchange.request().has_body()) {
    Result<std::string> read = co_await exchange.read_body(limits_.json_bytes_max);
    if (!read) {
      switch (read.error().code) {
        case ErrorCode::kTooLarge:
          co_return refuse(413, "too_large", "the body is larger than {} bytes",
                           limits_.json_bytes_max);
        case ErrorCode::kTimedOut:
          co_return refuse(408, "timed_out", "{}", read.error().message);
        default:
          co_return refuse(400, "body_invalid", "{}", read.error().message);
      }
    }
    body = std::move(*read);
  }
  co_return router_.read_request(route, exchange.request().parts, body);
}

net::Task<void> Api::respond(net::Exchange& exchange, Outcome& outcome, net::Response response) {
  outcome.status = response.status;
  response.headers.set("X-Content-Type-Options", "nosniff");
  co_await exchange.respond(std::move(response));
}

net::Task<void> Api::respond_problem(net::Exchange& exchange, Outcome& outcome,
                                     v1::Problem problem) {
  if (exchange.has_responded()) co_return;
  net::Response response =
      json_response(static_cast<int>(problem.status()), write_problem(problem));
  response.headers.set("Content-Type", "application/problem+json");
  if (problem.status() == 401) response.headers.set("WWW-Authenticate", "Bearer");
  if (problem.status() == 429 || problem.status() == 503) response.headers.set("Retry-After", "1");
  co_await respond(exchange, outcome, std::move(response));
}

}  // namespace fallow::server
