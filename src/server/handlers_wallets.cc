// The service Wallets: balances, transfers, statements, money in and out.
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/file.h"
#include "base/number.h"
#include "core/calendar.h"
#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/history_wait.h"
#include "server/months.h"
#include "server/pages.h"
#include "server/requirements.h"
#include "server/statement_csv.h"
#include "server/views.h"
#include "server/visible.h"

namespace fallow::server {
namespace {

Answer<v1::WalletView> wallet_of(const core::Machine& machine, AccountId account) {
  FALLOW_TRY(known_account(machine, account));
  return wallet_view(account, machine);
}

net::Task<Answer<v1::WalletView>> submit_for(Call& call, v1::Command command, AccountId account) {
  const std::function<Answer<v1::WalletView>(const Done&)> take = [account](const Done& done) {
    return wallet_of(done.machine, account);
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::WalletView>> get_wallet(Call& call, const v1::GetWalletRequest& request) {
  FALLOW_CO_ASSIGN(const AccountId account, visible_account(call, request.account()));
  const std::function<Answer<v1::WalletView>(const core::Machine&)> look =
      [account](const core::Machine& machine) { return wallet_of(machine, account); };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::ListTransfersResponse>> list_transfers(
    Call& call, const v1::ListTransfersRequest& request) {
  FALLOW_CO_ASSIGN(const AccountId account, visible_account(call, request.account()));
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t before, page_position("transfers", request.page_token()));
  const std::function<Answer<v1::ListTransfersResponse>()> read =
      [&]() -> Answer<v1::ListTransfersResponse> {
    auto page = call.parts().transfers->transfers(account, before, size);
    if (!page) return tl::unexpected(problem_of(page.error(), "read the transfers"));
    v1::ListTransfersResponse response;
    for (v1::TransferView& transfer : page->transfers) {
      *response.add_transfers() = std::move(transfer);
    }
    if (page->next != 0) response.set_next_page_token(page_token("transfers", page->next));
    return response;
  };
  co_return co_await call.on_disk(read);
}

struct StatementAsked {
  StatementHistory::Asked asked;
  std::string currency;
  LogIndex through;  // the history is to reach it
};

net::Task<Answer<StatementAsked>> statement_asked(Call& call, std::uint64_t wanted,
                                                  const std::string& month) {
  FALLOW_CO_ASSIGN(const AccountId account, visible_account(call, wanted));
  const auto named = month.empty() ? core::month_of(call.now()) : month_of_text(month);
  if (!named) co_return refuse_field("month", "a month is written as 2026-11, in UTC");
  const std::function<Answer<StatementAsked>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<StatementAsked> {
    FALLOW_TRY(known_account(machine, account));
    StatementAsked asked;
    asked.asked.account = account;
    asked.asked.month = *named;
    asked.currency = machine.found().currency();
    asked.through = machine.last_index();
    return asked;
  };
  co_return co_await call.visit(look);
}

// On a thread that may wait for the disk.
Answer<StatementHistory::Page> read_statement(StatementHistory& history,
                                              const StatementAsked& asked) {
  auto page = wait_for_history(history, asked.through).and_then([&] {
    return history.statement(asked.asked);
  });
  if (!page) return tl::unexpected(problem_of(page.error(), "read the statement"));
  page->view.set_currency(asked.currency);
  return std::move(*page);
}

// "r7" or "p7": behind lease 7 as its renter, or as its provider.
Answer<StatementHistory::Place> place_of_token(const std::string& token) {
  FALLOW_ASSIGN(const std::string name, page_name("statement", token));
  if (name.empty()) return StatementHistory::Place{};
  const auto lease = parse_number<std::uint64_t>(std::string_view(name).substr(1));
  if (!lease || (name[0] != 'r' && name[0] != 'p')) {
    return refuse_field("page_token", "this is not a next_page_token of this list");
  }
  return StatementHistory::Place{name[0] == 'p', LeaseId(*lease)};
}

net::Task<Answer<v1::StatementView>> get_statement(Call& call,
                                                   const v1::GetStatementRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const StatementHistory::Place after, place_of_token(request.page_token()));
  FALLOW_CO_ASSIGN(StatementAsked asked,
                   co_await statement_asked(call, request.account(), request.month()));
  asked.asked.after = after;
  asked.asked.lines_max = size;
  const std::function<Answer<v1::StatementView>()> read = [&]() -> Answer<v1::StatementView> {
    FALLOW_ASSIGN(StatementHistory::Page page, read_statement(*call.parts().statements, asked));
    if (page.next) {
      page.view.set_next_page_token(page_token(
          "statement",
          fmt::format("{}{}", page.next->as_provider ? 'p' : 'r', page.next->lease.value)));
    }
    return std::move(page.view);
  };
  co_return co_await call.on_disk(read);
}

constexpr std::size_t kTableLinesAtOnce = 256;
constexpr std::size_t kTableBytesAtOnce = 64 * 1024;

// The table. Of a month that is over a page of lines at a time: nothing of it changes any more. Of
// one that goes on everything of one moment, or it would not add up: read as fast as the disk gives
// it into a file without a name, and sent from there as fast as the client takes it.
class StatementFile final : public EventSource {
 public:
  StatementFile(Call& call, StatementAsked asked) : call_(call), asked_(std::move(asked)) {
    asked_.asked.lines_max = kTableLinesAtOnce;
  }

  net::Task<Answer<Chunk>> next() override {
    const std::function<Answer<Chunk>()> read = [this] { return read_chunk(); };
    co_return co_await call_.on_disk(read);
  }
  Duration poll_interval() const override { return seconds(1); }

 private:
  Answer<Chunk> read_chunk() {
    if (reading_) return is_read_ ? send_on() : read_on();
    FALLOW_ASSIGN(const StatementHistory::Page page,
                  read_statement(*call_.parts().statements, asked_));
    if (!begun_ && page.next && !page.view.complete()) return begin_reading();
    if (page.next) asked_.asked.after = *page.next;
    return chunk_of(text_of(page), !page.next);
  }

  std::string text_of(const StatementHistory::Page& page) {
    std::string text;
    if (!std::exchange(begun_, true)) text = csv_begin(page.view);
    text += csv_lines(page.view);
    if (!page.next) text += csv_end(page.view);
    return text;
  }
  static Chunk chunk_of(std::string text, bool is_last) {
    Chunk chunk;
    chunk.events.emplace_back().data = std::move(text);
    chunk.is_last = is_last;
    return chunk;
  }
  static tl::unexpected<v1::Problem> trouble(const Error& error) {
    return tl::unexpected(problem_of(error, "read the statement"));
  }

  Answer<Chunk> begin_reading() {
    auto reading = call_.parts().statements->read_whole(asked_.asked);
    if (!reading) return trouble(reading.error());
    auto file = nameless_file(call_.parts().scratch_folder);
    if (!file) return trouble(file.error());
    reading_ = std::move(*reading);
    file_ = std::move(*file);
    return Chunk();
  }
  Answer<Chunk> read_on() {
    auto page = reading_->next();
    if (!page) return trouble(page.error());
    page->view.set_currency(asked_.currency);
    const Status kept = write_all(file_, text_of(*page), "a statement");
    if (!kept) return trouble(kept.error());
    is_read_ = !page->next;
    return Chunk();
  }
  Answer<Chunk> send_on() {
    std::string text(kTableBytesAtOnce, '\0');
    const auto count =
        read_at(file_, std::span(text.data(), text.size()), sent_bytes_, "a statement");
    if (!count) return trouble(count.error());
    text.resize(*count);
    sent_bytes_ += *count;
    return chunk_of(std::move(text), *count < kTableBytesAtOnce);
  }

  Call& call_;
  StatementAsked asked_;
  bool begun_ = false;  // with the text
  // Of a month that goes on; kept to the end, so that there are never more tables than readings.
  std::unique_ptr<StatementHistory::Reading> reading_;
  bool is_read_ = false;
  Fd file_;
  std::uint64_t sent_bytes_ = 0;
};

OpenStream get_statement_file(Call& call, const v1::GetStatementFileRequest& request,
                              net::Notifier /*wake*/) {
  FALLOW_CO_ASSIGN(StatementAsked asked,
                   co_await statement_asked(call, request.account(), request.month()));
  call.answer_headers().set(
      "Content-Disposition",
      fmt::format("attachment; filename=\"fallow-{}.csv\"", month_text(asked.asked.month)));
  co_return std::make_unique<StatementFile>(call, std::move(asked));
}

net::Task<Answer<v1::WalletView>> create_deposit(Call& call,
                                                 const v1::CreateDepositRequest& request) {
  FALLOW_CO_ASSIGN(const Micros amount, positive_money_of("amount", request.amount()));
  if (request.reference().empty()) {
    co_return refuse_field("reference",
                           "give the payment's own id: the same one is never booked twice");
  }
  const AccountId account =
      request.account() == 0 ? call.caller().account : AccountId(request.account());
  v1::Command command;
  v1::Deposit& deposit = *command.mutable_deposit();
  deposit.set_account(account.value);
  deposit.set_amount_micros(amount.value);
  deposit.set_reference(request.reference());
  co_return co_await submit_for(call, std::move(command), account);
}

net::Task<Answer<v1::WalletView>> reverse_deposit(Call& call,
                                                  const v1::ReverseDepositRequest& request) {
  if (request.reference().empty()) {
    co_return refuse_field("reference", "give the reference that the deposit was booked under");
  }
  v1::Command command;
  command.mutable_reverse_deposit()->set_reference(request.reference());
  const std::function<Answer<v1::WalletView>(const Done&)> take = [](const Done& done) {
    const std::uint64_t account = done.entity(
        &v1::Event::deposit_reversed, v1::Event::kDepositReversed, &v1::DepositReversed::account);
    return wallet_of(done.machine, AccountId(account));
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::WalletView>> create_withdrawal(Call& call,
                                                    const v1::CreateWithdrawalRequest& request) {
  FALLOW_CO_ASSIGN(const Micros amount, positive_money_of("amount", request.amount()));
  if (request.destination().empty()) {
    co_return refuse_field("destination", "say where the money is to go");
  }
  v1::Command command;
  v1::Withdraw& withdraw = *command.mutable_withdraw();
  withdraw.set_account(call.caller().account.value);
  withdraw.set_amount_micros(amount.value);
  withdraw.set_destination(request.destination());
  co_return co_await submit_for(call, std::move(command), call.caller().account);
}

net::Task<Answer<v1::ListPayoutsResponse>> list_payouts(Call& call,
                                                        const v1::ListPayoutsRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t after, page_position("payouts", request.page_token()));
  // The outbox is bounded (Limits::payouts_open_max) and emptied by whoever pays: one visit will
  // do.
  const std::function<Answer<v1::ListPayoutsResponse>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::ListPayoutsResponse> {
    v1::ListPayoutsResponse response;
    machine.visit_payouts([&](const core::Payout& payout) {
      if (payout.id <= after) return true;
      *response.add_payouts() = payout_view(payout);
      if (static_cast<std::size_t>(response.payouts_size()) < size) return true;
      response.set_next_page_token(page_token("payouts", payout.id));
      return false;
    });
    return response;
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::WalletView>> settle_payout(Call& call,
                                                const v1::SettlePayoutRequest& request) {
  const std::function<Answer<AccountId>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<AccountId> {
    const core::Payout* payout = machine.payout(request.payout());
    if (payout == nullptr) {
      return refuse(404, "not_found",
                    "there is no open payout {}: it never was, or it is settled already",
                    request.payout());
    }
    return payout->account;
  };
  FALLOW_CO_ASSIGN(const AccountId account, co_await call.visit(look));
  v1::Command command;
  v1::SettlePayout& settle = *command.mutable_settle_payout();
  settle.set_payout(request.payout());
  settle.set_paid(request.paid());
  settle.set_reference(request.reference());
  co_return co_await submit_for(call, std::move(command), account);
}

net::Task<Answer<v1::WalletView>> set_budget(Call& call, const v1::SetBudgetRequest& request) {
  const std::uint64_t account = call.caller().account.value;
  v1::Command command;
  if (request.has_month_budget() == request.has_total_budget()) {
    co_return refuse_field("month_budget",
                           "give either month_budget or total_budget; \"\" is no limit");
  }
  if (request.has_month_budget()) {
    if (!request.project().empty()) {
      co_return refuse_field("project", "a project has a total_budget, but none by the month");
    }
    FALLOW_CO_ASSIGN(const Micros budget, limit_of("month_budget", request.month_budget()));
    command.mutable_set_budget()->set_account(account);
    command.mutable_set_budget()->set_month_micros_max(budget.value);
  } else {
    FALLOW_CO_ASSIGN(const Micros budget, limit_of("total_budget", request.total_budget()));
    v1::SetProject& out = *command.mutable_set_project();
    out.set_account(account);
    out.set_project(request.project());
    out.set_total_micros_max(budget.value);
  }
  co_return co_await submit_for(call, std::move(command), call.caller().account);
}

}  // namespace

void add_wallet_handlers(Handlers& handlers) {
  handlers.add("Wallets.GetWallet", get_wallet);
  handlers.add("Wallets.ListTransfers", list_transfers);
  handlers.add("Wallets.GetStatement", get_statement);
  handlers.add_stream<v1::GetStatementFileRequest, v1::FilePiece>("Wallets.GetStatementFile",
                                                                  get_statement_file);
  handlers.add("Wallets.CreateDeposit", create_deposit);
  handlers.add("Wallets.ReverseDeposit", reverse_deposit);
  handlers.add("Wallets.CreateWithdrawal", create_withdrawal);
  handlers.add("Wallets.ListPayouts", list_payouts);
  handlers.add("Wallets.SettlePayout", settle_payout);
  handlers.add("Wallets.SetBudget", set_budget);
}

}  // namespace fallow::server
