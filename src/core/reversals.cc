#include "core/reversals.h"

#include <algorithm>

#include "core/authority.h"
#include "core/checks.h"
#include "core/handlers.h"
#include "core/orders.h"
#include "core/wallets.h"

namespace fallow::core {
namespace {

Micros debt_of(const MarketState& state, AccountId account) {
  return Micros(-state.ledger.balance({account, v1::OWED}).value);
}

void forget_reversible(MarketState& state, const ReversibleDeposit& deposit) {
  const auto sum = state.reversible_of.find(deposit.account);
  sum->second -= deposit.amount;
  if (sum->second.value > 0) return;
  state.reversible_of.erase(sum);
  state.covered_until.erase(deposit.account);
}

// Whether the account may owe so much more; the rails' mirror has room for it, too.
bool can_owe(const MarketState& state, Micros amount) {
  std::int64_t sum = 0;
  return !__builtin_add_overflow(state.debts_total.value, amount.value, &sum) &&
         !__builtin_add_overflow(state.ledger.balance(kOutside).value, amount.value, &sum);
}

}  // namespace

void note_deposit(Step& step, AccountId account, Micros amount) {
  MarketState& state = step.state;
  const Duration delay(state.policy.payout_delay_us());
  if (!state.policy.holds_deposits() || delay.value == 0) return;
  state.reversible.emplace(std::pair(step.now + delay, step.index),
                           ReversibleDeposit{account, amount});
  state.reversible_of[account] += amount;
}

void release_deposits(Step& step) {
  MarketState& state = step.state;
  for (std::size_t n = 0; n < state.limits.deadlines_per_command_max; ++n) {
    const auto first = state.reversible.begin();
    if (first == state.reversible.end() || first->first.first > step.now) return;
    forget_reversible(state, first->second);
    state.reversible.erase(first);
  }
}

Micros payable(const MarketState& state, AccountId account) {
  const Micros wallet = state.ledger.balance({account, v1::WALLET});
  const auto sum = state.reversible_of.find(account);
  if (sum == state.reversible_of.end()) return wallet;
  return std::max(wallet - sum->second, Micros(0));
}

void note_debt_paid(MarketState& state, AccountId account) {
  if (!state.reversible_of.contains(account)) return;
  const auto last = std::find_if(state.reversible.rbegin(), state.reversible.rend(),
                                 [&](const auto& each) { return each.second.account == account; });
  state.covered_until[account] = last->first.first;
}

Time earnings_wait_until(const MarketState& state, AccountId renter) {
  const auto found = state.covered_until.find(renter);
  return found == state.covered_until.end() ? Time() : found->second;
}

Micros charge_back(Step& step, const Lease& lease, Micros earned) {
  MarketState& state = step.state;
  const LedgerKey owed{lease.renter, v1::OWED};
  const auto take = [&](LedgerKey from, Micros most) {
    const Micros taken = std::min(most, debt_of(state, lease.renter));
    step.move(from, owed, taken, v1::CHARGED_BACK, lease.id);
    return taken;
  };
  // What the renter has had back already is none of it.
  const Micros paid = lease.charged - lease.refunded;
  const Micros taken = take({lease.provider, v1::PENDING}, std::min(earned, paid));
  // The fees of open leases are not the market's yet.
  const Micros fees = state.ledger.balance(kMarketFee) - state.fees_open;
  take(kMarketFee, std::max(std::min({paid - taken, lease.fee, fees}), Micros(0)));
  return earned - taken;
}

void handle(Step& step, const v1::ReverseDeposit& command) {
  MarketState& state = step.state;
  if (!require_operator(step)) return;
  if (auto why = check_name("reference", command.reference(), state.limits)) {
    return step.refuse(std::move(*why));
  }
  const ShortHash reference = reference_hash(command.reference());
  const auto found = state.deposit_places.find(reference);
  if (found == state.deposit_places.end()) {
    return step.refuse(v1::NOT_FOUND, "reference", "no deposit was booked under this reference");
  }
  const Booked& booked = state.deposits[found->second];
  if (const auto done = state.reversals.find(reference); done != state.reversals.end()) {
    return step.repeat(done->second, booked.account.value);
  }
  if (!can_owe(state, booked.amount)) {
    return step.refuse(v1::LIMIT_REACHED, "", "the market cannot count so much that is owed");
  }
  state.reversals.emplace(reference, step.index);
  const auto is_it = [&](const auto& each) { return each.first.second == booked.index; };
  if (const auto held = std::find_if(state.reversible.begin(), state.reversible.end(), is_it);
      held != state.reversible.end()) {
    forget_reversible(state, held->second);
    state.reversible.erase(held);
  }
  step.move({booked.account, v1::OWED}, kOutside, booked.amount, v1::DEPOSIT_REVERSED, LeaseId());
  step.pay_debt({booked.account, v1::WALLET});
  step.pay_debt({booked.account, v1::EARNED});
  step.entity = booked.account.value;
  v1::DepositReversed& told = *step.tell().mutable_deposit_reversed();
  told.set_account(booked.account.value);
  told.set_amount_micros(booked.amount.value);
  told.set_owed_micros(debt_of(state, booked.account).value);
  // What it holds for its orders is wanted, too.
  if (debt_of(state, booked.account).value > 0) stop_orders(step, booked.account);
}

}  // namespace fallow::core
