// Of the service Wallets: what came in by day and device, and what was asked to be paid out.
#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/number.h"
#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/history_wait.h"
#include "server/months.h"
#include "server/pages.h"
#include "server/visible.h"

namespace fallow::server {
namespace {

// Up to where the history is to be read. 404: there is no such account.
net::Task<Answer<LogIndex>> log_end_of(const Call& call, AccountId account) {
  const std::function<Answer<LogIndex>(const core::Machine&)> look =
      [account](const core::Machine& machine) -> Answer<LogIndex> {
    FALLOW_TRY(known_account(machine, account));
    return machine.last_index();
  };
  co_return co_await call.visit(look);
}

// "20774.12345.0,2": a day, a node and its devices.
std::string earnings_token(const EarningsHistory::DaysPlace& place) {
  return page_token("earnings", fmt::format("{}.{}.{}", place.day, place.node, place.devices));
}

Answer<std::optional<EarningsHistory::DaysPlace>> earnings_place(const std::string& token) {
  FALLOW_ASSIGN(const std::string name, page_name("earnings", token));
  if (name.empty()) return std::nullopt;
  const std::size_t first = name.find('.');
  const std::size_t second = first == name.npos ? name.npos : name.find('.', first + 1);
  if (second != name.npos) {
    const std::string_view text = name;
    const auto day = parse_number<std::int32_t>(text.substr(0, first));
    const auto node = parse_number<std::int64_t>(text.substr(first + 1, second - first - 1));
    if (day && node) {
      return EarningsHistory::DaysPlace{*day, *node, std::string(text.substr(second + 1))};
    }
  }
  return refuse_field("page_token", "this is not a next_page_token of this list");
}

Answer<std::int32_t> earnings_day(const char* field, const std::string& text,
                                  std::int32_t when_empty) {
  if (text.empty()) return when_empty;
  if (const auto day = day_of_text(text)) return *day;
  return refuse_field(field, "a day is written as 2026-11-21, in UTC");
}

net::Task<Answer<bool>> put_node_names(const Call& call, v1::ListEarningsResponse& response) {
  const std::function<Answer<bool>(const core::Machine&)> look =
      [&response](const core::Machine& machine) -> Answer<bool> {
    for (v1::EarningsView& row : *response.mutable_earnings()) {
      const core::Node* node = machine.node(NodeId(row.node()));
      if (node != nullptr) row.set_node_name(node->facts.name());
    }
    return true;
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::ListEarningsResponse>> list_earnings(Call& call,
                                                          const v1::ListEarningsRequest& request) {
  EarningsHistory::DaysAsked asked;
  FALLOW_CO_ASSIGN(asked.account, visible_account(call, request.account()));
  FALLOW_CO_ASSIGN(asked.rows_max, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(asked.after, earnings_place(request.page_token()));
  FALLOW_CO_ASSIGN(asked.first_day, earnings_day("since", request.since(), 0));
  FALLOW_CO_ASSIGN(asked.last_day, earnings_day("until", request.until(),
                                                std::numeric_limits<std::int32_t>::max()));
  asked.node = NodeId(request.node());
  asked.by = request.by();
  FALLOW_CO_ASSIGN(const LogIndex through, co_await log_end_of(call, asked.account));
  const std::function<Answer<v1::ListEarningsResponse>()> read =
      [&]() -> Answer<v1::ListEarningsResponse> {
    EarningsHistory& history = *call.parts().earnings;
    auto page =
        wait_for_history(history, through).and_then([&] { return history.earnings(asked); });
    if (!page) return tl::unexpected(problem_of(page.error(), "read what was earned"));
    v1::ListEarningsResponse response;
    for (v1::EarningsView& row : page->rows) *response.add_earnings() = std::move(row);
    if (page->next) response.set_next_page_token(earnings_token(*page->next));
    return response;
  };
  FALLOW_CO_ASSIGN(v1::ListEarningsResponse response, co_await call.on_disk(read));
  if (asked.by != v1::EARNINGS_BY_DAY) FALLOW_CO_TRY(co_await put_node_names(call, response));
  co_return response;
}

net::Task<Answer<v1::ListWithdrawalsResponse>> list_withdrawals(
    Call& call, const v1::ListWithdrawalsRequest& request) {
  FALLOW_CO_ASSIGN(const AccountId account, visible_account(call, request.account()));
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t before, page_position("withdrawals", request.page_token()));
  FALLOW_CO_ASSIGN(const LogIndex through, co_await log_end_of(call, account));
  const std::function<Answer<v1::ListWithdrawalsResponse>()> read =
      [&]() -> Answer<v1::ListWithdrawalsResponse> {
    EarningsHistory& history = *call.parts().earnings;
    auto page = wait_for_history(history, through).and_then([&] {
      return history.payouts(account, before, size);
    });
    if (!page) return tl::unexpected(problem_of(page.error(), "read the payouts"));
    v1::ListWithdrawalsResponse response;
    for (v1::PayoutView& payout : page->payouts) *response.add_payouts() = std::move(payout);
    if (page->next != 0) response.set_next_page_token(page_token("withdrawals", page->next));
    return response;
  };
  co_return co_await call.on_disk(read);
}

}  // namespace

void add_earnings_handlers(Handlers& handlers) {
  handlers.add("Wallets.ListEarnings", list_earnings);
  handlers.add("Wallets.ListWithdrawals", list_withdrawals);
}

}  // namespace fallow::server
