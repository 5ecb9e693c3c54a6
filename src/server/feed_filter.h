// Which accounts an event concerns: who may see it in the feed. An operator sees all.
#pragma once

#include <array>
#include <cstddef>

#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/events.pb.h"

namespace fallow::server {

// At most the renter and the provider, or the two sides of a transfer. No account 0, none twice.
class Concerned {
 public:
  void add(AccountId account) {
    if (account.value == 0 || contains(account)) return;
    accounts_[size_++] = account;
  }
  bool contains(AccountId account) const {
    for (std::size_t i = 0; i < size_; ++i) {
      if (accounts_[i] == account) return true;
    }
    return false;
  }
  const AccountId* begin() const { return accounts_.data(); }
  const AccountId* end() const { return accounts_.data() + size_; }

 private:
  std::array<AccountId, 2> accounts_{};
  std::size_t size_ = 0;
};

// On the market thread. What an event names but the machine no longer knows concerns nobody.
Concerned concerned_by(const v1::Event& event, const core::Machine& machine);

}  // namespace fallow::server
