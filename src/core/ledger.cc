#include "core/ledger.h"

#include <limits>

#include "base/check.h"

namespace fallow::core {
namespace {

bool belongs(LedgerKey key) {
  switch (key.kind) {
    case v1::WALLET:
    case v1::HELD:
    case v1::PENDING:
    case v1::EARNED:
    case v1::OWED:
      return key.account.value != 0;
    case v1::MARKET_FEE:
    case v1::RESERVE:
    case v1::OUTSIDE:
      return key.account.value == 0;
    default:
      return false;
  }
}

bool may_be(v1::LedgerKind kind, std::int64_t balance) {
  if (kind == v1::OUTSIDE) return true;
  return kind == v1::OWED ? balance <= 0 : balance >= 0;
}

}  // namespace

std::uint32_t Ledger::row_of(AccountId account) {
  const auto [place, added] =
      places_.try_emplace(account, static_cast<std::uint32_t>(rows_.size()));
  if (added) {
    rows_.emplace_back();
    order_.emplace(account, place->second);
  }
  return place->second;
}

Micros Ledger::balance(LedgerKey key) const {
  const auto place = places_.find(key.account);
  if (place == places_.end() || !v1::LedgerKind_IsValid(key.kind)) return Micros(0);
  return rows_[place->second][static_cast<std::size_t>(key.kind)];
}

bool Ledger::transfer(LedgerKey from, LedgerKey to, Micros amount, v1::TransferReason reason,
                      LeaseId lease, Events& out) {
  FALLOW_CHECK(amount.value >= 0, "a transfer of {} micros is negative", amount.value);
  FALLOW_CHECK(belongs(from) && belongs(to) && from != to,
               "no ledger accounts to move between: {}/{} and {}/{}", from.account.value,
               static_cast<int>(from.kind), to.account.value, static_cast<int>(to.kind));
  if (amount.value == 0) return true;

  const std::uint32_t from_row = row_of(from.account);
  const std::uint32_t to_row = row_of(to.account);  // a new row moves the others
  Micros& source = rows_[from_row][static_cast<std::size_t>(from.kind)];
  Micros& target = rows_[to_row][static_cast<std::size_t>(to.kind)];
  std::int64_t source_after = 0;
  std::int64_t target_after = 0;
  if (__builtin_sub_overflow(source.value, amount.value, &source_after)) return false;
  if (__builtin_add_overflow(target.value, amount.value, &target_after)) return false;
  if (!may_be(from.kind, source_after) || !may_be(to.kind, target_after)) return false;
  source.value = source_after;
  target.value = target_after;

  v1::Transferred& told = *out.emplace_back().mutable_transferred();
  told.set_from_account(from.account.value);
  told.set_from_kind(from.kind);
  told.set_to_account(to.account.value);
  told.set_to_kind(to.kind);
  told.set_amount_micros(amount.value);
  told.set_reason(reason);
  told.set_lease(lease.value);
  return true;
}

bool Ledger::balanced() const {
  Wide sum = 0;
  bool sound = true;
  visit([&](LedgerKey key, Micros balance) {
    sum += balance.value;
    sound = sound && may_be(key.kind, balance.value);
  });
  return sum == 0 && sound;
}

bool Ledger::restore(LedgerKey key, Micros balance) {
  if (!belongs(key) || !may_be(key.kind, balance.value)) return false;
  Micros& place = rows_[row_of(key.account)][static_cast<std::size_t>(key.kind)];
  if (place.value != 0) return false;
  place = balance;
  return true;
}

}  // namespace fallow::core
