#include "core/wallets.h"

#include <algorithm>

#include "base/money.h"
#include "core/authority.h"
#include "core/checks.h"
#include "core/handlers.h"
#include "core/reversals.h"

namespace fallow::core {
namespace {

void release_first(Step& step) {
  const auto first = step.state.releases.begin();
  const auto [due, release] = *first;
  step.state.releases.erase(first);
  Lease* const lease = step.state.leases.find(due.lease);
  if (lease != nullptr && due.at <= step.now) {
    const Time until = earnings_wait_until(step.state, lease->renter);
    if (until > step.now) {
      step.state.releases.emplace(Due{until, due.lease}, release);
      return;
    }
  }
  const Micros left = lease == nullptr ? release.amount : charge_back(step, *lease, release.amount);
  step.move({release.provider, v1::PENDING}, {release.provider, v1::EARNED}, left, v1::RELEASED,
            due.lease);
  if (lease != nullptr) lease->earnings_released = true;
}

}  // namespace

ShortHash reference_hash(std::string_view reference) {
  const Digest digest = digest_of(reference);
  ShortHash hash{};
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

void handle(Step& step, const v1::Deposit& command) {
  MarketState& state = step.state;
  if (!require_operator(step)) return;
  if (auto why = check_money("amount_micros", command.amount_micros(), false, state.limits)) {
    return step.refuse(std::move(*why));
  }
  if (auto why = check_name("reference", command.reference(), state.limits)) {
    return step.refuse(std::move(*why));
  }
  const Account* const account =
      acting_for(step, AccountId(command.account()), v1::SCOPE_UNSPECIFIED);
  if (account == nullptr) return;
  const Micros amount(command.amount_micros());
  const ShortHash reference = reference_hash(command.reference());
  if (const auto found = state.deposit_places.find(reference);
      found != state.deposit_places.end()) {
    const Booked& booked = state.deposits[found->second];
    if (booked.account != account->id || booked.amount != amount) {
      return step.refuse(v1::KEY_REUSED, "reference",
                         "this reference was booked with another account or amount by command {}",
                         booked.index.value);
    }
    return step.repeat(booked.index, account->id.value);
  }
  if (state.deposits.size() >= state.limits.deposits_max) {
    return step.refuse(v1::LIMIT_REACHED, "", "the market has booked its most deposits, {}",
                       state.limits.deposits_max);
  }
  // What is on its way out may come back, and then there must be room for it; so for what is owed.
  std::int64_t room = 0;
  const Micros inside = -state.ledger.balance(kOutside);
  const Micros known = inside + state.payouts_total + state.debts_total;
  if (__builtin_add_overflow(known.value, amount.value, &room) ||
      !state.ledger.transfer(kOutside, {account->id, v1::WALLET}, amount, v1::DEPOSITED, LeaseId(),
                             step.out)) {
    return step.refuse(v1::LIMIT_REACHED, "amount_micros",
                       "the market cannot hold this much money in all");
  }
  state.deposit_places.emplace(reference, static_cast<std::uint32_t>(state.deposits.size()));
  state.deposits.push_back({reference, step.index, account->id, amount});
  note_deposit(step, account->id, amount);
  step.pay_debt({account->id, v1::WALLET});
  step.entity = account->id.value;
}

void handle(Step& step, const v1::Withdraw& command) {
  MarketState& state = step.state;
  if (auto why = check_money("amount_micros", command.amount_micros(), false, state.limits)) {
    return step.refuse(std::move(*why));
  }
  if (auto why = check_name("destination", command.destination(), state.limits)) {
    return step.refuse(std::move(*why));
  }
  const Account* const account =
      acting_for(step, AccountId(command.account()), v1::SCOPE_UNSPECIFIED);
  if (account == nullptr) return;
  const Micros amount(command.amount_micros());
  const Micros earned = state.ledger.balance({account->id, v1::EARNED});
  const Micros wallet = state.ledger.balance({account->id, v1::WALLET});
  const Micros firm = payable(state, account->id);
  if (earned < amount && wallet < amount) {
    return step.refuse(v1::NO_FUNDS, "amount_micros",
                       "{} is neither in the wallet ({}) nor in the earnings ({}): ask for at most "
                       "the larger of them",
                       format_money(amount), format_money(wallet), format_money(earned));
  }
  if (earned < amount && firm < amount) {
    return step.refuse(v1::NO_FUNDS, "amount_micros",
                       "of the wallet's {} only {} can be paid out now: the rest came in lately "
                       "and may still be taken back; ask for that much, spend it, or wait",
                       format_money(wallet), format_money(firm));
  }
  if (state.payouts.size() >= state.limits.payouts_open_max) {
    return step.refuse(v1::LIMIT_REACHED, "", "too many payouts are on their way: try again later");
  }
  Payout payout;
  payout.id = step.next_id<Named<struct PayoutTag, std::uint64_t>>().value;
  payout.account = account->id;
  payout.amount = amount;
  payout.destination = command.destination();
  payout.requested_at = step.now;
  payout.source = earned < amount ? v1::WALLET : v1::EARNED;
  step.move({account->id, payout.source}, kOutside, amount, v1::WITHDRAWN, LeaseId());
  step.entity = payout.id;
  state.payouts_total += amount;
  v1::PayoutRequested& told = *step.tell().mutable_payout_requested();
  told.set_payout(payout.id);
  told.set_account(account->id.value);
  told.set_amount_micros(amount.value);
  told.set_destination(payout.destination);
  state.payouts.emplace(payout.id, std::move(payout));
}

void handle(Step& step, const v1::SettlePayout& command) {
  MarketState& state = step.state;
  if (!require_operator(step)) return;
  const auto found = state.payouts.find(command.payout());
  if (found == state.payouts.end()) {
    return step.refuse(v1::NOT_FOUND, "payout", "no open payout {} exists", command.payout());
  }
  if (command.reference().size() > state.limits.name_bytes_max) {
    return step.refuse(v1::VALUE_INVALID, "reference", "the reference is longer than {} bytes",
                       state.limits.name_bytes_max);
  }
  const Payout& payout = found->second;
  if (!command.paid()) {
    step.move(kOutside, {payout.account, payout.source}, payout.amount, v1::WITHDRAWAL_RETURNED,
              LeaseId());
  }
  v1::PayoutSettled& told = *step.tell().mutable_payout_settled();
  told.set_payout(payout.id);
  told.set_paid(command.paid());
  told.set_account(payout.account.value);
  step.entity = payout.id;
  state.payouts_total -= payout.amount;
  state.payouts.erase(found);
}

void delay_earnings(Step& step, const Lease& lease, Micros amount) {
  if (amount.value == 0) return;
  MarketState& state = step.state;
  const Time due = step.now + Duration(state.policy.payout_delay_us());
  state.releases.emplace(Due{due, lease.id}, Release{lease.provider, amount});
  if (state.releases.size() > state.limits.releases_max) release_first(step);
}

void release_earnings(Step& step) {
  MarketState& state = step.state;
  for (std::size_t n = 0; n < state.limits.deadlines_per_command_max; ++n) {
    if (state.releases.empty() || state.releases.begin()->first.at > step.now) return;
    release_first(step);
  }
}

}  // namespace fallow::core
