// What an operator watches, for Prometheus.
//
// Owner: Server. observe() on any I/O thread, cheap; write() gathers the rest when asked.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "base/types.h"
#include "core/machine.h"
#include "engine/engine.h"
#include "server/artifact_sweeper.h"
#include "server/quote_stats.h"
#include "server/router.h"
#include "server/tunnels.h"
#include "server/webhooks.h"

namespace fallow::server {

// What waits inside of the server, beside the market's own two queues.
struct QueueDepths {
  std::size_t agent_messages = 0;
  std::size_t agent_reports = 0;
  std::size_t node_links = 0;
  std::size_t proof_jobs = 0;
  std::size_t disk_jobs = 0;
  std::size_t history_events = 0;
};

// Of the moment of asking.
struct Gauges {
  std::size_t connections = 0;
  std::size_t requests_in_flight = 0;
  std::size_t streams_open = 0;
  std::size_t agents_connected = 0;
  std::uint64_t artifact_bytes = 0;
  std::uint64_t artifact_bytes_max = 0;
  std::size_t artifact_uploads = 0;
  ArtifactSweeper::Counts swept;
  engine::EngineStats engine;
  core::Machine::Counts market;
  QuoteStats::Counts quotes;
  Tunnels::Counts tunnels;
  Webhooks::Counts webhooks;
  QueueDepths queues;
};

class Metrics {
 public:
  // The routes of the schema and, beside them, "artifacts" and "other".
  explicit Metrics(const Router& router);

  // `route`: Route::number, or kArtifacts, kOther counted from the end.
  void observe(std::size_t route, int status, Duration took);
  std::size_t artifacts_route() const { return requests_.size() - 2; }
  std::size_t other_route() const { return requests_.size() - 1; }

  // Prometheus' text format.
  std::string write(const Gauges& gauges);

 private:
  struct PerRoute {
    std::array<prometheus::Counter*, 5> by_class{};  // 1xx .. 5xx
    prometheus::Histogram* seconds = nullptr;
  };
  prometheus::Gauge& gauge(const std::string& name, const std::string& help);
  void set(const Gauges& gauges);

  prometheus::Registry registry_;
  std::vector<PerRoute> requests_;
  struct Named {
    prometheus::Gauge *connections, *in_flight, *streams, *agents, *artifact_bytes,
        *artifact_bytes_max, *artifact_uploads, *artifact_sweeps, *artifact_sweep_failures,
        *artifacts_swept, *artifact_bytes_swept, *artifact_uploads_swept, *commands, *batches,
        *commands_waiting, *reads_waiting, *turned_away, *storage_errors, *last_index,
        *snapshot_index, *snapshot_seconds, *accounts, *nodes, *nodes_connected, *devices,
        *orders_open, *orders_waiting, *leases_open, *quotes_honoured, *quotes_gone, *quotes_late,
        *quotes_share, *tunnels_open, *tunnels_opened, *tunnel_bytes_in, *tunnel_bytes_out,
        *webhooks_delivered, *webhooks_failed, *webhooks_stopped, *webhook_lookups_written_off,
        *webhooks_waiting, *webhooks_sending, *agent_messages, *agent_reports, *node_links,
        *proof_jobs, *disk_jobs, *history_events;
  } gauges_;
};

}  // namespace fallow::server
