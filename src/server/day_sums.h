// DaySums: what accounts earned by day (UTC) and by the devices of a node, summed as the log is
// read. A part of the history's file beside MonthSums, which knows where each lease runs.
//
// Owner: History. Adding and storing on its writing thread, reading under its reader's lock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "base/result.h"
#include "base/sqlite_db.h"
#include "base/types.h"
#include "fallow/v1/events.pb.h"
#include "server/month_sums.h"
#include "server/ports.h"

namespace fallow::server {

// Days since 1970 (UTC).
std::int32_t day_of(Time at);

class DaySums {
 public:
  // The tables, for an empty file; and what drops them from one of another version.
  static const char* const kSchema;
  static const char* const kDrop;

  Status prepare(SqliteDb& writer);

  // As MonthSums' functions of the same names, within the same transaction and behind them: where a
  // lease runs is read from what they wrote.
  void add(const v1::Transferred& transfer, Time time);
  void add(const PlacedLease& placed, Time time);
  Status store(SqliteDb& writer);
  void clear() { by_lease_.clear(); }
  // Days before this one leave.
  Status prune(SqliteDb& writer, std::int32_t first_kept);

  static Result<EarningsHistory::DaysPage> read(SqliteDb& reader,
                                                const EarningsHistory::DaysAsked& asked);

 private:
  struct Sum {
    std::int64_t units = 0;
    std::int64_t micros = 0;  // see kMicrosPerUnit
    std::int64_t leases = 0;  // that began
    void operator+=(const Sum& other) {
      units += other.units;
      micros += other.micros;
      leases += other.leases;
    }
  };
  // Of a lease; no node: it was never told of.
  struct Place {
    std::int64_t node = 0;
    std::string devices;
  };
  Result<Place> place_of(SqliteDb& writer, std::uint64_t lease);

  std::map<std::tuple<std::uint64_t, std::int32_t, std::uint64_t>, Sum> by_lease_;  // account, day
  SqliteStatement place_, add_, prune_;
};

}  // namespace fallow::server
