// fallow wallet: balances, the ledger as one account sees it, its months, money in and out.
#include <google/protobuf/util/time_util.h>

#include "base/digest.h"
#include "cli/command.h"
#include "cli/statement.h"

namespace fallow::cli {
namespace {

struct WalletOptions {
  std::uint64_t account = 0;
  std::string amount;
  std::string reference;
  std::string destination;
  std::string project;
  bool total = false;
  std::uint32_t count_max = 50;
};

int print_wallet(const Context& context, const client::ApiResult<v1::WalletView>& wallet) {
  if (!wallet) return report(context, wallet.error());
  if (context.json) {
    print_json(*wallet);
    return kDone;
  }
  std::printf("account %llu, money in %s\n", static_cast<unsigned long long>(wallet->account()),
              printable(wallet->currency()).c_str());
  std::printf("  available  %s\n  held       %s\n  pending    %s\n  earned     %s\n",
              wallet->available().c_str(), wallet->held().c_str(), wallet->pending().c_str(),
              wallet->earned().c_str());
  if (!wallet->owed().empty()) {
    std::printf("  owed       %s: a deposit was taken back\n", wallet->owed().c_str());
  }
  if (!wallet->month_budget().empty()) {
    std::printf("  this month %s of %s\n", wallet->month_used().c_str(),
                wallet->month_budget().c_str());
  }
  if (!wallet->total_budget().empty()) {
    std::printf("  in all     %s of %s\n", wallet->total_used().c_str(),
                wallet->total_budget().c_str());
  }
  for (const v1::ProjectView& project : wallet->projects()) {
    const std::string most = project.budget().empty() ? "" : " of " + project.budget();
    std::printf("  project    %s: %s%s\n", printable(project.name()).c_str(),
                project.used().c_str(), most.c_str());
  }
  if (wallet->fee_let_off() > 0) {
    std::printf("  30 days    %s spent: %.4g %% off the market's fee\n",
                wallet->spent_30_days().c_str(), wallet->fee_let_off() * 100);
  }
  return kDone;
}

int show_wallet(const Context& context, const WalletOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::GetWalletRequest request;
  request.set_account(options.account);
  return print_wallet(context, api->call<v1::WalletView>("Wallets.GetWallet", request));
}

int deposit(const Context& context, const WalletOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::CreateDepositRequest request;
  request.set_account(options.account);
  request.set_amount(options.amount);
  request.set_reference(options.reference);
  if (options.reference.empty()) {
    std::array<std::uint8_t, 16> reference;
    context.random->fill(reference);
    request.set_reference("cli-" + to_hex(reference));
  }
  return print_wallet(context, api->call<v1::WalletView>("Wallets.CreateDeposit", request));
}

int reverse_deposit(const Context& context, const WalletOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ReverseDepositRequest request;
  request.set_reference(options.reference);
  return print_wallet(context, api->call<v1::WalletView>("Wallets.ReverseDeposit", request));
}

int withdraw_money(const Context& context, const WalletOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::CreateWithdrawalRequest request;
  request.set_amount(options.amount);
  request.set_destination(options.destination);
  return print_wallet(context, api->call<v1::WalletView>("Wallets.CreateWithdrawal", request));
}

int budget(const Context& context, const WalletOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::SetBudgetRequest request;
  const std::string amount = options.amount == "none" ? "" : options.amount;
  if (options.total || !options.project.empty()) {
    request.set_total_budget(amount);
    request.set_project(options.project);
  } else {
    request.set_month_budget(amount);
  }
  return print_wallet(context, api->call<v1::WalletView>("Wallets.SetBudget", request));
}

int history(const Context& context, const WalletOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListTransfersRequest request;
  request.set_account(options.account);
  request.set_page_size(options.count_max);
  const auto page = api->call<v1::ListTransfersResponse>("Wallets.ListTransfers", request);
  if (!page) return report(context, page.error());
  Table table({"AT", ">AMOUNT", "IN", "WHY", "LEASE", "WITH"});
  for (const v1::TransferView& transfer : page->transfers()) {
    if (context.json) {
      print_json(transfer);
      continue;
    }
    table.add({google::protobuf::util::TimeUtil::ToString(transfer.at()), transfer.amount(),
               lower(v1::LedgerKind_Name(transfer.kind())),
               lower(v1::TransferReason_Name(transfer.reason())),
               transfer.lease() == 0 ? "" : std::to_string(transfer.lease()),
               transfer.counterparty() == 0 ? "market" : std::to_string(transfer.counterparty())});
  }
  if (!context.json) table.print("nothing has moved yet");
  return kDone;
}

int list_payouts(const Context& context, const WalletOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListWithdrawalsRequest request;
  request.set_account(options.account);
  request.set_page_size(options.count_max);
  const auto page = api->call<v1::ListWithdrawalsResponse>("Wallets.ListWithdrawals", request);
  if (!page) return report(context, page.error());
  using google::protobuf::util::TimeUtil;
  Table table({"PAYOUT", "ASKED", ">AMOUNT", "TO", "STATE", "SETTLED", "REFERENCE"});
  for (const v1::PayoutView& payout : page->payouts()) {
    if (context.json) {
      print_json(payout);
      continue;
    }
    // PAYOUT_PAID is "paid".
    const std::string state = lower(v1::PayoutState_Name(payout.state())).substr(7);
    table.add({std::to_string(payout.id()), TimeUtil::ToString(payout.requested_at()),
               payout.amount(), printable(payout.destination()), state,
               payout.has_settled_at() ? TimeUtil::ToString(payout.settled_at()) : "-",
               printable(payout.reference())});
  }
  if (!context.json) table.print("nothing was asked to be paid out");
  return kDone;
}

}  // namespace

void add_wallet(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<WalletOptions>();
  Parser* command = app.add_subcommand(
      "wallet", "balances; deposit, reverse, withdraw, payouts, history, statement, budget");
  command->add_option("--account", options->account, "another account (operators only)");
  command->footer(
      "Examples:\n  fallow wallet\n  fallow wallet deposit 12288 10.00 --reference bank-2217\n"
      "  fallow wallet history -n 20\n  fallow wallet statement --month 2026-11\n"
      "  fallow wallet budget 50.00");
  command->callback([=, &context] {
    if (!context.run) context.run = [=, &context] { return show_wallet(context, *options); };
  });
  const auto sub = [&](const char* name, const char* summary,
                       int (*run)(const Context&, const WalletOptions&)) {
    Parser* made = command->add_subcommand(name, summary);
    made->callback(
        [=, &context] { context.run = [=, &context] { return run(context, *options); }; });
    return made;
  };
  Parser* in = sub("deposit", "book money that came in (operators only)", deposit);
  in->add_option("account", options->account, "whose wallet")->required();
  in->add_option("amount", options->amount, "e.g. 10.00")->required();
  in->add_option("--reference", options->reference, "the payment's own id: never booked twice");
  Parser* gone =
      sub("reverse", "book that a rail took a deposit back (operators only)", reverse_deposit);
  gone->add_option("reference", options->reference, "that the deposit was booked under")
      ->required();
  Parser* out = sub("withdraw", "ask for money to be paid out", withdraw_money);
  out->add_option("amount", options->amount, "e.g. 10.00")->required();
  out->add_option("destination", options->destination, "where the operator shall pay it")
      ->required();
  Parser* past = sub("history", "the ledger as this account sees it", history);
  past->add_option("-n,--count", options->count_max, "the most to show, newest first")
      ->check(range(1U, kPageMax))
      ->capture_default_str();
  Parser* paid =
      sub("payouts", "what was asked to be paid out, and what became of it", list_payouts);
  paid->add_option("-n,--count", options->count_max, "the most to show, newest first")
      ->check(range(1U, kPageMax))
      ->capture_default_str();
  auto month = std::make_shared<StatementOptions>();
  Parser* bill = command->add_subcommand(
      "statement", "a calendar month: opening and closing balance, what each lease came to");
  bill->add_option("--month", month->month, "e.g. 2026-11, in UTC; default: the present one");
  bill->add_flag("--csv", month->csv, "all of it as a table (RFC 4180)");
  bill->add_option("-n,--count", month->count_max, "the most leases to show")
      ->check(range(1U, kCountMax))
      ->capture_default_str();
  bill->footer(
      "A month begins with its first moment and ends before the next one's, UTC. Every sum is\n"
      "exact; every line is the month's part of a lease, whose receipt `fallow receipt LEASE`\n"
      "shows once it has ended.\nExamples:\n  fallow wallet statement\n"
      "  fallow wallet statement --month 2026-11 --csv > november.csv");
  bill->callback([=, &context] {
    context.run = [=, &context] {
      month->account = options->account;
      return show_statement(context, *month);
    };
  });
  Parser* most =
      sub("budget", "the most to spend in a calendar month, in all, or for a project", budget);
  most->add_option("amount", options->amount, "'none' takes the limit away")->required();
  most->add_flag("--total", options->total, "of all that the account ever spends");
  most->add_option("--project", options->project,
                   "of all that is ever spent for this project, which is made if need be");
  most->footer(
      "Budgets nest: an order needs room in its project's, the account's and the month's.\n"
      "Examples:\n  fallow wallet budget 50.00\n  fallow wallet budget 500 --total\n"
      "  fallow wallet budget 20 --project thesis && fallow run --project thesis -- true");
}

}  // namespace fallow::cli
