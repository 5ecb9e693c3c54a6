// fallow agent earnings: what came in, by day and by device: the ledger's entries on the provider's
// pending side, so it is the same money that is paid out.
#include <google/protobuf/util/time_util.h>

#include <ctime>
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
  std::uint32_t leases = 0;
  Micros earned;
};

struct Earnings {
  std::map<std::string, Micros> by_day;  // "2026-11-21", the viewer's
  std::map<std::string, DeviceEarnings> by_device;
  Micros total;
};

// The viewer's day.
std::string local_day(std::int64_t seconds) {
  const std::time_t at = seconds;
  std::tm local{};
  ::localtime_r(&at, &local);
  return fmt::format("{:04}-{:02}-{:02}", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday);
}

bool is_earning(const v1::TransferView& transfer) {
  return transfer.kind() == v1::PENDING &&
         (transfer.reason() == v1::CHARGED || transfer.reason() == v1::REFUNDED);
}

std::string device_words(const v1::LeaseView& lease) {
  std::string words;
  for (const std::uint32_t device : lease.devices()) {
    words += (words.empty() ? "" : ",") + std::to_string(device);
  }
  return words;
}

using LeasesById = std::map<std::uint64_t, v1::LeaseView>;

client::ApiResult<LeasesById> leases_of_node(client::Api& api, std::uint64_t node,
                                             std::int64_t since_s) {
  LeasesById leases;
  v1::ListLeasesRequest request;
  request.set_page_size(kPageMax);
  request.set_node(node);
  do {
    const auto page = api.call<v1::ListLeasesResponse>("Leases.ListLeases", request);
    if (!page) return tl::unexpected(page.error());
    for (const v1::LeaseView& lease : page->leases()) {
      // Of a lease that ended before then nothing came in later.
      if (lease.has_ended_at() && lease.ended_at().seconds() < since_s) continue;
      leases[lease.id()] = lease;
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return leases;
}

client::ApiResult<Earnings> sum_up(client::Api& api, const LeasesById& leases, bool only_these,
                                   std::int64_t since_s) {
  Earnings sum;
  std::map<std::uint64_t, std::string> counted;  // by lease
  v1::ListTransfersRequest request;
  request.set_page_size(kPageMax);
  do {
    const auto page = api.call<v1::ListTransfersResponse>("Wallets.ListTransfers", request);
    if (!page) return tl::unexpected(page.error());
    request.set_page_token(page->next_page_token());
    for (const v1::TransferView& transfer : page->transfers()) {
      if (transfer.at().seconds() < since_s) {
        request.clear_page_token();  // newest first: all others are older
        break;
      }
      const auto lease = leases.find(transfer.lease());
      if (!is_earning(transfer) || (only_these && lease == leases.end())) continue;
      const auto amount = parse_money(transfer.amount());
      if (!amount) return tl::unexpected(client::local_error(amount.error()));
      sum.total.value += amount->value;
      sum.by_day[local_day(transfer.at().seconds())].value += amount->value;
      const bool known = lease != leases.end();
      const std::string key =
          known ? std::to_string(lease->second.node()) + " " + device_words(lease->second) : "";
      DeviceEarnings& row = sum.by_device[key];
      row.earned.value += amount->value;
      row.node_name = known ? lease->second.node_name() : "older leases";
      row.devices = known ? device_words(lease->second) : "";
      if (counted.emplace(transfer.lease(), key).second) ++row.leases;
    }
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
  const std::int64_t since_s =
      context.clock->now().us / 1'000'000 - std::int64_t{options.days} * 24 * 3600;
  const auto leases = leases_of_node(*api, node, since_s);
  if (!leases) return report(context, leases.error());
  const auto sum = sum_up(*api, *leases, node != 0, since_s);
  if (!sum) return report(context, sum.error());
  if (context.json) {
    print_earnings_json(*sum);
    return kDone;
  }
  Table days({"DAY", ">EARNED"});
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
  command->add_option("--days", options->days, "how far back")
      ->capture_default_str()
      ->check(range(1U, 3'660U));
  command->add_flag("--all", options->all, "of all of the provider's nodes, not of this one");
  command->footer(
      "Needs the provider's API key.\nExample:\n  fallow agent earnings --days 30 --all");
  command->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return earnings(context, host, *arguments, *options); };
  });
}

}  // namespace fallow::cli
