#include "server/server.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <utility>

#include "base/check.h"
#include "net/tls.h"
#include "net/url.h"

namespace fallow::server {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

bool is_wildcard(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

std::string url_of(const ServerOptions& options, std::uint16_t port) {
  if (!options.url.empty()) return options.url;
  std::string host = is_wildcard(options.address) ? host_name() : options.address;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return fmt::format("{}://{}:{}", options.plain_http ? "http" : "https", host, port);
}

std::vector<std::string> certificate_hosts(const ServerOptions& options) {
  std::vector<std::string> hosts;
  if (const auto url = net::parse_url(options.url); url) hosts.push_back(url->host);
  if (!is_wildcard(options.address)) hosts.push_back(options.address);
  for (const std::string& host :
       {host_name(), std::string("localhost"), std::string("127.0.0.1")}) {
    if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) hosts.push_back(host);
  }
  return hosts;
}

}  // namespace

Server::Server(ServerOptions options, ServerParts parts)
    : options_(std::move(options)), parts_(std::move(parts)) {}

Result<std::unique_ptr<Server>> Server::start(const DataFolder& folder, ServerOptions options,
                                              ServerParts parts) {
  FALLOW_CHECK(
      parts.engine.log != nullptr && parts.engine.clock != nullptr && parts.random != nullptr,
      "a server needs a log, a clock and chance");
  if (options.plain_http && !is_loopback(options.address)) {
    return fail(ErrorCode::kInvalid,
                "plain HTTP on {} would send keys in the clear; listen on 127.0.0.1, or use TLS",
                options.address);
  }
  auto server = std::unique_ptr<Server>(new Server(std::move(options), std::move(parts)));
  FALLOW_TRY(server->open_stores(folder));
  FALLOW_TRY(server->listen(folder));
  FALLOW_TRY(server->open_market(folder));
  return server;
}

Status Server::open_stores(const DataFolder& folder) {
  FALLOW_ASSIGN(secret_, folder.server_secret(*parts_.random));
  quotes_.emplace(secret_);
  FALLOW_ASSIGN(access_log_, AccessLog::open(folder.access_log_file()));
  FALLOW_ASSIGN(artifacts_,
                artifacts::BlobStore::open(folder.artifacts_folder(), options_.artifacts));
  FALLOW_ASSIGN(output_, LogStore::open(folder.output_folder(), options_.output));
  FALLOW_ASSIGN(history_, History::open(folder.history_file(), options_.history));
  FALLOW_ASSIGN(sessions_, Sessions::open(folder.sessions_file(), options_.sessions,
                                          parts_.engine.clock->now()));
  FALLOW_ASSIGN(key_uses_, KeyUses::open(folder.key_uses_file()));
  if (!options_.console.empty()) {
    FALLOW_ASSIGN(console_, ConsoleFiles::load(options_.console));
  }
  FALLOW_ASSIGN(telemetry_, TelemetryStore::open(folder.telemetry_file(), options_.telemetry));
  hub_ = std::make_unique<HubEndpoint>(*output_, *telemetry_, *parts_.engine.clock, *parts_.random,
                                       options_.hub);
  const Tunnels::Ask ask = [this](NodeId node, LeaseId lease, std::string_view token) {
    return hub_->open_tunnel(node, lease, token);
  };
  tunnels_ = std::make_unique<Tunnels>(ask, *parts_.engine.clock, *parts_.random, options_.tunnels);
  disk_ = std::make_unique<DiskPool>(options_.disk_threads);
  FALLOW_ASSIGN(webhook_store_, WebhookStore::open(folder.webhooks_file()));
  Webhooks::Parts webhooks;
  webhooks.feed = history_.get();
  webhooks.store = webhook_store_.get();
  webhooks.disk = disk_.get();
  webhooks.clock = parts_.engine.clock;
  webhooks.random = parts_.random;
  webhooks.secret = secret_;
  webhooks.log = options_.log;
  webhooks_ =
      std::make_unique<Webhooks>(std::move(webhooks), options_.webhook_targets, options_.webhooks);
  trials_ = std::make_unique<PolicyTrials>(options_.try_policy, *parts_.engine.clock);
  return {};
}

Result<std::shared_ptr<const net::TlsServer>> Server::tls(const DataFolder& folder) {
  FALLOW_ASSIGN(const net::CertificateAndKey pair, folder.certificate(certificate_hosts(options_)));
  return net::TlsServer::from_pem(pair.certificate_pem, pair.key_pem);
}

ApiEdges Server::edges() {
  ApiEdges edges;
  edges.store = artifacts_.get();
  edges.disk = disk_.get();
  edges.sessions = hub_.get();
  edges.console = &console_;
  edges.access_log = access_log_.get();
  edges.clock = parts_.engine.clock;
  edges.limiter_seed = parts_.random->next_u64();
  edges.serve_agent = [this](net::Exchange& exchange) -> net::Task<void> {
    auto socket = co_await exchange.upgrade(HubEndpoint::socket_options());
    if (socket) co_await hub_->serve(std::move(*socket));
  };
  edges.tunnels = tunnels_.get();
  edges.gauges = [this] {
    Gauges gauges;
    gauges.connections = http_->connection_count();
    gauges.agents_connected = hub_->sessions();
    gauges.tunnels = tunnels_->counts();
    gauges.artifact_bytes = artifacts_->bytes_used();
    gauges.artifact_bytes_max = artifacts_->limits().bytes_max;
    gauges.artifact_uploads = artifacts_->uploads();
    if (const ArtifactSweeper* sweeper = sweeping_.load()) gauges.swept = sweeper->counts();
    gauges.quotes = quote_stats_.counts();
    gauges.webhooks = webhooks_->counts();
    const HubEndpoint::Waiting hub = hub_->waiting();
    gauges.queues.agent_messages = hub.messages;
    gauges.queues.agent_reports = hub.market.reports;
    gauges.queues.node_links = hub.market.links;
    gauges.queues.proof_jobs = hub.proof_jobs;
    gauges.queues.disk_jobs = disk_->waiting();
    gauges.queues.history_events = history_->waiting();
    return gauges;
  };
  return edges;
}

Status Server::listen(const DataFolder& folder) {
  net::HttpServerOptions http;
  http.address = options_.address;
  http.port = options_.port;
  http.limits = options_.http;
  http.connections_max = options_.connections_max;
  http.log = options_.log;
  if (!options_.plain_http) {
    FALLOW_ASSIGN(http.tls, tls(folder));
    certificate_ = http.tls->fingerprint();
  }
  api_ = std::make_unique<Api>(edges(), options_.api);
  pool_ = std::make_unique<net::IoPool>(options_.io_threads);
  FALLOW_ASSIGN(http_,
                net::HttpServer::start(*pool_, std::move(http), [this](net::Exchange& exchange) {
                  return api_->serve(exchange);
                }));
  url_ = url_of(options_, http_->port());
  return {};
}

Status Server::open_market(const DataFolder& folder) {
  FALLOW_ASSIGN(const auto head, parts_.engine.log->head());
  const bool is_new = head.last.value == 0;
  FALLOW_ASSIGN(SigningKey key, folder.market_key(*parts_.random, is_new));
  v1::Found found;
  if (is_new) {
    FALLOW_ASSIGN(const Digest operator_key, folder.new_operator_key(*parts_.random));
    found.set_market_name(options_.market_name);
    found.set_currency(options_.currency);
    found.set_market_public_key(std::string(key.public_key().begin(), key.public_key().end()));
    *found.mutable_policy() = options_.policy;
    found.set_operator_key_hash(to_bytes(operator_key));
    say(fmt::format("a new market: the operator's key is in {}", folder.operator_key_file()));
  }
  engine::EngineParts parts = parts_.engine;
  parts.subscribers.push_back(&keys_);
  parts.subscribers.push_back(key_uses_.get());
  parts.subscribers.push_back(&quote_stats_);
  parts.subscribers.push_back(&superseded_);
  parts.subscribers.push_back(history_.get());
  parts.subscribers.push_back(hub_.get());
  parts.subscribers.push_back(tunnels_.get());
  parts.subscribers.push_back(webhooks_.get());
  FALLOW_ASSIGN(engine_, engine::Engine::start(std::move(parts), options_.engine, found));
  for (const std::string& note : engine_->notes()) say(note);
  FALLOW_TRY(check_key(key.public_key()));

  sweeper_ = std::make_unique<ArtifactSweeper>(*artifacts_, *engine_, superseded_,
                                               options_.retention, options_.log);
  sweeping_ = sweeper_.get();
  sweeper_->start();
  receipts_ = std::make_unique<ReceiptMaker>(*engine_, *history_, key);
  hub_->join(*engine_);
  ApiParts api;
  api.engine = engine_.get();
  api.clock = parts_.engine.clock;
  api.random = parts_.random;
  api.keys = &keys_;
  api.key_uses = key_uses_.get();
  api.webhooks = webhooks_.get();
  api.webhook_store = webhook_store_.get();
  api.quotes = &*quotes_;
  api.logs = output_.get();
  api.receipts = receipts_.get();
  api.transfers = history_.get();
  api.statements = history_.get();
  api.earnings = history_.get();
  api.prices = history_.get();
  api.hours = history_.get();
  api.feed = history_.get();
  api.audit = history_.get();
  api.telemetry = telemetry_.get();
  api.disk = disk_.get();
  api.artifacts = artifacts_.get();
  api.sessions = sessions_.get();
  api.trials = trials_.get();
  api.secrets = hub_.get();
  api.cookie = CookieForm::of(secret_, !options_.plain_http || options_.url.starts_with("https:"));
  api.secret = secret_;
  api.scratch_folder = folder.path();
  api.url = url_;
  api.certificate = certificate_;
  FALLOW_TRY(webhooks_->start(*engine_));
  api_->open(api);
  ticker_ = std::thread([this] { tick_loop(); });
  if (options_.survival_interval.value > 0) {
    survival_ =
        std::make_unique<SurvivalWatch>(*engine_, *parts_.engine.clock, options_.survival_interval);
  }
  if (options_.forecast_interval.value > 0) {
    forecast_ = std::make_unique<ForecastWatch>(*engine_, *history_, *parts_.engine.clock,
                                                options_.forecast_interval);
  }
  return {};
}

Status Server::check_key(const PublicKey& key) {
  std::promise<bool> promise;
  FALLOW_TRY(engine_->read([&](const core::Machine& machine) {
    promise.set_value(machine.found().market_public_key() == std::string(key.begin(), key.end()));
  }));
  if (promise.get_future().get()) return {};
  return fail(ErrorCode::kInvalid,
              "keys/market.key is not the key of the market in the log; restore the right one");
}

void Server::tick_loop() {
  std::unique_lock lock(mutex_);
  while (!ticking_.wait_for(lock, std::chrono::seconds(1), [this] { return stopped_; })) {
    lock.unlock();
    hub_->tick();
    tunnels_->tick([this](const Digest& session) {
      return sessions_->find(session, parts_.engine.clock->now()).has_value();
    });
    lock.lock();
  }
}

Server::~Server() { stop(); }

bool Server::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return true;
    stopped_ = true;
  }
  ticking_.notify_all();
  if (ticker_.joinable()) ticker_.join();
  survival_.reset();
  forecast_.reset();
  if (webhooks_) webhooks_->stop();
  if (sweeper_) sweeper_->stop();
  if (api_) api_->close();
  if (trials_) trials_->stop();
  if (tunnels_) tunnels_->shut_down();
  if (hub_) hub_->shut_down();
  const bool complete = http_ == nullptr || http_->stop(options_.stop_grace);
  if (hub_) hub_->stop();  // its worker hands commands to the engine
  if (engine_) engine_->stop();
  if (disk_) disk_->stop();
  // Last of all whatever still waits on an I/O thread: everything it refers to still stands.
  if (pool_) pool_->stop();
  return complete;
}

}  // namespace fallow::server
