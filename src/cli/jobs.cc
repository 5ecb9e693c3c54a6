// fallow jobs: orders and their tasks.
#include <google/protobuf/util/time_util.h>

#include "cli/command.h"
#include "cli/order_tasks.h"
#include "cli/waiting.h"

namespace fallow::cli {
namespace {

struct JobsOptions {
  std::uint64_t order = 0;
  bool open_only = false;
  std::uint32_t count_max = 50;
};

int one(const Context& context, client::Api& api, std::uint64_t id) {
  v1::GetOrderRequest request;
  request.set_order(id);
  auto order = api.call<v1::OrderView>("Orders.GetOrder", request);
  if (!order) return report(context, order.error());
  if (auto all = fetch_all_tasks(api, *order); !all) return report(context, all.error());
  if (context.json) {
    print_json(*order);
    return kDone;
  }
  std::printf("job %llu %s: %s, %u of %u tasks done, charged %s of %s\n",
              static_cast<unsigned long long>(order->id()), printable(order->name()).c_str(),
              lower(v1::OrderState_Name(order->state())).c_str(), order->tasks_done(),
              order->tasks_total(), order->charged().c_str(), order->budget().c_str());
  if (const std::string why = waiting_sentence(*order); !why.empty()) {
    std::printf("%s\n", why.c_str());
  }
  Table table({">TASK", "STATE", ">ATTEMPTS", "LEASE", "NODE", "LAST ENDING", "BLAME", "DETAIL"});
  for (const v1::TaskView& task : order->tasks()) {
    const bool ended = task.last_reason() != v1::END_REASON_UNSPECIFIED;
    table.add({std::to_string(task.index()), lower(v1::TaskState_Name(task.state())),
               std::to_string(task.attempts()), std::to_string(task.lease()), task.node_name(),
               ended ? lower(v1::EndReason_Name(task.last_reason())) : "",
               ended ? lower(v1::Blame_Name(task.last_blame()).substr(6)) : "", task.detail()});
  }
  table.print("no tasks");
  return kDone;
}

int jobs(const Context& context, const JobsOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  if (options.order != 0) return one(context, *api, options.order);
  v1::ListOrdersRequest request;
  request.set_page_size(options.count_max);
  request.set_open_only(options.open_only);
  const auto page = api->call<v1::ListOrdersResponse>("Orders.ListOrders", request);
  if (!page) return report(context, page.error());
  Table table({"JOB", "NAME", "STATE", ">TASKS", ">DONE", ">RUNNING", ">WAITING", ">FAILED",
               ">CHARGED", "WAITS FOR", "CREATED"});
  for (const v1::OrderView& order : page->orders()) {
    if (context.json) {
      print_json(order);
      continue;
    }
    table.add({std::to_string(order.id()), order.name(), lower(v1::OrderState_Name(order.state())),
               std::to_string(order.tasks_total()), std::to_string(order.tasks_done()),
               std::to_string(order.tasks_running()), std::to_string(order.tasks_waiting()),
               std::to_string(order.tasks_failed()), order.charged(), waiting_words(order),
               google::protobuf::util::TimeUtil::ToString(order.created_at())});
  }
  if (!context.json) table.print("no jobs yet; `fallow run -- COMMAND` makes one");
  return kDone;
}

}  // namespace

void add_jobs(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<JobsOptions>();
  Parser* command = app.add_subcommand("jobs", "list jobs, or one with its tasks");
  command->add_option("job", options->order, "show this one with its tasks");
  command->add_flag("--open", options->open_only, "only those that have not ended");
  command->add_option("-n,--count", options->count_max, "the most to show, newest first")
      ->check(range(1U, kPageMax))
      ->capture_default_str();
  command->footer("Example:\n  fallow jobs --open");
  command->callback([options, &context] {
    context.run = [options, &context] { return jobs(context, *options); };
  });
}

}  // namespace fallow::cli
