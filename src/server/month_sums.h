// MonthSums: what the months' statements of accounts are made of, summed as the log is read: what
// moved by reason, and what each lease came to. A part of the history's file, so it can be made
// anew from the log like all of that; a statement then costs its lines, not the month's entries.
//
// Owner: History. Adding and storing on its writing thread, reading under its reader's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "base/result.h"
#include "base/sqlite_db.h"
#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/events.pb.h"
#include "server/ports.h"

namespace fallow::server {

// Amounts are kept as units and micros apart, each summed by itself: no sum of many transfers
// passes 64 bits.
constexpr std::int64_t kMicrosPerUnit = 1'000'000;

// What a statement says of a lease beside its money; as it was placed.
struct PlacedLease {
  LeaseId lease;
  OrderId order;
  AccountId provider;
  NodeId node;
  std::string devices;  // "0,2": their places in the node
  std::uint32_t task = 0;
  v1::Tier tier = v1::TIER_UNSPECIFIED;
  std::string name;  // of the order
  std::string project;
};

// Of the lease that the event places, with the machine right behind it; null: it places none. On
// the market thread.
std::unique_ptr<PlacedLease> placed_lease(const v1::Event& event, const core::Machine& machine);

class MonthSums {
 public:
  // The tables, for an empty file; and what drops them from one of another version.
  static const char* const kSchema;
  static const char* const kDrop;

  Status prepare(SqliteDb& writer);

  // Adds to the sums in memory, or to the file at once. The caller's transaction is open from the
  // first add() to store(), and covers the cursor, so that nothing is counted twice.
  Status add(SqliteDb& writer, const PlacedLease& placed);
  void add(const v1::Transferred& transfer, Time time);
  Status store(SqliteDb& writer);
  // Forgets what was added and not stored.
  void clear();

  // A page of a statement; without the currency, which the log's first command has.
  static Result<StatementHistory::Page> read(SqliteDb& reader,
                                             const StatementHistory::Asked& asked);

 private:
  // Account, month, kind, counter kind, reason, and the lease; once that is known, its tier
  // instead.
  using MoveKey = std::tuple<std::uint64_t, std::int32_t, int, int, int, std::uint64_t>;
  struct Move {
    std::int64_t units = 0;
    std::int64_t micros = 0;
    std::int64_t entries = 0;
  };
  // Account, month, as its provider, lease.
  using LineKey = std::tuple<std::uint64_t, std::int32_t, bool, std::uint64_t>;
  struct Line {
    std::int64_t charged = 0;
    std::int64_t fee = 0;
    std::int64_t refunded = 0;
    std::int64_t entries = 0;
    Time first_at;
    Time last_at;
  };

  void add_move(const v1::Transferred& transfer, std::int32_t month, bool receives);
  void add_line(const v1::Transferred& transfer, std::int32_t month, bool receives, Time time);
  Result<std::uint64_t> stored_tier(SqliteDb& writer, std::uint64_t lease);
  Result<std::map<MoveKey, Move>> moves_by_tier(SqliteDb& writer);

  std::map<MoveKey, Move> moves_;
  std::map<LineKey, Line> lines_;
  SqliteStatement placed_, tier_, move_, line_;
};

}  // namespace fallow::server
