// What nodes measure, live and by the minute: of the services Leases and Nodes.
#include <algorithm>
#include <vector>

#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/json.h"
#include "server/pages.h"
#include "server/views.h"
#include "server/visible.h"

namespace fallow::server {
namespace {

// Of one page: minutes of nodes with many devices and leases are large.
constexpr std::size_t kPageBytesMax = std::size_t{1} << 20;
// A node that is asked to measure answers within a second or two; a lease's end is found by
// looking.
constexpr Duration kLookEvery = seconds(1);

// Whose samples, and what of them.
struct Measured {
  NodeId node;
  bool all = true;  // else only that of the lease
  LeaseId lease;
  std::vector<std::uint32_t> devices = {};
  Time from{};  // of a lease
  Time until{};
  bool has_ended = false;
};

Measured measured_of(const core::Lease& lease) {
  return {.node = lease.node,
          .all = false,
          .lease = lease.id,
          .devices = lease.devices,
          .from = lease.placed_at,
          .until = lease.ended_at,
          .has_ended = !core::is_open(lease)};
}

bool is_empty(const v1::TelemetrySample& sample) {
  return sample.devices().empty() && sample.workloads().empty() && !sample.has_host();
}

// Of a lease: its own, and the machine beside it.
v1::TelemetrySample part_of(const v1::TelemetrySample& sample, const Measured& wanted) {
  if (wanted.all) return sample;
  v1::TelemetrySample part;
  for (const v1::DeviceSample& device : sample.devices()) {
    const auto& ours = wanted.devices;
    if (std::find(ours.begin(), ours.end(), device.device()) != ours.end()) {
      *part.add_devices() = device;
    }
  }
  for (const v1::WorkloadSample& workload : sample.workloads()) {
    if (workload.lease() == wanted.lease.value) *part.add_workloads() = workload;
  }
  if (!is_empty(part) && sample.has_host()) *part.mutable_host() = sample.host();
  return part;
}

using FindMeasured = std::function<Answer<Measured>(const core::Machine&)>;

class TelemetryFeed final : public EventSource {
 public:
  TelemetryFeed(Call& call, FindMeasured find, NodeId node, const net::Notifier& wake)
      : call_(call),
        find_(std::move(find)),
        subscription_(call.parts().telemetry->watch(node, [wake] { wake.notify(); })) {}

  net::Task<Answer<Chunk>> next() override {
    FALLOW_CO_ASSIGN(const Measured wanted, co_await call_.visit(find_));
    Chunk chunk;
    chunk.is_last = wanted.has_ended;
    const auto moment = call_.parts().telemetry->latest(wanted.node);
    if (!moment || moment->at <= told_) co_return chunk;
    told_ = moment->at;
    v1::TelemetryView view;
    *view.mutable_at() = timestamp_of(moment->at);
    *view.mutable_now() = part_of(moment->sample, wanted);
    if (!is_empty(view.now())) chunk.events.push_back({{}, write_json(view), {}});
    co_return chunk;
  }
  Duration poll_interval() const override { return kLookEvery; }

 private:
  Call& call_;
  const FindMeasured find_;
  Time told_{};
  std::unique_ptr<Subscription> subscription_;
};

template <class Request>
net::Task<Answer<v1::ListTelemetryResponse>> list_minutes(Call& call, FindMeasured find,
                                                          std::string list, Request request) {
  FALLOW_CO_ASSIGN(const std::size_t count, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t after_us, page_position(list, request.page_token()));
  FALLOW_CO_ASSIGN(const Measured wanted, co_await call.visit(find));
  // The last minute of a lease comes behind its end.
  const Time until = wanted.all || !wanted.has_ended ? call.now() : wanted.until + minutes(1);
  Time after = std::max(wanted.from, Time{static_cast<std::int64_t>(after_us)});
  if (request.last_minutes() != 0) after = std::max(after, until - minutes(request.last_minutes()));
  const std::function<Answer<v1::ListTelemetryResponse>()> read =
      [&]() -> Answer<v1::ListTelemetryResponse> {
    const auto found = call.parts().telemetry->minutes(wanted.node, after, until, count);
    if (!found) return tl::unexpected(problem_of(found.error(), "read what was measured"));
    v1::ListTelemetryResponse response;
    std::size_t bytes = 0;
    bool is_full = found->size() == count;
    Time last{};
    for (const TelemetrySource::Minute& one : *found) {
      bytes += one.minute.ByteSizeLong();
      if (bytes > kPageBytesMax && last.us != 0) {
        is_full = true;
        break;
      }
      last = one.at;
      v1::TelemetryMinuteView view;
      *view.mutable_at() = timestamp_of(one.at);
      view.set_seconds(one.minute.seconds());
      *view.mutable_mean() = part_of(one.minute.mean(), wanted);
      *view.mutable_max() = part_of(one.minute.max(), wanted);
      if (!is_empty(view.max())) *response.add_minutes() = std::move(view);
    }
    if (is_full)
      response.set_next_page_token(page_token(list, static_cast<std::uint64_t>(last.us)));
    return response;
  };
  co_return co_await call.on_disk(read);
}

FindMeasured of_lease(const Call& call, std::uint64_t lease) {
  return [&call, lease](const core::Machine& machine) -> Answer<Measured> {
    FALLOW_ASSIGN(const core::Lease* found, visible_lease(call, machine, lease));
    return measured_of(*found);
  };
}

FindMeasured of_node(const Call& call, std::uint64_t node) {
  return [&call, node](const core::Machine& machine) -> Answer<Measured> {
    FALLOW_ASSIGN(const core::Node* found, visible_node(call, machine, node));
    return Measured{.node = found->id};
  };
}

OpenStream follow(Call& call, FindMeasured find, net::Notifier wake) {
  FALLOW_CO_ASSIGN(const Measured wanted, co_await call.visit(find));
  co_return std::make_unique<TelemetryFeed>(call, std::move(find), wanted.node, wake);
}

OpenStream follow_lease_telemetry(Call& call, const v1::FollowLeaseTelemetryRequest& request,
                                  net::Notifier wake) {
  return follow(call, of_lease(call, request.lease()), std::move(wake));
}

OpenStream follow_node_telemetry(Call& call, const v1::FollowNodeTelemetryRequest& request,
                                 net::Notifier wake) {
  return follow(call, of_node(call, request.node()), std::move(wake));
}

net::Task<Answer<v1::ListTelemetryResponse>> list_lease_telemetry(
    Call& call, const v1::ListLeaseTelemetryRequest& request) {
  return list_minutes(call, of_lease(call, request.lease()), "lease telemetry", request);
}

net::Task<Answer<v1::ListTelemetryResponse>> list_node_telemetry(
    Call& call, const v1::ListNodeTelemetryRequest& request) {
  return list_minutes(call, of_node(call, request.node()), "node telemetry", request);
}

net::Task<Answer<v1::ListOwnerNotesResponse>> list_owner_notes(
    Call& call, const v1::ListOwnerNotesRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t count, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t before, page_position("owner notes", request.page_token()));
  FALLOW_CO_ASSIGN(const Measured wanted, co_await call.visit(of_node(call, request.node())));
  const std::function<Answer<v1::ListOwnerNotesResponse>()> read =
      [&]() -> Answer<v1::ListOwnerNotesResponse> {
    const auto found = call.parts().telemetry->owner_moments(wanted.node, before, count);
    if (!found) return tl::unexpected(problem_of(found.error(), "read what owners did"));
    v1::ListOwnerNotesResponse response;
    for (const TelemetrySource::OwnerMoment& one : *found) {
      v1::OwnerNoteView& view = *response.add_notes();
      *view.mutable_at() = timestamp_of(one.at);
      view.set_act(one.note.act());
      view.set_why(one.note.why());
      view.set_lease(one.note.lease());
    }
    if (found->size() == count) {
      response.set_next_page_token(page_token("owner notes", found->back().id));
    }
    return response;
  };
  co_return co_await call.on_disk(read);
}

}  // namespace

void add_telemetry_handlers(Handlers& handlers) {
  handlers.add_stream<v1::FollowLeaseTelemetryRequest, v1::TelemetryView>(
      "Leases.FollowLeaseTelemetry", follow_lease_telemetry);
  handlers.add("Leases.ListLeaseTelemetry", list_lease_telemetry);
  handlers.add_stream<v1::FollowNodeTelemetryRequest, v1::TelemetryView>(
      "Nodes.FollowNodeTelemetry", follow_node_telemetry);
  handlers.add("Nodes.ListNodeTelemetry", list_node_telemetry);
  handlers.add("Nodes.ListOwnerNotes", list_owner_notes);
}

}  // namespace fallow::server
