#include "server/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>

namespace fallow::server {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                          0.05,   0.1,   0.25,   1,     5};

double number(std::uint64_t value) { return static_cast<double>(value); }

}  // namespace

prometheus::Gauge& Metrics::gauge(const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add({});
}

Metrics::Metrics(const Router& router) {
  auto& counts = prometheus::BuildCounter()
                     .Name("fallow_http_requests_total")
                     .Help("Requests answered, by route and class of status")
                     .Register(registry_);
  auto& seconds = prometheus::BuildHistogram()
                      .Name("fallow_http_request_seconds")
                      .Help("From a request's head to its answer's end; streams are left out")
                      .Register(registry_);
  const auto add = [&](const std::string& route) {
    PerRoute entry;
    for (std::size_t i = 0; i < entry.by_class.size(); ++i) {
      entry.by_class[i] = &counts.Add({{"route", route}, {"status", fmt::format("{}xx", i + 1)}});
    }
    entry.seconds = &seconds.Add({{"route", route}}, kSeconds);
    requests_.push_back(entry);
  };
  for (const Route& route : router.routes()) add(route.name);
  add("artifacts");
  add("other");

  gauges_.connections = &gauge("fallow_connections", "Open HTTP connections, agents included");
  gauges_.in_flight = &gauge("fallow_requests_in_flight", "Requests being answered");
  gauges_.streams = &gauge("fallow_streams_open", "Clients that follow events or output");
  gauges_.agents = &gauge("fallow_agents_connected", "Agents with a connection");
  gauges_.artifact_bytes =
      &gauge("fallow_artifact_bytes", "Bytes in the artifact store, unfinished uploads included");
  gauges_.artifact_bytes_max = &gauge("fallow_artifact_bytes_max", "Its limit");
  gauges_.artifact_uploads = &gauge("fallow_artifact_uploads", "Unfinished uploads");
  gauges_.artifact_sweeps = &gauge("fallow_artifact_sweeps", "Sweeps of the store since the start");
  gauges_.artifact_sweep_failures =
      &gauge("fallow_artifact_sweep_failures", "Sweeps that ended with an error");
  gauges_.artifacts_swept =
      &gauge("fallow_artifacts_swept", "Artifacts that nobody needed, removed since the start");
  gauges_.artifact_bytes_swept = &gauge("fallow_artifact_bytes_swept", "Bytes of them");
  gauges_.artifact_uploads_swept =
      &gauge("fallow_artifact_uploads_swept", "Unfinished uploads given up since the start");
  gauges_.commands = &gauge("fallow_log_commands", "Commands logged since the start");
  gauges_.batches = &gauge("fallow_log_batches", "Entries logged since the start");
  gauges_.commands_waiting = &gauge("fallow_commands_waiting", "Commands not yet in the log");
  gauges_.reads_waiting = &gauge("fallow_reads_waiting", "Visits waiting for the market thread");
  gauges_.turned_away = &gauge("fallow_turned_away", "Commands and visits that found a full queue");
  gauges_.storage_errors = &gauge("fallow_storage_errors", "Batches that the log did not take");
  gauges_.last_index = &gauge("fallow_last_index", "Place of the last command applied");
  gauges_.snapshot_index = &gauge("fallow_snapshot_index", "Place of the newest snapshot");
  gauges_.snapshot_seconds = &gauge("fallow_snapshot_seconds", "How long the last snapshot took");
  gauges_.accounts = &gauge("fallow_accounts", "Accounts");
  gauges_.nodes = &gauge("fallow_nodes", "Nodes that have joined");
  gauges_.nodes_connected = &gauge("fallow_nodes_connected", "Nodes that the market hears");
  gauges_.devices = &gauge("fallow_devices", "Devices of all nodes");
  gauges_.orders_open = &gauge("fallow_orders_open", "Orders that have not ended");
  gauges_.orders_waiting = &gauge("fallow_orders_waiting", "Orders with tasks that wait");
  gauges_.leases_open = &gauge("fallow_leases_open", "Leases that have not ended");
  gauges_.quotes_honoured =
      &gauge("fallow_quotes_honoured", "Quotes taken and honoured since the start");
  gauges_.quotes_gone =
      &gauge("fallow_quotes_gone", "Quotes taken in time whose offers were gone, since the start");
  gauges_.quotes_late = &gauge("fallow_quotes_late", "Quotes taken too late, since the start");
  gauges_.quotes_share = &gauge("fallow_quotes_honoured_share",
                                "Of the quotes taken in time, the share that was honoured");
  gauges_.tunnels_open = &gauge("fallow_tunnels_open", "Tunnels into sandboxes");
  gauges_.tunnels_opened = &gauge("fallow_tunnels_opened", "Tunnels opened since the start");
  gauges_.tunnel_bytes_in =
      &gauge("fallow_tunnel_bytes_in", "Bytes from renters to sandboxes since the start");
  gauges_.tunnel_bytes_out =
      &gauge("fallow_tunnel_bytes_out", "Bytes from sandboxes to renters since the start");
  gauges_.webhooks_delivered =
      &gauge("fallow_webhooks_delivered", "Events that receivers took since the start");
  gauges_.webhooks_failed =
      &gauge("fallow_webhooks_failed", "Attempts to send one that failed, since the start");
  gauges_.webhooks_stopped =
      &gauge("fallow_webhooks_stopped", "Webhooks that were given up since the start");
  gauges_.webhook_lookups_written_off =
      &gauge("fallow_webhook_lookups_written_off",
             "Lookups of receivers' names that took too long and have not ended yet");
  gauges_.webhooks_waiting =
      &gauge("fallow_webhooks_waiting", "Webhooks with something to look through, or to try again");
  gauges_.webhooks_sending = &gauge("fallow_webhooks_sending", "Webhooks that are being sent to");
  gauges_.agent_messages = &gauge("fallow_agent_messages_waiting",
                                  "Messages to agents that are not on their connections yet");
  gauges_.agent_reports =
      &gauge("fallow_agent_reports_waiting", "Reports of agents that the log has not taken yet");
  gauges_.node_links =
      &gauge("fallow_node_links_waiting", "Nodes whose coming or going the log has not taken yet");
  gauges_.proof_jobs =
      &gauge("fallow_proof_jobs_waiting", "Checks of proofs that have not begun yet");
  gauges_.disk_jobs = &gauge("fallow_disk_jobs_waiting", "Requests that wait for the local disk");
  gauges_.history_events =
      &gauge("fallow_history_events_waiting", "Events that the history has not on its disk yet");
}

void Metrics::observe(std::size_t route, int status, Duration took) {
  PerRoute& entry = requests_[route];
  entry.by_class[static_cast<std::size_t>(std::clamp(status / 100, 1, 5) - 1)]->Increment();
  if (took.value >= 0) entry.seconds->Observe(static_cast<double>(took.value) / 1e6);
}

void Metrics::set(const Gauges& now) {
  gauges_.connections->Set(number(now.connections));
  gauges_.in_flight->Set(number(now.requests_in_flight));
  gauges_.streams->Set(number(now.streams_open));
  gauges_.agents->Set(number(now.agents_connected));
  gauges_.artifact_bytes->Set(number(now.artifact_bytes));
  gauges_.artifact_bytes_max->Set(number(now.artifact_bytes_max));
  gauges_.artifact_uploads->Set(number(now.artifact_uploads));
  gauges_.artifact_sweeps->Set(number(now.swept.sweeps));
  gauges_.artifact_sweep_failures->Set(number(now.swept.failures));
  gauges_.artifacts_swept->Set(number(now.swept.artifacts));
  gauges_.artifact_bytes_swept->Set(number(now.swept.bytes));
  gauges_.artifact_uploads_swept->Set(number(now.swept.uploads));
  const engine::SequencerStats& log = now.engine.sequencer;
  gauges_.commands->Set(number(log.commands));
  gauges_.batches->Set(number(log.batches));
  gauges_.commands_waiting->Set(number(log.commands_waiting));
  gauges_.reads_waiting->Set(number(log.reads_waiting));
  gauges_.turned_away->Set(number(log.turned_away));
  gauges_.storage_errors->Set(number(log.storage_errors));
  gauges_.last_index->Set(number(log.applied.value));
  gauges_.snapshot_index->Set(number(now.engine.snapshots.newest.value));
  gauges_.snapshot_seconds->Set(static_cast<double>(now.engine.snapshots.last_took.value) / 1e6);
  gauges_.accounts->Set(number(now.market.accounts));
  gauges_.nodes->Set(number(now.market.nodes));
  gauges_.nodes_connected->Set(number(now.market.nodes_connected));
  gauges_.devices->Set(number(now.market.devices));
  gauges_.orders_open->Set(number(now.market.orders_open));
  gauges_.orders_waiting->Set(number(now.market.orders_waiting));
  gauges_.leases_open->Set(number(now.market.leases_open));
  gauges_.quotes_honoured->Set(number(now.quotes.honoured));
  gauges_.quotes_gone->Set(number(now.quotes.gone));
  gauges_.quotes_late->Set(number(now.quotes.late));
  gauges_.quotes_share->Set(now.quotes.share_honoured());
  gauges_.tunnels_open->Set(number(now.tunnels.open));
  gauges_.tunnels_opened->Set(number(now.tunnels.opened));
  gauges_.tunnel_bytes_in->Set(number(now.tunnels.bytes_in));
  gauges_.tunnel_bytes_out->Set(number(now.tunnels.bytes_out));
  gauges_.webhooks_delivered->Set(number(now.webhooks.delivered));
  gauges_.webhooks_failed->Set(number(now.webhooks.failed));
  gauges_.webhooks_stopped->Set(number(now.webhooks.stopped));
  gauges_.webhook_lookups_written_off->Set(number(now.webhooks.lookups_written_off));
  gauges_.webhooks_waiting->Set(number(now.webhooks.waiting));
  gauges_.webhooks_sending->Set(number(now.webhooks.sending));
  gauges_.agent_messages->Set(number(now.queues.agent_messages));
  gauges_.agent_reports->Set(number(now.queues.agent_reports));
  gauges_.node_links->Set(number(now.queues.node_links));
  gauges_.proof_jobs->Set(number(now.queues.proof_jobs));
  gauges_.disk_jobs->Set(number(now.queues.disk_jobs));
  gauges_.history_events->Set(number(now.queues.history_events));
}

std::string Metrics::write(const Gauges& gauges) {
  set(gauges);
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace fallow::server
