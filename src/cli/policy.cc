#include "cli/policy.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/number.h"

namespace fallow::cli {
namespace {

using google::protobuf::FieldDescriptor;

constexpr std::size_t kRulesBytesMax = std::size_t{1} << 20;
constexpr std::chrono::milliseconds kAskTrialEvery{500};

struct PolicyOptions {
  std::vector<std::string> changes;  // "fee_basis_points=300"
  std::string file;                  // the whole policy as JSON
  bool dry_run = false;
  std::string data;
  double hours = 24;
  std::uint32_t memory_gb_max = 4;
  std::uint32_t minutes_max = 10;
};

Status set_rule(v1::Policy& policy, const FieldDescriptor& field, std::string_view value) {
  const auto& reflection = *policy.GetReflection();
  if (field.type() == FieldDescriptor::TYPE_INT64) {
    if (const auto number = parse_number<std::int64_t>(value)) {
      reflection.SetInt64(&policy, &field, *number);
      return {};
    }
  } else if (field.type() == FieldDescriptor::TYPE_UINT32) {
    if (const auto number = parse_number<std::uint32_t>(value)) {
      reflection.SetUInt32(&policy, &field, *number);
      return {};
    }
  } else if (value == "true" || value == "false") {
    reflection.SetBool(&policy, &field, value == "true");
    return {};
  }
  return fail(ErrorCode::kInvalid, "'{}' is no value of {}: {}", value, field.name(),
              field.type() == FieldDescriptor::TYPE_BOOL ? "true or false" : "a whole number");
}

Status change_rule(v1::Policy& policy, std::string_view change) {
  const std::size_t equals = change.find('=');
  const std::string name(change.substr(0, equals));
  const FieldDescriptor* const field = v1::Policy::descriptor()->FindFieldByName(name);
  if (equals == change.npos || field == nullptr || field->is_repeated()) {
    return fail(
        ErrorCode::kInvalid,
        "'{}' is not FIELD=VALUE of a rule, as fee_basis_points=300; `fallow market policy` "
        "shows them, --file takes those that are lists",
        change);
  }
  return set_rule(policy, *field, change.substr(equals + 1));
}

Status apply_changes(const PolicyOptions& options, v1::Policy& policy) {
  if (!options.file.empty()) {
    FALLOW_ASSIGN(const std::string text, read_file(options.file, kRulesBytesMax));
    policy.Clear();
    const auto parsed = google::protobuf::util::JsonStringToMessage(text, &policy);
    if (!parsed.ok()) {
      return fail(ErrorCode::kInvalid, "{} is no policy: {}", options.file,
                  std::string(parsed.message()));
    }
  }
  for (const std::string& change : options.changes) FALLOW_TRY(change_rule(policy, change));
  return {};
}

std::string moment_text(const google::protobuf::Timestamp& at) {
  const std::time_t seconds = at.seconds();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

void print_figures(const v1::PolicyTrialView& trial) {
  Table table({"", ">IN FACT", ">PRESENT RULES", ">TRIED RULES"});
  const auto row = [&](const char* name, auto of) {
    table.add({name, of(trial.fact()), of(trial.now()), of(trial.tried())});
  };
  using Figures = v1::TrialFigures;
  const auto count = [](std::uint64_t (Figures::*of)() const) {
    return [of](const Figures& figures) { return std::to_string((figures.*of)()); };
  };
  const auto money = [](const std::string& (Figures::*of)() const) {
    return [of](const Figures& figures) { return (figures.*of)(); };
  };
  row("orders asked for", count(&Figures::orders));
  row("  refused", count(&Figures::orders_refused));
  row("  placed", count(&Figures::orders_placed));
  row("  wait until then, mean",
      [](const Figures& figures) { return span_text(figures.wait_seconds_mean()); });
  row("orders that wait at the end", count(&Figures::orders_waiting));
  row("leases begun", count(&Figures::leases));
  row("  lost", count(&Figures::leases_lost));
  row("  preempted", count(&Figures::leases_preempted));
  row("tasks done", count(&Figures::tasks_done));
  row("tasks failed", count(&Figures::tasks_failed));
  row("charged", money(&Figures::charged));
  row("refunded", money(&Figures::refunded));
  row("fee kept", money(&Figures::fee));
  row("earned by providers", money(&Figures::earned));
  table.print("");
}

int print_trial(const Context& context, const v1::PolicyTrialView& trial) {
  if (trial.state() == v1::TRIAL_FAILED) {
    return report(context, Error{ErrorCode::kFailed, trial.detail()});
  }
  if (context.json) {
    print_json(trial);
    return kDone;
  }
  std::printf("%s to %s UTC, commands %llu to %llu of the log\n",
              moment_text(trial.span_from()).c_str(), moment_text(trial.span_until()).c_str(),
              static_cast<unsigned long long>(trial.first_index()),
              static_cast<unsigned long long>(trial.last_index()));
  print_figures(trial);
  const v1::TrialDifference& difference = trial.difference();
  const auto say = [](std::uint64_t count, const char* what) {
    if (count > 0) std::printf("  %llu %s\n", static_cast<unsigned long long>(count), what);
  };
  std::printf("orders, by the tried rules beside the present ones in the same model\n");
  say(difference.orders_refused_only_tried(), "refused that are accepted now");
  say(difference.orders_refused_only_now(), "accepted that are refused now");
  say(difference.orders_placed_only_tried(), "placed that find no place now");
  say(difference.orders_placed_only_now(), "without a place that are placed now");
  say(difference.orders_sooner(), "placed sooner");
  say(difference.orders_later(), "placed later");
  say(difference.orders_cheaper(), "cheaper");
  say(difference.orders_dearer(), "dearer");
  for (const v1::TrialRefusal& refusal : trial.refusals()) {
    std::printf("  refused as %s: %llu now, %llu by the tried rules\n",
                lower(v1::Refusal_Name(refusal.code())).c_str(),
                static_cast<unsigned long long>(refusal.orders_now()),
                static_cast<unsigned long long>(refusal.orders_tried()));
  }
  for (const std::string& note : trial.notes()) {
    std::printf("note: %s\n", printable(note).c_str());
  }
  return kDone;
}

int try_here(const Context& context, Host& host, const PolicyOptions& options) {
  TrialArguments arguments;
  arguments.data = options.data;
  arguments.change = [&](v1::Policy& policy) { return apply_changes(options, policy); };
  arguments.hours = options.hours;
  arguments.memory_gb_max = options.memory_gb_max;
  arguments.minutes_max = options.minutes_max;
  const auto done = host.try_policy(arguments);
  return done ? print_trial(context, *done) : report(context, done.error());
}

int try_there(const Context& context, client::Api& api, const v1::Policy& policy) {
  v1::StartPolicyTrialRequest request;
  *request.mutable_policy() = policy;
  auto trial = api.call<v1::PolicyTrialView>("Accounts.StartPolicyTrial", request);
  while (trial && trial->state() == v1::TRIAL_RUNNING) {
    std::this_thread::sleep_for(kAskTrialEvery);
    trial = api.call<v1::PolicyTrialView>("Accounts.GetPolicyTrial", v1::GetPolicyTrialRequest());
  }
  return trial ? print_trial(context, *trial) : report(context, trial.error());
}

int lay_down(const Context& context, client::Api& api, const v1::Policy& policy) {
  v1::SetPolicyRequest request;
  *request.mutable_policy() = policy;
  const auto done = api.call<v1::MarketView>("Accounts.SetPolicy", request);
  if (!done) return report(context, done.error());
  print_json(done->policy());
  return kDone;
}

int policy_command(const Context& context, Host& host, const PolicyOptions& options) {
  if (options.dry_run && !options.data.empty()) return try_here(context, host, options);
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto market = api->call<v1::MarketView>("Market.GetMarket", v1::GetMarketRequest());
  if (!market) return report(context, market.error());
  v1::Policy policy = market->policy();
  if (const Status changed = apply_changes(options, policy); !changed) {
    return report(context, changed.error());
  }
  if (options.dry_run) return try_there(context, *api, policy);
  if (!options.changes.empty() || !options.file.empty()) return lay_down(context, *api, policy);
  print_json(policy);
  return kDone;
}

}  // namespace

void add_policy(Parser& market, Context& context, Host& host) {
  auto options = std::make_shared<PolicyOptions>();
  Parser* command =
      market.add_subcommand("policy", "the rules; change them, or try others on the last day");
  command->add_option("changes", options->changes,
                      "FIELD=VALUE, e.g. fee_basis_points=300; spans are in microseconds");
  command->add_option("--file", options->file,
                      "the whole policy in JSON, as this command prints it; changes come on top");
  command->add_flag("--dry-run", options->dry_run,
                    "change nothing: say what the last day of the log would have come to");
  command->add_option("--data", options->data,
                      "of a dry run: replay the log of this data folder here, without asking a "
                      "server; beside a running one, too");
  command->add_option("--hours", options->hours, "of a dry run with --data: how far back")
      ->check(range(0.01, 24.0 * 31))
      ->capture_default_str();
  command->add_option("--memory-gb", options->memory_gb_max, "the most that it may use")
      ->check(range(1U, 1'024U))
      ->capture_default_str();
  command->add_option("--minutes", options->minutes_max, "the most that it may take")
      ->check(range(1U, 24U * 60))
      ->capture_default_str();
  command->footer(
      "A dry run is a model: people do what they did in fact, and tasks run as long as they did.\n"
      "docs/operations.md says what it cannot know.\nExamples:\n  fallow market policy\n"
      "  fallow market policy fee_basis_points=300 --dry-run\n"
      "  fallow market policy fee_basis_points=300\n"
      "  fallow market policy spot_notice_us=60000000 --dry-run --data /var/lib/fallow --hours 6");
  command->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return policy_command(context, host, *options); };
  });
}

}  // namespace fallow::cli
