// Api: what the HTTP server hands every request to. Finds the route, lets the caller in, calls the
// handler, answers, counts and logs.
//
// Owner: Server. serve() on each connection's I/O thread; everything else on any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "artifacts/store.h"
#include "net/exchange.h"
#include "server/access_log.h"
#include "server/artifact_routes.h"
#include "server/auth.h"
#include "server/call.h"
#include "server/console_files.h"
#include "server/handlers.h"
#include "server/limits.h"
#include "server/metrics.h"
#include "server/router.h"
#include "server/tunnels.h"

namespace fallow::server {

struct ApiLimits {
  std::size_t json_bytes_max = 1024 * 1024;    // of one request's body
  std::size_t requests_in_flight_max = 2'048;  // beyond it: 503
  std::size_t streams_max = 4'096;             // clients that follow something; beyond it: 503
  RateLimit per_key{2'000, 4'000};             // by API key: 429
  RateLimit per_peer{100, 400};                // by address, of whoever shows no known key: 429
  std::size_t callers_tracked_max = 65'536;    // in each of the two tables
  Duration heartbeat = seconds(15);            // of a silent stream
};

// Beside ApiParts, what only the API itself needs. All of it outlives the API.
struct ApiEdges {
  artifacts::BlobStore* store = nullptr;
  DiskPool* disk = nullptr;
  const SessionTokens* sessions = nullptr;
  const ConsoleFiles* console = nullptr;
  AccessLog* access_log = nullptr;
  const Clock* clock = nullptr;
  std::function<net::Task<void>(net::Exchange&)> serve_agent;  // GET /v1/agent
  Tunnels* tunnels = nullptr;
  std::function<Gauges()> gauges;  // without requests and market
  std::uint64_t limiter_seed = 0;  // random
};

class Api {
 public:
  Api(ApiEdges edges, const ApiLimits& limits);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // Until open() everything but /healthz is answered with 503: the log is being replayed.
  void open(const ApiParts& parts);
  // From now on /readyz says no, so that a balancer sends nobody any more.
  void close() { closing_ = true; }

  net::Task<void> serve(net::Exchange& exchange);

 private:
  // How a request went, for the log and the metrics.
  struct Outcome {
    std::string_view route = "-";
    std::size_t number = 0;
    int status = 0;
    AccountId account;
    bool is_stream = false;
  };

  net::Task<void> dispatch(net::Exchange& exchange, Outcome& outcome);
  net::Task<bool> serve_plain(net::Exchange& exchange, Outcome& outcome);
  net::Task<void> serve_ready(net::Exchange& exchange, Outcome& outcome);
  net::Task<void> serve_metrics(net::Exchange& exchange, Outcome& outcome);
  net::Task<void> serve_artifact(net::Exchange& exchange, Outcome& outcome);
  // False: the request is for no tunnel.
  net::Task<bool> serve_tunnel(net::Exchange& exchange, Outcome& outcome);
  net::Task<Answer<int>> serve_renter(net::Exchange& exchange, Outcome& outcome, LeaseId lease);
  net::Task<Answer<int>> join_renter(net::Exchange& exchange, const Caller& caller, LeaseId lease);
  net::Task<void> serve_rpc(net::Exchange& exchange, Outcome& outcome);
  net::Task<Answer<std::unique_ptr<google::protobuf::Message>>> read_request(
      net::Exchange& exchange, const Route& route, std::string& body);
  net::Task<void> serve_stream(net::Exchange& exchange, const Route& route, Call& call,
                               const google::protobuf::Message& request, Outcome& outcome);
  // Of a stream that is a file: what the source gives, as it is. Without an end when the source
  // fails under way, or the caller is no longer let in, or while it finds nothing the client goes
  // or the server stops.
  net::Task<void> send_file(net::Exchange& exchange, const Route& route, Call& call,
                            EventSource& source, const net::Notifier& wake, Outcome& outcome);
  net::Task<void> pump(net::Exchange& exchange, const Call& call, EventSource& source,
                       const net::Notifier& wake);

  // Who asks, if he may: his key has one of the scopes, and its role (his, in the team that he
  // names) has the right. The only place where either is compared.
  net::Task<Answer<Caller>> authenticate(net::Exchange& exchange, core::ScopeSet scopes,
                                         v1::Right right);
  // The key that a request shows, itself or by a session.
  struct Shown {
    Digest key_hash{};
    std::optional<Digest> session;
  };
  Answer<Shown> shown_key(const net::Request& request) const;
  net::Task<Answer<Caller>> look_up(net::Exchange& exchange, const Digest& key_hash);
  // The caller as a member of the team `account`. 404: he is none.
  net::Task<Answer<Caller>> in_team(net::Exchange& exchange, Caller caller, AccountId account);
  // The key, and the session if that showed it, still stand: asked for long streams.
  net::Task<bool> still_known(net::Exchange& exchange, const Caller& caller);
  Answer<void> check_rate(RateLimiter& limiter, std::uint64_t caller);

  net::Task<void> respond(net::Exchange& exchange, Outcome& outcome, net::Response response);
  net::Task<void> respond_problem(net::Exchange& exchange, Outcome& outcome, v1::Problem problem);

  const ApiEdges edges_;
  const ApiLimits limits_;
  const Router router_;
  const Handlers handlers_;
  const std::string openapi_;
  Metrics metrics_;
  ArtifactRoutes artifacts_;
  RateLimiter per_key_;
  RateLimiter per_peer_;
  Admission requests_;
  Admission streams_;
  ApiParts parts_;
  std::atomic<bool> open_ = false;
  std::atomic<bool> closing_ = false;
};

}  // namespace fallow::server
