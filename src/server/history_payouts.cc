// The history's payouts: what accounts asked for, and what became of it.
#include <limits>

#include "base/money.h"
#include "server/history.h"
#include "server/views.h"

namespace fallow::server {

Status History::write_payout(const Row& row) {
  if (row.event.has_payout_requested()) {
    const v1::PayoutRequested& asked = row.event.payout_requested();
    SqliteStatement& insert = statements_.ask_payout;
    insert.bind(1, static_cast<std::int64_t>(asked.payout()));
    insert.bind(2, static_cast<std::int64_t>(asked.account()));
    insert.bind(3, asked.amount_micros());
    insert.bind(4, asked.destination());
    insert.bind(5, row.time.us);
    return writer_.run(insert);
  }
  if (row.event.has_payout_settled()) {
    const v1::PayoutSettled& settled = row.event.payout_settled();
    SqliteStatement& update = statements_.settle_payout;
    update.bind(1, static_cast<std::int64_t>(settled.payout()));
    update.bind(2, row.time.us);
    update.bind(3, std::int64_t{settled.paid() ? 1 : 0});
    update.bind(4, row.command.reference);
    return writer_.run(update);
  }
  return {};
}

Result<EarningsHistory::PayoutsPage> History::payouts(AccountId account, std::uint64_t before,
                                                      std::size_t count_max) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement select,
                reader_.prepare("select id, amount, destination, requested_us, settled_us, paid, "
                                "reference from payouts where account = ? and id < ? "
                                "order by id desc limit ?"));
  select.bind(1, static_cast<std::int64_t>(account.value));
  select.bind(2, before == 0 ? std::numeric_limits<std::int64_t>::max()
                             : static_cast<std::int64_t>(before));
  select.bind(3, static_cast<std::int64_t>(count_max) + 1);
  PayoutsPage page;
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    if (page.payouts.size() == count_max) {
      page.next = page.payouts.back().id();
      return page;
    }
    v1::PayoutView& view = page.payouts.emplace_back();
    view.set_id(static_cast<std::uint64_t>(select.integer(0)));
    view.set_account(account.value);
    view.set_amount(format_money(Micros(select.integer(1))));
    view.set_destination(std::string(select.blob(2)));
    *view.mutable_requested_at() = timestamp_of(Time{select.integer(3)});
    view.set_state(v1::PAYOUT_OPEN);
    if (select.integer(4) == 0) continue;
    *view.mutable_settled_at() = timestamp_of(Time{select.integer(4)});
    view.set_state(select.integer(5) != 0 ? v1::PAYOUT_PAID : v1::PAYOUT_RETURNED);
    view.set_reference(std::string(select.blob(6)));
  }
  if (code != SQLITE_DONE) return tl::unexpected(reader_.error(code, "read"));
  return page;
}

}  // namespace fallow::server
