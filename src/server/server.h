// Server: a market's whole server side, joined: engine, API, hub, stores.
//
// Owner: bin/ (or a test), which opens the log and snapshots and hands them in. start() and stop()
// from the owner's thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "artifacts/store.h"
#include "base/env.h"
#include "base/result.h"
#include "core/policy.h"
#include "engine/engine.h"
#include "net/http_server.h"
#include "net/io_pool.h"
#include "server/access_log.h"
#include "server/api.h"
#include "server/artifact_sweeper.h"
#include "server/console_files.h"
#include "server/data_folder.h"
#include "server/disk_pool.h"
#include "server/forecast_watch.h"
#include "server/history.h"
#include "server/hub_endpoint.h"
#include "server/key_uses.h"
#include "server/log_store.h"
#include "server/policy_trials.h"
#include "server/quote_codec.h"
#include "server/quote_stats.h"
#include "server/receipt_maker.h"
#include "server/sessions.h"
#include "server/superseded.h"
#include "server/survival_watch.h"
#include "server/telemetry_store.h"
#include "server/tunnels.h"
#include "server/webhooks.h"

namespace fallow::server {

struct ServerOptions {
  std::string address = "127.0.0.1";  // "0.0.0.0" or "::" for all
  std::uint16_t port = 8470;          // 0: any free one
  bool plain_http = false;            // no TLS: loopback only, for tests and a proxy beside it
  // Where others reach the server ("https://market.example:8470"); goes into join tokens. Empty:
  // made from address, host name and port.
  std::string url;
  std::string console;  // folder of the built console; empty: none

  // Of a new market; an older one keeps what its log says.
  std::string market_name = "fallow";
  std::string currency = "TEST";
  v1::Policy policy = core::default_policy();

  std::size_t io_threads = 2;
  std::size_t disk_threads = 2;
  ApiLimits api;
  HubLimits hub;
  TunnelLimits tunnels;
  HistoryLimits history;
  SessionLimits sessions;
  LogStoreLimits output;
  TelemetryLimits telemetry;
  artifacts::StoreLimits artifacts;
  Retention retention;             // of artifacts
  WebhookTargets webhook_targets;  // beside the public internet; for tests and an operator's own
  WebhookLimits webhooks;
  net::HttpLimits http;
  std::size_t connections_max = 20'000;
  engine::EngineOptions engine;
  Duration stop_grace = seconds(10);
  Duration survival_interval = minutes(10);  // between fits of how long nodes last; 0: never
  Duration forecast_interval = minutes(1);   // between looks for an hour that is over; 0: never

  // Tries rules in a process of its own; empty: there are no trials here.
  TryPolicy try_policy;

  // Told of what an operator should know, in sentences. Called on any thread. Empty: nobody.
  std::function<void(const std::string&)> log;
};

// What bin/ opens: `engine` without subscribers. Everything outlives the server.
struct ServerParts {
  engine::EngineParts engine;
  Random* random = nullptr;
};

class Server {
 public:
  // Listens, replays the log, and serves. Until the log is replayed every request but /healthz is
  // answered with 503.
  static Result<std::unique_ptr<Server>> start(const DataFolder& folder, ServerOptions options,
                                               ServerParts parts);
  // stop(), if that was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes no new connection, finishes what is in flight, ends streams and agents' connections,
  // works off what the engine accepted. Idempotent. False when something had to be cut off.
  bool stop();

  std::uint16_t port() const { return http_->port(); }
  // Where clients and agents reach it.
  const std::string& url() const { return url_; }
  // SHA-256 of the certificate, or zero over plain HTTP.
  const Digest& certificate() const { return certificate_; }
  engine::Engine& engine() { return *engine_; }

 private:
  Server(ServerOptions options, ServerParts parts);
  Status open_stores(const DataFolder& folder);
  Status listen(const DataFolder& folder);
  Status open_market(const DataFolder& folder);
  Status check_key(const PublicKey& key);
  Result<std::shared_ptr<const net::TlsServer>> tls(const DataFolder& folder);
  ApiEdges edges();
  void tick_loop();
  void say(const std::string& sentence) const {
    if (options_.log) options_.log(sentence);
  }

  const ServerOptions options_;
  const ServerParts parts_;
  std::string url_;
  Digest certificate_{};
  std::string secret_;

  // In the order of their making; each may use those above it.
  QuoteStats quote_stats_;
  Superseded superseded_;
  KeyCache keys_;
  std::unique_ptr<KeyUses> key_uses_;
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<artifacts::BlobStore> artifacts_;
  std::unique_ptr<LogStore> output_;
  ConsoleFiles console_;
  std::unique_ptr<Sessions> sessions_;
  std::unique_ptr<History> history_;
  std::unique_ptr<WebhookStore> webhook_store_;
  std::unique_ptr<Webhooks> webhooks_;
  std::unique_ptr<TelemetryStore> telemetry_;
  std::unique_ptr<HubEndpoint> hub_;
  std::unique_ptr<Tunnels> tunnels_;
  std::optional<QuoteCodec> quotes_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<ArtifactSweeper> sweeper_;
  std::atomic<const ArtifactSweeper*> sweeping_ =
      nullptr;  // for the metrics, from the moment it is
  std::unique_ptr<ReceiptMaker> receipts_;
  std::unique_ptr<DiskPool> disk_;
  std::unique_ptr<PolicyTrials> trials_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<net::IoPool> pool_;
  std::unique_ptr<net::HttpServer> http_;

  std::mutex mutex_;
  std::condition_variable ticking_;
  bool stopped_ = false;  // under the mutex
  std::thread ticker_;
  std::unique_ptr<SurvivalWatch> survival_;
  std::unique_ptr<ForecastWatch> forecast_;
};

}  // namespace fallow::server
