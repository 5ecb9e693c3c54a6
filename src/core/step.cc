#include "core/step.h"

#include <algorithm>

#include "core/reversals.h"

namespace fallow::core {

void Step::refuse(Refusal why) {
  unchanged = true;
  v1::Refused& told = *tell().mutable_refused();
  told.set_code(why.code);
  told.set_message(std::move(why.message));
  told.set_field(std::move(why.field));
  told.set_column(why.column);
  for (v1::Relaxation& relaxation : why.relaxations) {
    *told.add_relaxations() = std::move(relaxation);
  }
  if (why.next_quote) *told.mutable_next_quote() = *std::move(why.next_quote);
}

void Step::repeat(LogIndex first, std::uint64_t first_entity) {
  unchanged = true;
  v1::Repeated& told = *tell().mutable_repeated();
  told.set_first_index(first.value);
  told.set_entity(first_entity);
}

void Step::move(LedgerKey from, LedgerKey to, Micros amount, v1::TransferReason reason,
                LeaseId lease) {
  FALLOW_CHECK(state.ledger.transfer(from, to, amount, reason, lease, out),
               "{} micros cannot move from {}/{} to {}/{}", amount.value, from.account.value,
               static_cast<int>(from.kind), to.account.value, static_cast<int>(to.kind));
  if (from.kind == v1::OWED) state.debts_total += amount;
  if (to.kind == v1::OWED) state.debts_total -= amount;
  if (to.kind == v1::WALLET || to.kind == v1::EARNED) pay_debt(to);
}

void Step::pay_debt(LedgerKey from) {
  if (state.debts_total.value == 0) return;
  const LedgerKey owed{from.account, v1::OWED};
  const Micros debt(-state.ledger.balance(owed).value);
  const Micros paid = std::min(debt, state.ledger.balance(from));
  if (paid.value == 0) return;
  move(from, owed, paid, v1::DEBT_PAID, LeaseId());
  if (from.kind == v1::WALLET) note_debt_paid(state, from.account);
}

}  // namespace fallow::core
