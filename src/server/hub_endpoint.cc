#include "server/hub_endpoint.h"

#include <utility>

namespace fallow::server {

HubEndpoint::HubEndpoint(LogStore& logs, TelemetryStore& telemetry, const Clock& clock,
                         Random& random, HubLimits limits)
    : logs_(logs),
      telemetry_(telemetry),
      clock_(clock),
      hub_(*this, clock, random, limits),
      worker_([this] { work_off(); }) {}

HubEndpoint::~HubEndpoint() { stop(); }

void HubEndpoint::stop() {
  stopping_ = true;
  jobs_.close();
  if (worker_.joinable()) worker_.join();
}

void HubEndpoint::work_off() {
  while (true) {
    const std::vector<std::function<void()>> jobs = jobs_.pop_many(1, std::chrono::minutes(1));
    if (stopping_) return;
    for (const std::function<void()>& job : jobs) job();
  }
}

bool HubEndpoint::work(std::function<void()> job) { return jobs_.try_push(std::move(job)); }

net::WebSocketOptions HubEndpoint::socket_options() {
  net::WebSocketOptions options;
  options.message_bytes_max = std::size_t{4} << 20;
  return options;
}

net::Task<void> HubEndpoint::serve(std::shared_ptr<net::WebSocket> socket) {
  SessionId session;
  {
    const std::lock_guard lock(mutex_);
    session = SessionId(++last_session_);
    sockets_.emplace(session, socket);
  }
  hub_.opened(session);
  for (;;) {
    auto message = co_await socket->receive();
    if (!message) break;
    hub_.received(session, message->data);
  }
  {
    const std::lock_guard lock(mutex_);
    sockets_.erase(session);
  }
  hub_.closed(session);
}

HubEndpoint::Waiting HubEndpoint::waiting() const {
  Waiting waiting;
  waiting.market = hub_.waiting();
  waiting.proof_jobs = jobs_.size();
  const std::lock_guard lock(mutex_);
  for (const auto& [session, socket] : sockets_) waiting.messages += socket->unsent();
  return waiting;
}

void HubEndpoint::on_batch(const engine::Batch& batch, const core::Machine& machine) {
  hub_.applied(machine, batch.commands);
}

std::optional<NodeId> HubEndpoint::node_of(std::string_view token) const {
  const NodeId node = hub_.node_of_token(token);
  if (!node) return std::nullopt;
  return node;
}

std::shared_ptr<net::WebSocket> HubEndpoint::socket_of(SessionId session) {
  const std::lock_guard lock(mutex_);
  const auto found = sockets_.find(session);
  return found == sockets_.end() ? nullptr : found->second;
}

void HubEndpoint::send(SessionId session, const v1::HubMessage& message) {
  const auto socket = socket_of(session);
  // An agent that cannot keep up is cut off; it connects anew and gets the whole desired set.
  if (socket && !socket->try_send(message.SerializeAsString())) socket->cancel();
}

void HubEndpoint::close(SessionId session) {
  if (const auto socket = socket_of(session)) socket->close(net::CloseCode::kNormal, "goodbye");
}

Status HubEndpoint::submit(const v1::Command& command, Stored stored) {
  return engine_->submit(command,
                         [stored = std::move(stored)](const Result<engine::Applied>& applied,
                                                      const core::Machine& machine) {
                           stored(applied ? &machine : nullptr);
                         });
}

bool HubEndpoint::read(std::function<void(const core::Machine&)> visit) {
  return engine_->read(std::move(visit)).has_value();
}

}  // namespace fallow::server
