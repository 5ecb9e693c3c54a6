// fallow leases: what is rented, where, and how it ended.
#include <google/protobuf/util/time_util.h>

#include "cli/command.h"
#include "cli/watch.h"

namespace fallow::cli {
namespace {

struct LeasesOptions {
  std::uint64_t order = 0;
  std::uint64_t node = 0;
  bool open_only = false;
  std::uint32_t count_max = 100;
};

// "1.500 of 2 GB": what it sent, and the most that it may.
std::string sent_text(const v1::LeaseView& lease) {
  if (lease.egress_gb() == 0 && lease.egress_gb_max() == 0) return "";
  return fmt::format(
      "{:.3f}{} GB", lease.egress_gb(),
      lease.egress_gb_max() > 0 ? fmt::format(" of {:g}", lease.egress_gb_max()) : "");
}

int leases(const Context& context, const LeasesOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListLeasesRequest request;
  request.set_page_size(options.count_max);
  request.set_open_only(options.open_only);
  request.set_order(options.order);
  request.set_node(options.node);
  const auto page = api->call<v1::ListLeasesResponse>("Leases.ListLeases", request);
  if (!page) return report(context, page.error());
  Table table({"LEASE", "JOB", ">TASK", ">TRY", "NODE", "STATE", "ENDING", "BLAME", ">PROVEN",
               ">CHARGED", ">REFUNDED", ">CREDITED", ">SENT"});
  for (const v1::LeaseView& lease : page->leases()) {
    if (context.json) {
      print_json(lease);
      continue;
    }
    const bool ended = lease.state() == v1::ENDED;
    table.add(
        {std::to_string(lease.id()), std::to_string(lease.order()), std::to_string(lease.task()),
         std::to_string(lease.attempt()), lease.node_name(),
         lower(v1::LeaseState_Name(lease.state())),
         ended ? lower(v1::EndReason_Name(lease.reason())) : "",
         ended ? lower(v1::Blame_Name(lease.blame()).substr(6)) : "",
         span_text(static_cast<double>(
                       google::protobuf::util::TimeUtil::DurationToMicroseconds(lease.proven())) /
                   1e6),
         lease.charged(), lease.refunded(), lease.credited(), sent_text(lease)});
  }
  if (!context.json) table.print("no leases");
  return kDone;
}

}  // namespace

void add_leases(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<LeasesOptions>();
  Parser* command = app.add_subcommand("leases", "list leases as renter or provider");
  command->add_option("--job", options->order, "only those of this job");
  command->add_option("--node", options->node, "only those on this node");
  command->add_flag("--open", options->open_only, "only those that have not ended");
  command->add_option("-n,--count", options->count_max, "the most to show, newest first")
      ->check(range(1U, kPageMax))
      ->capture_default_str();
  command->footer("Examples:\n  fallow leases --job 12345 --json\n  fallow leases watch 12345");
  add_watch(*command, context, Watched::kLease);
  command->callback([options, &context] {
    if (context.run) return;
    context.run = [options, &context] { return leases(context, *options); };
  });
}

}  // namespace fallow::cli
