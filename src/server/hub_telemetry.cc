// What nodes measure, as it comes through the hub: see hub.h.
#include <algorithm>
#include <utility>

#include "server/hub.h"

namespace fallow::server {
namespace {

// More than any node has: a few bytes of nothing, repeated, become megabytes in memory.
constexpr int kDevicesMax = 64;
constexpr int kWorkloadsMax = 1'024;
constexpr int kOwnerNotesMax = 64;
constexpr std::size_t kOwnerWhyBytesMax = 200;

bool are_of_an_owner(const v1::Telemetry& told) {
  return told.owner_size() <= kOwnerNotesMax &&
         std::all_of(told.owner().begin(), told.owner().end(), [](const v1::OwnerNote& note) {
           return note.why().size() <= kOwnerWhyBytesMax;
         });
}

bool is_of_a_node(const v1::TelemetrySample& sample) {
  return sample.devices_size() <= kDevicesMax && sample.workloads_size() <= kWorkloadsMax;
}

}  // namespace

// For people: too much or too often of it is dropped, and nobody is told.
void Hub::telemetry(Session& session, v1::Telemetry told) {
  const Time now = clock_.monotonic();
  if (told.ByteSizeLong() > limits_.telemetry_bytes_max) return;
  if (!is_of_a_node(told.now()) || !is_of_a_node(told.minute().mean()) ||
      !is_of_a_node(told.minute().max())) {
    return;
  }
  if (told.has_minute() && now - session.telemetry_minute_at < limits_.telemetry_minute_pause) {
    told.clear_minute();
  }
  if (told.has_now() && now - session.telemetry_at < limits_.telemetry_pause) told.clear_now();
  if (!are_of_an_owner(told) || now - session.owner_told_at < limits_.owner_pause) {
    told.clear_owner();
  }
  if (told.owner_size() > 0) session.owner_told_at = now;
  if (told.has_minute()) session.telemetry_minute_at = now;
  if (told.has_now()) session.telemetry_at = now;
  if (told.has_minute() || told.has_now() || told.owner_size() > 0)
    port_.keep_telemetry(session.node, std::move(told));
}

// Anew each second: an agent that did not hear it hears the next.
void Hub::ask_watched() {
  v1::HubMessage message;
  message.mutable_watch_telemetry()->set_for_us(limits_.watch.value);
  for (const NodeId node : port_.nodes_watched()) {
    const auto speaker = by_node_.find(node);
    if (speaker != by_node_.end()) port_.send(speaker->second, message);
  }
}

}  // namespace fallow::server
