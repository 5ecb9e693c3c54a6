#include "cli/agent_owner.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json_text.h"
#include "base/money.h"
#include "cli/command.h"
#include "fallow/v1/services.pb.h"

namespace fallow::cli {
namespace {

constexpr std::size_t kReasonsShown = 8;

struct OwnerReportOptions {
  double days = 7;
  std::string price;  // of the node, per hour; empty: the market is asked
};

int owner_policy(const Context& context, Host& host, const std::string& file) {
  if (file.empty()) {
    std::fputs(host.default_owner_policy().c_str(), stdout);
    return kDone;
  }
  const auto words = host.check_owner_policy(file);
  if (!words) return report(context, words.error());
  std::fputs(words->c_str(), stdout);
  return kDone;
}

// What all devices of the node are offered at, together and by the hour; nothing: nobody to ask.
std::optional<Micros> price_of_node(const Context& context, std::uint64_t node) {
  const auto config = context.config();
  if (node == 0 || !config || config->api_key.empty()) return std::nullopt;
  const auto api = context.connect();
  if (!api) return std::nullopt;
  v1::GetNodeRequest request;
  request.set_node(node);
  const auto view = api->call<v1::NodeView>("Nodes.GetNode", request);
  if (!view || !view->has_offer()) return std::nullopt;
  const auto price = parse_money(view->offer().price_per_hour());
  if (!price) return std::nullopt;
  return Micros(price->value * view->facts().devices_size());
}

double hours_of(Duration span) {
  return static_cast<double>(span.value) / static_cast<double>(kHour.value);
}

void print_report(const OwnerReport& seen, std::optional<Micros> price) {
  const double days = hours_of(seen.span) / 24;
  const char* would = seen.dry_run ? "would have had" : "had";
  fmt::print("In the last {:g} day{} the agent watched for {:.1f} h.\n", days, days == 1 ? "" : "s",
             hours_of(seen.watched));
  fmt::print("The owner {} the machine for {:.1f} h, and came {} time{}{}\n", would,
             hours_of(seen.watched - seen.away), seen.returns, seen.returns == 1 ? "" : "s",
             seen.reasons.empty() ? "." : ":");
  for (std::size_t i = 0; i < std::min(seen.reasons.size(), kReasonsShown); ++i) {
    fmt::print("  {:>5}  {}\n", seen.reasons[i].second, printable(seen.reasons[i].first));
  }
  if (seen.reasons.size() > kReasonsShown) {
    fmt::print("         and {} other reasons\n", seen.reasons.size() - kReasonsShown);
  }
  fmt::print(
      "It {} for {:.1f} h{}\n", seen.dry_run ? "could have been leased" : "could be leased",
      hours_of(seen.away),
      price ? fmt::format(": at {} an hour, leased all the time, {}.", format_money(*price),
                          format_money(price_of(*price, seen.away)))
            : std::string("; with --node-price, or the key of its provider, the report says what "
                          "that earns at most."));
  if (seen.dry_run) std::puts("It was a dry run: the node was leased all along.");
}

int owner_report(const Context& context, Host& host, const std::string& data,
                 const OwnerReportOptions& options) {
  const auto span = static_cast<std::int64_t>(options.days * 24 * static_cast<double>(kHour.value));
  const auto seen = host.owner_report(data, Duration(span));
  if (!seen) return report(context, seen.error());
  std::optional<Micros> price;
  if (!options.price.empty()) {
    const auto given = parse_money(options.price);
    if (!given) return report(context, given.error());
    price = *given;
  } else {
    price = price_of_node(context, seen->node);
  }
  if (!context.json) {
    print_report(*seen, price);
    return kDone;
  }
  JsonText json;
  json.open_object().key("dry_run").value(seen->dry_run);
  json.key("watched_hours").value(fmt::format("{:.3f}", hours_of(seen->watched)));
  json.key("away_hours").value(fmt::format("{:.3f}", hours_of(seen->away)));
  json.key("returns").value(seen->returns);
  json.key("earned_at_most").value(price ? format_money(price_of(*price, seen->away)) : "");
  json.key("reasons").open_object();
  for (const auto& [why, times] : seen->reasons) json.key(why).value(times);
  json.close_object().close_object();
  print_json(json);
  return kDone;
}

}  // namespace

void add_agent_owner(Parser& agent, Context& context, Host& host,
                     const std::shared_ptr<AgentArguments>& arguments) {
  auto file = std::make_shared<std::string>();
  Parser* policy = agent.add_subcommand(
      "owner-policy", "print a policy of the machine's owner, every setting explained");
  policy->add_option("--check", *file, "say instead what this file says, or what is wrong with it");
  policy->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return owner_policy(context, host, *file); };
  });

  auto options = std::make_shared<OwnerReportOptions>();
  Parser* told = agent.add_subcommand(
      "owner-report",
      "when the owner had the machine, or would have had (dry_run), and what the "
      "rest could earn");
  told->fallthrough();
  told->add_option("--days", options->days, "that it goes back")
      ->capture_default_str()
      ->check(range(0.01, 366.0));
  // `fallow agent --price` is of each device.
  told->add_option("--node-price", options->price,
                   "of the whole node, per hour; default: what the market says it is offered at");
  told->callback([=, &context, &host] {
    context.run = [=, &context, &host] {
      return owner_report(context, host, agent_data_folder(*arguments), *options);
    };
  });
}

}  // namespace fallow::cli
