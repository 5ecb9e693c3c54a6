// One command while it is applied: what it may change and where it tells what happened.
//
// Lives on the stack of Machine::apply(). A handler first refuses or passes, and only then changes
// the state: a refused command leaves no trace but its event.
#pragma once

#include <string_view>
#include <utility>

#include "base/check.h"
#include "core/market_state.h"
#include "core/refusal.h"

namespace fallow::core {

constexpr std::uint64_t kIdsPerCommand = 4'096;
constexpr LogIndex kIndexMax(std::uint64_t{1} << 52);  // ids fit 64 bits

struct Step {
  MarketState& state;
  LogIndex index;
  Time now;
  AccountId actor;  // 0: the market itself
  Events& out;
  std::uint64_t ids_used = 0;
  std::uint64_t entity = 0;  // what the command made or changed: the answer to a repetition
  bool unchanged = false;    // refused or repeated: the state is as before

  // A new identity, and the next of this command.
  template <class Id>
  Id next_id() {
    FALLOW_CHECK(ids_used < kIdsPerCommand, "command {} makes too many things", index.value);
    return Id(index.value * kIdsPerCommand + ids_used++);
  }

  v1::Event& tell() { return out.emplace_back(); }

  void refuse(Refusal why);
  template <class... Args>
  void refuse(v1::Refusal code, std::string_view field, fmt::format_string<Args...> format,
              Args&&... args) {
    refuse(refusal(code, field, format, std::forward<Args>(args)...));
  }
  // The command was carried out before: tells what it made then, and changes nothing.
  void repeat(LogIndex first, std::uint64_t first_entity);

  // Moves money that must be there: whoever calls has made sure, so a failure is a bug. What comes
  // to the wallet or the earnings of an account that owes goes on to what it owes.
  void move(LedgerKey from, LedgerKey to, Micros amount, v1::TransferReason reason, LeaseId lease);
  // Out of a wallet or earnings, as much as the account owes and there is.
  void pay_debt(LedgerKey from);
};

}  // namespace fallow::core
