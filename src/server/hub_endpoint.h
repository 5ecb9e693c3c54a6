// The hub's edge: WebSocket connections of agents on one side, the engine on the other.
//
// Owner: Server, which joins it to the engine once that runs, and outlives every connection.
// serve() runs on its connection's I/O thread; on_batch() on the market thread; the rest on any.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/bounded_queue.h"
#include "base/env.h"
#include "engine/engine.h"
#include "net/websocket.h"
#include "server/hub.h"
#include "server/log_store.h"
#include "server/ports.h"
#include "server/telemetry_store.h"

namespace fallow::server {

class HubEndpoint final : public HubPort,
                          public engine::Subscriber,
                          public SessionTokens,
                          public SecretDoor {
 public:
  // All outlive it.
  HubEndpoint(LogStore& logs, TelemetryStore& telemetry, const Clock& clock, Random& random,
              HubLimits limits = {});

  ~HubEndpoint() override;
  HubEndpoint(const HubEndpoint&) = delete;
  HubEndpoint& operator=(const HubEndpoint&) = delete;

  // From now on commands go to this engine. Once, before the first serve().
  void join(engine::Engine& engine) { engine_ = &engine; }
  // What an agent's connection may ask of the WebSocket.
  static net::WebSocketOptions socket_options();

  // Speaks with one agent until either side ends it.
  net::Task<void> serve(std::shared_ptr<net::WebSocket> socket);
  // Ends what checks proofs, which hands commands to the engine: to be called while that still
  // stands. What waits is dropped, what runs is waited for (a second). Idempotent; one thread.
  void stop();
  // About once a second.
  void tick() { hub_.tick(); }
  void shut_down() { hub_.shut_down(); }
  bool open_tunnel(NodeId node, LeaseId lease, std::string_view token) {
    return hub_.open_tunnel(node, lease, token);
  }
  std::size_t sessions() const { return hub_.sessions(); }
  // Depths of its queues, of all agents together. Walks all connections.
  struct Waiting {
    std::size_t messages = 0;  // to agents, not written yet
    std::size_t proof_jobs = 0;
    Hub::Waiting market;
  };
  Waiting waiting() const;

  // Subscriber.
  std::string_view name() const override { return "hub"; }
  void on_batch(const engine::Batch& batch, const core::Machine& machine) override;

  // SessionTokens.
  std::optional<NodeId> node_of(std::string_view token) const override;

  // SecretDoor.
  std::vector<SecretAsks::Ask> secret_asks(OrderId order) const override {
    return hub_.secret_asks(order);
  }
  SecretDelivery deliver_secrets(NodeId node, LeaseId lease, std::string sealed) override {
    return hub_.deliver_secrets(node, lease, std::move(sealed));
  }

  // HubPort.
  void send(SessionId session, const v1::HubMessage& message) override;
  void close(SessionId session) override;
  [[nodiscard]] Status submit(const v1::Command& command, Stored stored) override;
  [[nodiscard]] bool read(std::function<void(const core::Machine&)> visit) override;
  [[nodiscard]] bool work(std::function<void()> job) override;
  std::uint64_t store_log(const v1::LogChunk& chunk) override { return logs_.append(chunk); }
  void keep_telemetry(NodeId node, v1::Telemetry telemetry) override {
    telemetry_.take(node, std::move(telemetry), clock_.now());
  }
  std::vector<NodeId> nodes_watched() override { return telemetry_.watched(); }

 private:
  std::shared_ptr<net::WebSocket> socket_of(SessionId session);
  void work_off();

  static constexpr std::size_t kJobsWaitingMax = 256;

  LogStore& logs_;
  TelemetryStore& telemetry_;
  const Clock& clock_;
  Hub hub_;
  engine::Engine* engine_ = nullptr;
  mutable std::mutex mutex_;
  std::uint64_t last_session_ = 0;
  std::map<SessionId, std::shared_ptr<net::WebSocket>> sockets_;  // HubLimits::sessions_max
  // The checks of proofs, on one thread: they are to be done some time, not to take the machine.
  BoundedQueue<std::function<void()>> jobs_{kJobsWaitingMax};
  std::atomic<bool> stopping_ = false;
  std::thread worker_;
};

}  // namespace fallow::server
