#include "cli/statement.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdio>

#include "cli/command.h"
#include "cli/download.h"

namespace fallow::cli {
namespace {

int print_statement_csv(const Context& context, client::Api& api, const StatementOptions& options) {
  v1::GetStatementFileRequest request;
  request.set_account(options.account);
  request.set_month(options.month);
  return print_download(context, api, "Wallets.GetStatementFile", request);
}

void print_balances(const char* name, const v1::StatementBalance& balance) {
  std::printf("  %-10s %s", name, balance.total().c_str());
  std::printf("  (available %s, held %s, pending %s, earned %s)\n", balance.available().c_str(),
              balance.held().c_str(), balance.pending().c_str(), balance.earned().c_str());
}

void print_summary(const v1::StatementView& statement) {
  std::printf("statement of %s (UTC), account %llu, money in %s%s\n", statement.month().c_str(),
              static_cast<unsigned long long>(statement.account()),
              printable(statement.currency()).c_str(),
              statement.complete() ? "" : "; the month is not over");
  print_balances("opening", statement.opening());
  std::printf("  deposited  %s\n  withdrawn  %s\n", statement.deposited().c_str(),
              statement.withdrawn().c_str());
  std::printf("  spent      %s, of it the market's fee %s\n  earned     %s\n",
              statement.spent().c_str(), statement.fee().c_str(), statement.earned().c_str());
  print_balances(statement.complete() ? "closing" : "so far", statement.closing());
  if (statement.tiers_size() == 0) return;
  Table tiers({"TIER", "AS", ">CHARGED", ">FEE", ">REFUNDED", ">NET"});
  for (const v1::StatementTier& tier : statement.tiers()) {
    tiers.add({lower(v1::Tier_Name(tier.tier())), tier.as_provider() ? "provider" : "renter",
               tier.charged(), tier.fee(), tier.refunded(), tier.net()});
  }
  tiers.print("");
}

void add_line(Table& table, const v1::StatementLine& line) {
  table.add({std::to_string(line.lease()), std::to_string(line.order()),
             line.as_provider() ? "provider" : "renter", lower(v1::Tier_Name(line.tier())),
             google::protobuf::util::TimeUtil::ToString(line.last_at()), line.charged(), line.fee(),
             line.refunded(), line.net(), printable(line.name())});
}

}  // namespace

int show_statement(const Context& context, const StatementOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  if (options.csv) return print_statement_csv(context, *api, options);
  v1::GetStatementRequest request;
  request.set_account(options.account);
  request.set_month(options.month);
  Table lines({"LEASE", "JOB", "AS", "TIER", "LAST ENTRY", ">CHARGED", ">FEE", ">REFUNDED", ">NET",
               "NAME"});
  std::uint32_t left = options.count_max;
  bool more = false;
  for (bool first = true; left > 0 && (first || more); first = false) {
    request.set_page_size(std::min(left, kPageMax));
    const auto page = api->call<v1::StatementView>("Wallets.GetStatement", request);
    if (!page) return report(context, page.error());
    if (context.json) {
      print_json(*page);
    } else if (first) {
      print_summary(*page);
    }
    for (const v1::StatementLine& line : page->lines()) add_line(lines, line);
    left -= static_cast<std::uint32_t>(page->lines_size());
    more = !page->next_page_token().empty();
    request.set_page_token(page->next_page_token());
    if (request.month().empty()) request.set_month(page->month());
  }
  if (context.json) return kDone;
  lines.print("no lease was charged or refunded");
  if (more) std::printf("there are more: -n shows them, --csv has all\n");
  return kDone;
}

}  // namespace fallow::cli
