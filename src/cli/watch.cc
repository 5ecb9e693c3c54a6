#include "cli/watch.h"

#include <google/protobuf/util/time_util.h>

#include <memory>
#include <string>

#include "cli/command.h"

namespace fallow::cli {
namespace {

struct WatchOptions {
  std::uint64_t id = 0;
  bool minutes = false;
};

std::string in_gb(std::uint32_t mb) { return fmt::format("{:.1f} GB", mb / 1024.0); }
std::string in_mb_second(std::uint32_t kbps) { return fmt::format("{:.1f} MB/s", kbps / 1e3); }

// What is known, each behind two blanks.
std::string line_of(const v1::DeviceSample& device) {
  std::string words = fmt::format("device {}", device.device());
  if (device.has_percent()) words += fmt::format("  {} %", device.percent());
  if (device.has_memory_mb()) words += "  " + in_gb(device.memory_mb());
  if (device.has_milliwatts()) words += fmt::format("  {:.0f} W", device.milliwatts() / 1e3);
  if (device.has_celsius()) words += fmt::format("  {} C", device.celsius());
  if (device.has_core_mhz()) words += fmt::format("  {} MHz", device.core_mhz());
  if (device.has_memory_mhz()) words += fmt::format("  memory {} MHz", device.memory_mhz());
  if (device.slowed_thousandths() > 0) {
    words += fmt::format("  slowed by {:.1f} %", device.slowed_thousandths() / 10.0);
  }
  for (const int reason : device.throttled_by()) {
    words += "  " + lower(v1::ThrottleReason_Name(static_cast<v1::ThrottleReason>(reason)));
  }
  if (device.ecc_corrected() > 0) words += fmt::format("  corrected {}", device.ecc_corrected());
  if (device.ecc_uncorrected() > 0) {
    words += fmt::format("  uncorrected {}", device.ecc_uncorrected());
  }
  if (device.xid() != 0) words += fmt::format("  Xid {}", device.xid());
  return words;
}

// Of a workload, or of the machine.
template <class Sample>
std::string use_words(const Sample& sample) {
  std::string words;
  if (sample.has_cpu_thousandths()) {
    words += fmt::format("  {:.2f} cores", sample.cpu_thousandths() / 1e3);
  }
  if (sample.has_memory_mb()) words += "  " + in_gb(sample.memory_mb());
  if (sample.has_disk_read_kbps()) words += "  disk in " + in_mb_second(sample.disk_read_kbps());
  if (sample.has_disk_written_kbps()) words += " out " + in_mb_second(sample.disk_written_kbps());
  if (sample.has_network_in_kbps()) {
    words += "  network in " + in_mb_second(sample.network_in_kbps());
  }
  if (sample.has_network_out_kbps()) words += " out " + in_mb_second(sample.network_out_kbps());
  return words;
}

// "14:03:22", as the market's clock has it (UTC); of a minute also the day.
std::string moment_of(const google::protobuf::Timestamp& at, bool with_day) {
  const std::string text = google::protobuf::util::TimeUtil::ToString(at);
  return with_day ? text.substr(0, 10) + " " + text.substr(11, 5) : text.substr(11, 8);
}

void print_lines(const std::string& head, const v1::TelemetrySample& sample) {
  for (const v1::DeviceSample& device : sample.devices()) {
    fmt::print("{}  {}\n", head, line_of(device));
  }
  for (const v1::WorkloadSample& workload : sample.workloads()) {
    fmt::print("{}  lease {}{}\n", head, workload.lease(), use_words(workload));
  }
  if (sample.has_host()) fmt::print("{}  machine{}\n", head, use_words(sample.host()));
  std::fflush(stdout);
}

template <class Request>
int follow_live(const Context& context, client::Api& api, const char* rpc, const Request& request) {
  const std::function<bool(const v1::TelemetryView&)> each = [&](const v1::TelemetryView& view) {
    if (context.json) {
      print_json(view);
      std::fflush(stdout);
    } else {
      print_lines(moment_of(view.at(), false), view.now());
    }
    return true;
  };
  const auto done = api.stream<v1::TelemetryView>(rpc, request, each);
  return done ? kDone : report(context, done.error());
}

template <class Request>
int list_minutes(const Context& context, client::Api& api, const char* rpc, Request request) {
  bool is_empty = true;
  do {
    const auto page = api.call<v1::ListTelemetryResponse>(rpc, request);
    if (!page) return report(context, page.error());
    for (const v1::TelemetryMinuteView& minute : page->minutes()) {
      is_empty = false;
      if (context.json) {
        print_json(minute);
        continue;
      }
      const std::string at = moment_of(minute.at(), true);
      print_lines(at + "  mean", minute.mean());
      print_lines(at + "  most", minute.max());
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (is_empty && !context.json) {
    std::puts("nothing was measured: a node measures while a lease runs, or somebody watches");
  }
  return kDone;
}

int watch(const Context& context, Watched what, const WatchOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  if (what == Watched::kLease && options.minutes) {
    v1::ListLeaseTelemetryRequest request;
    request.set_lease(options.id);
    return list_minutes(context, *api, "Leases.ListLeaseTelemetry", request);
  }
  if (what == Watched::kLease) {
    v1::FollowLeaseTelemetryRequest request;
    request.set_lease(options.id);
    return follow_live(context, *api, "Leases.FollowLeaseTelemetry", request);
  }
  if (options.minutes) {
    v1::ListNodeTelemetryRequest request;
    request.set_node(options.id);
    return list_minutes(context, *api, "Nodes.ListNodeTelemetry", request);
  }
  v1::FollowNodeTelemetryRequest request;
  request.set_node(options.id);
  return follow_live(context, *api, "Nodes.FollowNodeTelemetry", request);
}

}  // namespace

void add_watch(Parser& command, Context& context, Watched what) {
  auto options = std::make_shared<WatchOptions>();
  const bool is_lease = what == Watched::kLease;
  Parser* sub = command.add_subcommand(
      "watch", is_lease
                   ? "what its devices, its workload and the machine do, every second until it ends"
                   : "what its devices, its workloads and the machine do, every second");
  sub->add_option(
         is_lease ? "lease" : "node", options->id,
         is_lease ? "its id, as `fallow leases` shows it" : "its id, as `fallow nodes` shows it")
      ->required();
  sub->add_flag("--minutes", options->minutes,
                "what they did, by the minute: the mean and the most, up to a week back");
  sub->callback(
      [=, &context] { context.run = [=, &context] { return watch(context, what, *options); }; });
}

}  // namespace fallow::cli
