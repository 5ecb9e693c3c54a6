// fallow extend: more time for the tasks of a job.
#include "cli/command.h"

namespace fallow::cli {
namespace {

struct ExtendOptions {
  std::uint64_t order = 0;
  double hours = 0;
  bool dry_run = false;
};

int price_extension(const Context& context, client::Api& api, const ExtendOptions& options) {
  v1::GetExtensionRequest request;
  request.set_order(options.order);
  request.set_hours(options.hours);
  const auto extension = api.call<v1::ExtensionView>("Orders.GetExtension", request);
  if (!extension) return report(context, extension.error());
  if (context.json) {
    print_json(*extension);
    return kDone;
  }
  std::printf("at most %s more: %u task%s at %s an hour; a task may then run for %s\n",
              extension->cost().c_str(), extension->tasks(), extension->tasks() == 1 ? "" : "s",
              extension->price_per_hour().c_str(),
              span_text(static_cast<double>(extension->task_time().seconds())).c_str());
  return kDone;
}

int extend(const Context& context, const ExtendOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  if (options.dry_run) return price_extension(context, *api, options);
  v1::ExtendOrderRequest request;
  request.set_order(options.order);
  request.set_hours(options.hours);
  const auto order = api->call<v1::OrderView>("Orders.ExtendOrder", request);
  if (!order) return report(context, order.error());
  if (context.json) {
    print_json(*order);
  } else {
    std::printf("job %llu is extended: a task may run for %s, the budget is %s\n",
                static_cast<unsigned long long>(order->id()),
                span_text(static_cast<double>(order->requirements().duration_us()) / 1e6).c_str(),
                order->budget().c_str());
  }
  return kDone;
}

}  // namespace

void add_extend(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<ExtendOptions>();
  Parser* command = app.add_subcommand(
      "extend", "more time for each task of a job that waits or runs, at the price that it has");
  command->add_option("job", options->order, "the job")->required();
  command->add_option("--hours", options->hours, "how many hours more, as 2 or 0.5")->required();
  command->add_flag("--dry-run", options->dry_run, "only say what it would cost at most");
  command->footer(
      "Examples:\n  fallow extend 12345 --hours 2 --dry-run\n  fallow extend 12345 --hours 2");
  command->callback([options, &context] {
    context.run = [options, &context] { return extend(context, *options); };
  });
}

}  // namespace fallow::cli
