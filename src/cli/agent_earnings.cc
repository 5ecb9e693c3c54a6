// fallow agent earnings: what came in, by day and by device: the ledger's entries on the provider's
// pending side, summed by the server, so it is the same money that is paid out.
#include <chrono>
#include <map>

#include "base/json_text.h"
#include "base/money.h"
#include "cli/agent_service.h"

namespace fallow::cli {
namespace {

struct EarningsOptions {
  std::uint32_t days = 14;
  bool all = false;
};

struct DeviceEarnings {
  std::string node_name;
  std::string devices;
  std::uint64_t leases = 0;  // that began
  Micros earned;
};

struct Earnings {
  std::map<std::string, Micros> by_day;  // "2026-11-21", UTC
  std::map<std::string, DeviceEarnings> by_device;
  Micros total;
};

// "2026-11-21": so many days before today, UTC; 0 is today.
std::string utc_day(Time now, std::uint32_t days_before) {
  const auto today = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(now.us)));
  const std::chrono::year_month_day date{today - std::chrono::days(days_before)};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string device_words(const v1::EarningsView& row) {
  std::string words;
  for (const std::uint32_t device : row.devices()) {
    words += (words.empty() ? "" : ",") + std::to_string(device);
  }
  return words;
}

client::ApiResult<Earnings> sum_up(client::Api& api, std::uint64_t node, const std::string& since) {
  Earnings sum;
  v1::ListEarningsRequest request;
  request.set_node(node);
  request.set_since(since);
  request.set_page_size(kPageMax);
  do {
    const auto page = api.call<v1::ListEarningsResponse>("Wallets.ListEarnings", request);
    if (!page) return tl::unexpected(page.error());
    for (const v1::EarningsView& earned : page->earnings()) {
      const auto amount = parse_money(earned.earned());
      if (!amount) return tl::unexpected(client::local_error(amount.error()));
      sum.total.value += amount->value;
      sum.by_day[earned.day()].value += amount->value;
      const std::string devices = device_words(earned);
      DeviceEarnings& row = sum.by_device[std::to_string(earned.node()) + " " + devices];
      row.node_name = earned.node_name();
      row.devices = devices;
      row.leases += earned.leases();
      row.earned.value += amount->value;
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return sum;
}

void print_earnings_json(const Earnings& sum) {
  for (const auto& [day, earned] : sum.by_day) {
    JsonText json;
    json.open_object().key("day").value(day).key("earned").value(format_money(earned));
    json.close_object();
    print_json(json);
  }
  for (const auto& [key, row] : sum.by_device) {
    JsonText json;
    json.open_object().key("node_name").value(row.node_name).key("devices").value(row.devices);
    json.key("leases").value(row.leases).key("earned").value(format_money(row.earned));
    json.close_object();
    print_json(json);
  }
}

int earnings(const Context& context, Host& host, const AgentArguments& arguments,
             const EarningsOptions& options) {
  // Without a folder of an agent here it is the provider who asks, wherever the nodes are.
  const auto state = host.node_state(agent_data_folder(arguments));
  if (!state && !arguments.data.empty()) return report(context, state.error());
  const std::uint64_t node = state && !options.all ? state->node : 0;
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto wallet = api->call<v1::WalletView>("Wallets.GetWallet", v1::GetWalletRequest());
  if (!wallet) return report(context, wallet.error());
  // Of so many days, today among them.
  const auto sum = sum_up(*api, node, utc_day(context.clock->now(), options.days - 1));
  if (!sum) return report(context, sum.error());
  if (context.json) {
    print_earnings_json(*sum);
    return kDone;
  }
  Table days({"DAY (UTC)", ">EARNED"});
  for (const auto& [day, earned] : sum->by_day) days.add({day, format_money(earned)});
  days.print(fmt::format("nothing was earned in the last {} days", options.days));
  if (!sum->by_device.empty()) {
    std::printf("\n");
    Table devices({"NODE", "DEVICES", ">LEASES", ">EARNED"});
    for (const auto& [key, row] : sum->by_device) {
      devices.add(
          {row.node_name, row.devices, std::to_string(row.leases), format_money(row.earned)});
    }
    devices.print("");
  }
  std::printf("\n%s in the last %u days; the account has %s to come and %s to withdraw (%s)\n",
              format_money(sum->total).c_str(), options.days, wallet->pending().c_str(),
              wallet->earned().c_str(), printable(wallet->currency()).c_str());
  return kDone;
}

}  // namespace

void add_agent_earnings(Parser& agent, const std::shared_ptr<AgentArguments>& arguments,
                        Context& context, Host& host) {
  auto options = std::make_shared<EarningsOptions>();
  Parser* command = agent.add_subcommand("earnings", "what it earned, by day and by device");
  command->fallthrough();
  command->add_option("--days", options->days, "how far back, today included")
      ->capture_default_str()
      ->check(range(1U, 1'098U));
  command->add_flag("--all", options->all, "of all of the provider's nodes, not of this one");
  command->footer(
      "Needs the provider's API key. Days are UTC; the market keeps three years of them.\n"
      "Example:\n  fallow agent earnings --days 30 --all");
  command->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return earnings(context, host, *arguments, *options); };
  });
}

}  // namespace fallow::cli
