#include "cli/requirement_options.h"

#include <google/protobuf/util/time_util.h>

#include <map>

#include "base/money.h"
#include "base/number.h"
#include "cli/context.h"

namespace fallow::cli {
namespace {

const std::map<std::string, v1::Tier> kTiers{
    {"on_demand", v1::ON_DEMAND}, {"reserved", v1::RESERVED}, {"spot", v1::SPOT}};
const std::map<std::string, v1::Isolation> kIsolations{{"bubblewrap", v1::BUBBLEWRAP},
                                                       {"runc", v1::RUNC},
                                                       {"gvisor", v1::GVISOR},
                                                       {"microvm", v1::MICROVM}};
const std::map<std::string, v1::Network> kNetworks{{"none", v1::NETWORK_NONE},
                                                   {"egress", v1::EGRESS}};

template <class Map>
std::vector<std::string> keys(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

}  // namespace

const std::map<std::string, v1::Objective>& objectives() {
  static const std::map<std::string, v1::Objective> kWords{
      {"cheapest", v1::CHEAPEST},
      {"fastest", v1::FASTEST},
      {"cost_to_complete", v1::COST_TO_COMPLETE}};
  return kWords;
}

const std::map<std::string, v1::WorkloadClass>& workload_classes() {
  static const std::map<std::string, v1::WorkloadClass> kWords{{"general", v1::GENERAL},
                                                               {"fp32", v1::FP32},
                                                               {"fp16", v1::FP16},
                                                               {"bandwidth", v1::BANDWIDTH}};
  return kWords;
}

void add_objective_options(Parser& command, std::string& objective, std::string& workload) {
  command
      .add_option("--objective", objective,
                  "which offer is best: cheapest, fastest, or cost_to_complete (price by speed, "
                  "with the starts and reruns that are to be expected)")
      ->check(one_of(keys(objectives())))
      ->capture_default_str();
  command
      .add_option("--workload", workload,
                  "what most of the time goes into, by whose speeds fastest and cost_to_complete "
                  "go: fp32, fp16, bandwidth of the memory, or general")
      ->check(one_of(keys(workload_classes())))
      ->capture_default_str();
}

std::string amount_complaint(const std::string& text) {
  const auto amount = parse_money(text);
  if (amount && amount->value > 0) return {};
  return fmt::format("'{}' is no amount above 0, such as 0.40", text);
}

double hours_of_term(const std::string& text) {
  static const std::map<std::string, double> kUnits{
      {"m", 1.0 / 60}, {"h", 1},    {"d", 24},        {"w", 7 * 24},
      {"hour", 1},     {"day", 24}, {"week", 7 * 24}, {"month", 30 * 24}};
  const std::size_t digits = text.find_first_not_of("0123456789.");
  if (digits == std::string::npos) return 0;
  const auto unit = kUnits.find(text.substr(digits));
  if (unit == kUnits.end()) return 0;
  if (digits == 0) return unit->second;
  return parse_number<double>(std::string_view(text).substr(0, digits)).value_or(0) * unit->second;
}

std::shared_ptr<RequirementOptions> add_requirement_options(Parser& command) {
  auto options = std::make_shared<RequirementOptions>();
  command.add_option(
      "query", options->query,
      "what the offer must be, e.g. 'gpu_ram>=24 region in [eu,us]' (docs/query.md)");
  command.add_option("--gpus", options->gpus, "devices per task, on one node")
      ->capture_default_str();
  command
      .add_option(
          "--nodes", options->nodes,
          "tasks that start together, each on a node of its own: in one rack or LAN if that can be "
          "had, else in one region, else anywhere")
      ->capture_default_str();
  command.add_option("--tasks", options->tasks,
                     "tasks of the job: a multiple of --nodes; default: as many as --nodes");
  command.add_option("--share", options->device_share, "share of each device, 0.001 to 1")
      ->capture_default_str();
  command.add_option("--hours", options->hours, "the most a task may run")->capture_default_str();
  command.add_option("--memory", options->memory_gb, "GB of main memory per task");
  command.add_option("--cpus", options->cpu_cores, "processor cores per task");
  command.add_option("--disk", options->disk_gb, "GB of private disk per task");
  command
      .add_option("--network", options->network,
                  "egress lets the workload out to the internet, on nodes that offer it; none "
                  "(docs/security.md)")
      ->check(one_of(keys(kNetworks)))
      ->capture_default_str();
  command
      .add_option("--egress-gb", options->egress_gb,
                  "the most GB that a task may send, which is held for it; what it sends is paid "
                  "by the offer's price. Means --network egress; without it only offers are taken "
                  "that charge nothing for that")
      ->check(range(0.001, 1e6));
  command.add_option("--max-price", options->max_price, "per hour of one task, e.g. 0.40")
      ->check(amount_complaint);
  command
      .add_option("--tier", options->tier,
                  "on_demand; reserved for the whole --term, at the provider's discount for it; or "
                  "spot for what a --bid gets, until a higher one or another tier needs the place")
      ->check(one_of(keys(kTiers)))
      ->capture_default_str();
  command
      .add_option("--bid", options->bid,
                  "of spot: the most an hour of one task may cost; what it does cost is one "
                  "price for all")
      ->check(amount_complaint)
      ->excludes("--max-price");
  command
      .add_option("--term", options->term,
                  "how long, e.g. 90m, 12h, 3d, week, month (30 days): the same as --hours")
      ->check([](const std::string& text) {
        return hours_of_term(text) > 0 ? "" : text + " is no time: write 90m, 12h, 3d, 2w, month";
      })
      ->excludes("--hours");
  add_objective_options(command, options->objective, options->workload);
  command.add_option("--near", options->near,
                     "the region where its data are: nodes elsewhere count as dearer, by as much "
                     "as the market's policy says");
  command.add_option("--isolation", options->isolation, "the weakest sandbox that will do")
      ->check(one_of(keys(kIsolations)));
  return options;
}

v1::CreateQuoteRequest to_request(const RequirementOptions& options) {
  v1::CreateQuoteRequest request;
  request.set_query(join(options.query));
  request.set_gpus(options.gpus);
  request.set_nodes(options.nodes);
  request.set_tasks(options.tasks);
  request.set_device_share(options.device_share);
  request.set_hours(options.term.empty() ? options.hours : hours_of_term(options.term));
  request.set_memory_gb(options.memory_gb);
  request.set_cpu_cores(options.cpu_cores);
  request.set_disk_gb(options.disk_gb);
  request.set_network(options.egress_gb > 0 ? v1::EGRESS : kNetworks.at(options.network));
  request.set_egress_gb(options.egress_gb);
  request.set_max_price_per_hour(options.bid.empty() ? options.max_price : options.bid);
  request.set_tier(kTiers.at(options.tier));
  request.set_objective(objectives().at(options.objective));
  request.set_workload_class(workload_classes().at(options.workload));
  request.set_near(options.near);
  if (!options.isolation.empty()) request.set_isolation_min(kIsolations.at(options.isolation));
  return request;
}

std::string describe_quote(const v1::QuoteView& quote) {
  const v1::Requirements& needs = quote.requirements();
  return fmt::format(
      "{} task{}{}, each {} GPU{} for up to {}: {} per hour and task{}, {} in all, firm until {}",
      quote.tasks(), quote.tasks() == 1 ? "" : "s",
      needs.nodes() > 1 ? fmt::format(" in gangs of {} nodes", needs.nodes()) : "", needs.gpus(),
      needs.gpus() == 1 ? "" : "s", span_text(static_cast<double>(needs.duration_us()) / 1e6),
      quote.task_price_per_hour(),
      quote.egress_price_per_gb().empty()
          ? ""
          : fmt::format(" and {} per GB sent, at most {:g} GB each", quote.egress_price_per_gb(),
                        needs.egress_mb_max() / 1e3),
      quote.total(), google::protobuf::util::TimeUtil::ToString(quote.expires_at()));
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

}  // namespace fallow::cli
