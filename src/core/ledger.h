// Double entry. Immutable transfers between ledger accounts; the sum over all is zero, always.
//
// Owner: Machine, market thread only. A ledger account is (market account, kind); MARKET_FEE,
// RESERVE and OUTSIDE belong to account 0. Only OUTSIDE may be negative, for it mirrors the rails,
// and OWED, which is never positive: what an account owes.
// What an account holds for its orders is its HELD balance: placed once with an order, posted up
// to the rest, then voided. Every transfer is told as a Transferred event, so that history can be
// rebuilt from the log alone.
#pragma once

#include <absl/container/btree_map.h>

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/types.h"
#include "core/message_list.h"
#include "fallow/v1/events.pb.h"

namespace fallow::core {

struct LedgerKey {
  AccountId account;
  v1::LedgerKind kind = v1::LEDGER_KIND_UNSPECIFIED;
  auto operator<=>(const LedgerKey&) const = default;
};

constexpr LedgerKey kMarketFee{AccountId(0), v1::MARKET_FEE};
constexpr LedgerKey kOutside{AccountId(0), v1::OUTSIDE};

// Where events are told. Owned by whoever called apply().
using Events = MessageList<v1::Event>;
using EventSpan = MessageSpan<v1::Event>;

class Ledger {
 public:
  // 0 for an account that never moved anything.
  Micros balance(LedgerKey key) const;

  // Moves `amount` (>= 0, else a bug) or nothing: false when `from` would go negative, or when a
  // balance would pass the range of int64. A transfer of 0 is not made and answers true.
  [[nodiscard]] bool transfer(LedgerKey from, LedgerKey to, Micros amount,
                              v1::TransferReason reason, LeaseId lease, Events& out);

  // The sum over all accounts is zero and each has the sign that its kind may have. 128-bit inside.
  bool balanced() const;
  // Market accounts that ever moved anything.
  std::size_t size() const { return rows_.size(); }

  // Visits (key, balance) of every balance that is not zero, in ascending order of the key. For
  // snapshots, digests and the API.
  template <class Visit>
  void visit(Visit&& visit) const {
    for (const auto& [account, row] : order_) {
      for (std::size_t kind = 0; kind < kKinds; ++kind) {
        const Micros balance = rows_[row][kind];
        if (balance.value != 0)
          visit(LedgerKey{account, static_cast<v1::LedgerKind>(kind)}, balance);
      }
    }
  }

  // Restores a balance that visit() gave out, into a ledger without it. False for a kind or a sign
  // that cannot be.
  [[nodiscard]] bool restore(LedgerKey key, Micros balance);

 private:
  static constexpr std::size_t kKinds = v1::LedgerKind_ARRAYSIZE;
  using Row = std::array<Micros, kKinds>;

  // The account's, made if there is none.
  std::uint32_t row_of(AccountId account);

  std::vector<Row> rows_;  // as many as accounts: Limits::accounts_max + 1
  boost::unordered_flat_map<AccountId, std::uint32_t, NamedHash> places_;
  absl::btree_map<AccountId, std::uint32_t> order_;
};

}  // namespace fallow::core
