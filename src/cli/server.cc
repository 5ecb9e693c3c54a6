// fallow server: the market itself.

#include "base/money.h"
#include "base/number.h"
#include "cli/command.h"
#include "cli/server_options.h"

namespace fallow::cli {
namespace {

constexpr double kHoursKeptMax = 10 * 366 * 24;
// What the market's rules take.
constexpr double kPolicySecondsMin = 0.01;
constexpr double kPolicySecondsMax = 366 * 24 * 3600;

std::int64_t to_us(double seconds) { return static_cast<std::int64_t>(seconds * 1e6); }

int serve(const Context& context, Host& host, const ServerArguments& arguments) {
  return host.serve(arguments, [&](const ServerStarted& started) {
    if (context.json) {
      std::printf("{\"url\":\"%s\",\"certificate\":\"%s\",\"operator_key_file\":\"%s\"}\n",
                  started.url.c_str(), started.certificate.c_str(),
                  started.operator_key_path.c_str());
    } else {
      std::printf("market at %s\n", started.url.c_str());
      std::printf("%s\n", console_words(started).c_str());
      if (!started.certificate.empty())
        std::printf("certificate %s\n", started.certificate.c_str());
      std::printf("operator key in %s\n", started.operator_key_path.c_str());
    }
    std::fflush(stdout);
  });
}

std::function<void(v1::Policy&)> volume_discount(const std::string& text) {
  const std::size_t equals = text.find('=');
  const auto spent = parse_money(text.substr(0, equals));
  const auto basis_points = parse_number<std::uint32_t>(text.substr(equals + 1));
  if (equals == std::string::npos || !spent || !basis_points) {
    refuse_value("--volume-discount", "'" + text + "' is not SPENT=BASIS_POINTS, as 100=1000");
  }
  return [spent = spent->value, basis_points = *basis_points](v1::Policy& policy) {
    v1::VolumeDiscount& step = *policy.add_volume_discounts();
    step.set_spent_micros_min(spent);
    step.set_fee_basis_points(basis_points);
  };
}

}  // namespace

std::shared_ptr<ServerArguments> add_server_options(Parser& command) {
  auto arguments = std::make_shared<ServerArguments>();
  command.add_option("--data", arguments->data, "folder of the log and everything else")
      ->required();
  command.add_option("--listen", arguments->listen, "address:port; port 0 takes a free one")
      ->capture_default_str();
  command.add_option("--host", arguments->hosts,
                     "a name or address for the certificate; may be repeated");
  command.add_flag("--plain-http", arguments->plain_http, "no TLS; on loopback only");
  command.add_option("--console", arguments->console,
                     "folder of the console's built pages; without it they are looked for beside "
                     "the program (`make web` builds them)");
  command.add_option("--name", arguments->name, "the market's, at its first start")
      ->capture_default_str();
  command.add_option("--currency", arguments->currency, "at its first start")
      ->capture_default_str();
  command
      .add_option("--artifacts-gib-max", arguments->artifacts_gib_max,
                  "how large inputs and outputs may grow together; beyond it uploads are refused")
      ->capture_default_str()
      ->check(range(1U, 1'000'000U));
  command
      .add_option("--telemetry-gib-max", arguments->telemetry_gib_max,
                  "how large the file of what nodes measured by the minute may grow; the oldest "
                  "minutes leave first")
      ->capture_default_str()
      ->check(range(1U, 1'000'000U));
  const auto add_hours = [&](const char* name, double& hours, const char* summary) {
    command.add_option(name, hours, summary)
        ->capture_default_str()
        ->check(range(1.0, kHoursKeptMax));
  };
  add_hours("--output-hours-kept", arguments->output_hours_kept,
            "how long the output of a job is kept after the job's end");
  add_hours("--artifact-hours-kept", arguments->artifact_hours_kept,
            "how long what no open job and no kept output refers to stays after it was last stored "
            "or asked for; 6 at most while the store is over 90 % full");
  add_hours("--upload-hours-kept", arguments->upload_hours_kept,
            "how long an unfinished upload waits for its next piece");
  command.add_option(
      "--webhook-allow", arguments->webhooks_allowed,
      "a range of addresses that webhooks may lead to beside the public internet, and "
      "without TLS, e.g. 10.20.0.0/16; may be repeated");
  auto* const rules = &arguments->rules;
  const auto add_time = [&](const char* name, double least, const char* summary,
                            void (v1::Policy::*set)(std::int64_t)) {
    command
        .add_option_function<double>(
            name,
            [rules, set](const double& seconds) {
              rules->emplace_back([=](v1::Policy& policy) { (policy.*set)(to_us(seconds)); });
            },
            summary)
        ->check(range(least, kPolicySecondsMax));
  };
  add_time("--meter-interval", kPolicySecondsMin,
           "seconds between meter records; default: 5; at its first start",
           &v1::Policy::set_meter_interval_us);
  add_time("--suspend-after", kPolicySecondsMin,
           "seconds of silence until a lease is suspended; default: 15; at its first start",
           &v1::Policy::set_suspend_after_us);
  add_time("--close-after", kPolicySecondsMin,
           "seconds of silence until a lease is closed; default: 30; at its first start",
           &v1::Policy::set_close_after_us);
  add_time("--price-interval", 0,
           "seconds between moves of the price indexes; default: 300; 0: they are not kept; at its "
           "first start",
           &v1::Policy::set_price_interval_us);
  add_time(
      "--proof-interval", 0,
      "seconds between proofs of a node's devices, about, 1 at least; 0, the default, is never; "
      "at its first start",
      &v1::Policy::set_proof_interval_us);
  command
      .add_option_function<std::uint32_t>(
          "--fee-basis-points",
          [rules](const std::uint32_t& fee) {
            rules->emplace_back([=](v1::Policy& policy) { policy.set_fee_basis_points(fee); });
          },
          "the market's share of earnings, in hundredths of a percent; default: 500; at its first "
          "start")
      ->check(range(0U, 10'000U));
  command.add_option_function<std::vector<std::string>>(
      "--volume-discount",
      [rules](const std::vector<std::string>& steps) {
        for (const std::string& step : steps) rules->push_back(volume_discount(step));
      },
      "SPENT=BASIS_POINTS: off the fee for who spent so much within 30 days, e.g. 100=1000; may be "
      "repeated, ascending; at its first start");
  return arguments;
}

void add_server(Parser& app, Context& context, Host& host) {
  Parser* command = app.add_subcommand("server", "run a market until SIGTERM");
  const auto arguments = add_server_options(*command);
  command->footer(
      "Example:\n  fallow server --data /var/lib/fallow --listen 0.0.0.0:8470 --host "
      "market.example\n"
      "docs/operations.md tells how to back up, restore and upgrade.");
  command->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return serve(context, host, *arguments); };
  });
}

std::string console_words(const ServerStarted& started) {
  if (started.has_console) return "console at " + started.url + "/ (sign in with an API key)";
  return "no console here: `make web` builds its pages, then start again";
}

}  // namespace fallow::cli
