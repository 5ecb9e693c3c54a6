// A market account: a person or an organisation that rents, provides or operates.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/types.h"
#include "core/budget.h"
#include "fallow/v1/events.pb.h"

namespace fallow::core {

// Bit set of v1::Scope values: 1 << scope.
using ScopeSet = std::uint32_t;

// What was charged less what came back on one day, counted from 1970 in UTC.
struct SpentDay {
  std::int32_t day = 0;
  Micros amount;
};

struct Account {
  AccountId id;
  std::string name;
  ScopeSet scopes = 0;
  Time created_at;
  Micros month_budget;     // 0: none
  std::int32_t month = 0;  // months since 1970-01 (UTC) that month_used counts
  Micros month_used;       // held or charged in that month, net of what was voided or refunded
  Budget total;
  absl::btree_map<std::string, Budget> projects;  // by name; at most Limits' projects
  std::uint32_t orders_open = 0;
  std::vector<SpentDay> spent;  // oldest first, at most kSpendingDays: see core/spending.h
  std::uint64_t turn = 0;       // of its latest waiting order: see core/schedule.h
};

struct ApiKey {
  Digest secret_hash;
  AccountId account;
  ScopeSet scopes = 0;
  std::string label;
  Time expires_at;                       // 0: never
  v1::Role role = v1::ROLE_UNSPECIFIED;  // unspecified: as an owner's
  Time created_at;                       // 0: it is from before keys remembered it
};

// What one account may do in the name of another, its team.
struct Membership {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  bool invited = false;  // it has not accepted yet, and may nothing
};

struct JoinToken {
  Digest secret_hash;
  AccountId account;
  Time expires_at;
  std::uint32_t uses_left = 0;
};

struct Payout {
  std::uint64_t id = 0;
  AccountId account;
  Micros amount;
  std::string destination;
  Time requested_at;
  v1::LedgerKind source = v1::WALLET;  // where the money returns to when the rail refuses
};

}  // namespace fallow::core
