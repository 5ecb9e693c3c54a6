#include "server/day_sums.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/number.h"
#include "server/history.h"
#include "server/months.h"
#include "server/wide_money.h"

namespace fallow::server {
namespace {

constexpr const char* kAddDay =
    "insert into day_earnings values(?1,?2,?3,?4,?5,?6,?7) "
    "on conflict(account, day, node, devices) do update set units = units + excluded.units, "
    "micros = micros + excluded.micros, leases = leases + excluded.leases";

// What is asked for, and in which order. ?5 is the day, ?6 and ?7 the devices that it goes on
// behind.
struct DaysQuery {
  const char* columns;
  const char* rest;
};
constexpr DaysQuery kDaysAndDevices{
    "day, node, devices, units, micros, leases",
    "(day < ?5 or (day = ?5 and (node, devices) > (?6, ?7))) order by day desc, node, devices"};
constexpr DaysQuery kDaysAlone{"day, 0, x'', sum(units), sum(micros), sum(leases)",
                               "day < ?5 group by day order by day desc"};
constexpr DaysQuery kDevicesAlone{
    "0, node, devices, sum(units), sum(micros), sum(leases)",
    "(node, devices) > (?6, ?7) group by node, devices order by node, devices"};

std::string days_select(v1::EarningsBy by) {
  const DaysQuery& query = by == v1::EARNINGS_BY_DAY      ? kDaysAlone
                           : by == v1::EARNINGS_BY_DEVICE ? kDevicesAlone
                                                          : kDaysAndDevices;
  return fmt::format(
      "select {} from day_earnings where account = ?1 and day between ?2 and ?3 "
      "and (?4 = 0 or node = ?4) and {} limit ?8",
      query.columns, query.rest);
}

// "0,2" as the file has it.
void put_devices(std::string_view text, v1::EarningsView& row) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    if (const auto device = parse_number<std::uint32_t>(text.substr(0, end))) {
      row.add_devices(*device);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

const char* const DaySums::kSchema = R"sql(
create table day_earnings(account integer, day integer, node integer, devices blob,
                          units integer not null, micros integer not null, leases integer not null,
                          primary key(account, day, node, devices)) without rowid;
)sql";

const char* const DaySums::kDrop = "drop table if exists day_earnings;";

std::int32_t day_of(Time at) { return static_cast<std::int32_t>(at.us / hours(24).value); }

Status DaySums::prepare(SqliteDb& writer) {
  FALLOW_ASSIGN(place_, writer.prepare("select node, devices from placed_leases where lease = ?"));
  FALLOW_ASSIGN(add_, writer.prepare(kAddDay));
  FALLOW_ASSIGN(prune_, writer.prepare("delete from day_earnings where day < ?"));
  return {};
}

// What comes to what is pending, less what goes back from it: what a statement calls earned.
void DaySums::add(const v1::Transferred& transfer, Time time) {
  const v1::TransferReason reason = transfer.reason();
  const bool is_bill = reason == v1::CHARGED || reason == v1::FEE || reason == v1::REFUNDED ||
                       reason == v1::FEE_RETURNED || reason == v1::CHARGED_BACK;
  if (!is_bill) return;
  for (const bool receives : {false, true}) {
    if ((receives ? transfer.to_kind() : transfer.from_kind()) != v1::PENDING) continue;
    const std::uint64_t account = receives ? transfer.to_account() : transfer.from_account();
    const std::int64_t amount = receives ? transfer.amount_micros() : -transfer.amount_micros();
    Sum& sum = by_lease_[{account, day_of(time), transfer.lease()}];
    sum.units += amount / kMicrosPerUnit;
    sum.micros += amount % kMicrosPerUnit;
  }
}

void DaySums::add(const PlacedLease& placed, Time time) {
  ++by_lease_[{placed.provider.value, day_of(time), placed.lease.value}].leases;
}

Result<DaySums::Place> DaySums::place_of(SqliteDb& writer, std::uint64_t lease) {
  place_.bind(1, static_cast<std::int64_t>(lease));
  const int code = place_.step();
  Place place;
  if (code == SQLITE_ROW) place = {place_.integer(0), std::string(place_.blob(1))};
  place_.reset();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return tl::unexpected(writer.error(code, "read"));
  return place;
}

Status DaySums::store(SqliteDb& writer) {
  // Thousands of leases come to a few rows.
  std::map<std::tuple<std::uint64_t, std::int32_t, std::int64_t, std::string>, Sum> sums;
  for (const auto& [key, sum] : by_lease_) {
    const auto& [account, day, lease] = key;
    FALLOW_ASSIGN(const Place place, place_of(writer, lease));
    sums[{account, day, place.node, place.devices}] += sum;
  }
  for (const auto& [key, sum] : sums) {
    const auto& [account, day, node, devices] = key;
    add_.bind(1, static_cast<std::int64_t>(account));
    add_.bind(2, std::int64_t{day});
    add_.bind(3, node);
    add_.bind(4, devices);
    add_.bind(5, sum.units);
    add_.bind(6, sum.micros);
    add_.bind(7, sum.leases);
    FALLOW_TRY(writer.run(add_));
  }
  clear();
  return {};
}

Status DaySums::prune(SqliteDb& writer, std::int32_t first_kept) {
  prune_.bind(1, std::int64_t{first_kept});
  return writer.run(prune_);
}

Result<EarningsHistory::DaysPage> DaySums::read(SqliteDb& reader,
                                                const EarningsHistory::DaysAsked& asked) {
  FALLOW_ASSIGN(SqliteStatement select, reader.prepare(days_select(asked.by)));
  const EarningsHistory::DaysPlace first{std::numeric_limits<std::int32_t>::max(), -1, ""};
  const EarningsHistory::DaysPlace& after = asked.after ? *asked.after : first;
  select.bind(1, static_cast<std::int64_t>(asked.account.value));
  select.bind(2, std::int64_t{asked.first_day});
  select.bind(3, std::int64_t{asked.last_day});
  select.bind(4, static_cast<std::int64_t>(asked.node.value));
  select.bind(5, std::int64_t{after.day});
  select.bind(6, after.node);
  select.bind(7, after.devices);
  select.bind(8, static_cast<std::int64_t>(asked.rows_max) + 1);
  EarningsHistory::DaysPage page;
  EarningsHistory::DaysPlace last;
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    if (page.rows.size() == asked.rows_max) {
      page.next = std::move(last);
      return page;
    }
    last = {static_cast<std::int32_t>(select.integer(0)), select.integer(1),
            std::string(select.blob(2))};
    v1::EarningsView& row = page.rows.emplace_back();
    if (asked.by != v1::EARNINGS_BY_DEVICE) row.set_day(day_text(last.day));
    row.set_node(static_cast<std::uint64_t>(last.node));
    put_devices(last.devices, row);
    row.set_earned(wide_money(Wide{select.integer(3)} * kMicrosPerUnit + select.integer(4)));
    row.set_leases(static_cast<std::uint64_t>(select.integer(5)));
  }
  if (code != SQLITE_DONE) return tl::unexpected(reader.error(code, "read"));
  return page;
}

Result<EarningsHistory::DaysPage> History::earnings(const DaysAsked& asked) {
  const std::lock_guard lock(reader_mutex_);
  return DaySums::read(reader_, asked);
}

}  // namespace fallow::server
