// fallow stop: end a job, or one lease.
#include "cli/command.h"

namespace fallow::cli {
namespace {

struct StopOptions {
  std::uint64_t id = 0;
  bool lease = false;
};

int stop(const Context& context, const StopOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  if (options.lease) {
    v1::StopLeaseRequest request;
    request.set_lease(options.id);
    const auto lease = api->call<v1::LeaseView>("Leases.StopLease", request);
    if (!lease) return report(context, lease.error());
    if (context.json) {
      print_json(*lease);
    } else {
      std::printf("lease %llu is %s\n", static_cast<unsigned long long>(lease->id()),
                  lower(v1::LeaseState_Name(lease->state())).c_str());
    }
    return kDone;
  }
  v1::StopOrderRequest request;
  request.set_order(options.id);
  const auto order = api->call<v1::OrderView>("Orders.StopOrder", request);
  if (!order) return report(context, order.error());
  if (context.json) {
    print_json(*order);
  } else {
    std::printf("job %llu is stopping: %u tasks were told to end, no further one starts\n",
                static_cast<unsigned long long>(order->id()), order->tasks_running());
  }
  return kDone;
}

}  // namespace

void add_stop(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<StopOptions>();
  Parser* command = app.add_subcommand("stop", "stop a job, or with --lease one lease");
  command->add_option("id", options->id, "the job, or with --lease the lease")->required();
  command->add_flag("--lease", options->lease, "the id is a lease's");
  command->footer("Example:\n  fallow stop 12345");
  command->callback([options, &context] {
    context.run = [options, &context] { return stop(context, *options); };
  });
}

}  // namespace fallow::cli
