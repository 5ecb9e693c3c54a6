#include "server/month_sums.h"

#include "core/calendar.h"
#include "core/machine.h"
#include "server/views.h"

namespace fallow::server {
namespace {

constexpr const char* kAddMove =
    "insert into month_moves values(?1,?2,?3,?4,?5,?6,?7,?8,?9) "
    "on conflict(account, month, kind, counter, reason, tier) do update set "
    "units = units + excluded.units, micros = micros + excluded.micros, "
    "entries = entries + excluded.entries";
constexpr const char* kAddLine =
    "insert into month_leases values(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) "
    "on conflict(account, month, provider, lease) do update set "
    "charged = charged + excluded.charged, fee = fee + excluded.fee, "
    "refunded = refunded + excluded.refunded, entries = entries + excluded.entries, "
    "first_us = min(first_us, excluded.first_us), last_us = max(last_us, excluded.last_us)";

}  // namespace

const char* const MonthSums::kSchema = R"sql(
create table placed_leases(lease integer primary key, job integer not null, task integer not null,
                           tier integer not null, name blob not null, project blob not null,
                           node integer not null, devices blob not null);
create table month_moves(account integer, month integer, kind integer, counter integer,
                         reason integer, tier integer, units integer not null,
                         micros integer not null, entries integer not null,
                         primary key(account, month, kind, counter, reason, tier)) without rowid;
create table month_leases(account integer, month integer, provider integer, lease integer,
                          charged integer not null, fee integer not null, refunded integer not null,
                          entries integer not null, first_us integer not null,
                          last_us integer not null,
                          primary key(account, month, provider, lease)) without rowid;
)sql";

const char* const MonthSums::kDrop = R"sql(
drop table if exists placed_leases; drop table if exists month_moves;
drop table if exists month_leases;
)sql";

std::unique_ptr<PlacedLease> placed_lease(const v1::Event& event, const core::Machine& machine) {
  if (!event.has_lease_placed()) return nullptr;
  const v1::LeasePlaced& told = event.lease_placed();
  auto placed = std::make_unique<PlacedLease>();
  placed->lease = LeaseId(told.lease());
  placed->order = OrderId(told.order());
  placed->task = told.task();
  placed->node = NodeId(told.node());
  const core::Lease* lease = machine.lease(placed->lease);
  if (lease != nullptr) {
    placed->provider = lease->provider;
    for (const std::uint32_t device : lease->devices) {
      placed->devices += (placed->devices.empty() ? "" : ",") + std::to_string(device);
    }
  } else if (const core::Node* node = machine.node(placed->node)) {
    placed->provider = node->provider;
  }
  const core::Order* order = machine.order(placed->order);
  if (order == nullptr) return placed;
  placed->tier = lease == nullptr ? order->requirements.tier() : tier_of(*lease, *order);
  placed->name = order->name;
  placed->project = order->project;
  return placed;
}

Status MonthSums::prepare(SqliteDb& writer) {
  FALLOW_ASSIGN(placed_,
                writer.prepare("insert or ignore into placed_leases values(?,?,?,?,?,?,?,?)"));
  FALLOW_ASSIGN(tier_, writer.prepare("select tier from placed_leases where lease = ?"));
  FALLOW_ASSIGN(move_, writer.prepare(kAddMove));
  FALLOW_ASSIGN(line_, writer.prepare(kAddLine));
  return {};
}

Status MonthSums::add(SqliteDb& writer, const PlacedLease& placed) {
  placed_.bind(1, static_cast<std::int64_t>(placed.lease.value));
  placed_.bind(2, static_cast<std::int64_t>(placed.order.value));
  placed_.bind(3, std::int64_t{placed.task});
  placed_.bind(4, std::int64_t{placed.tier});
  placed_.bind(5, placed.name);
  placed_.bind(6, placed.project);
  placed_.bind(7, static_cast<std::int64_t>(placed.node.value));
  placed_.bind(8, placed.devices);
  return writer.run(placed_);
}

void MonthSums::add(const v1::Transferred& transfer, Time time) {
  const std::int32_t month = core::month_of(time);
  for (const bool receives : {false, true}) {
    if ((receives ? transfer.to_account() : transfer.from_account()) == 0) continue;
    add_move(transfer, month, receives);
    add_line(transfer, month, receives, time);
  }
}

void MonthSums::add_move(const v1::Transferred& transfer, std::int32_t month, bool receives) {
  const int from = transfer.from_kind();
  const int to = transfer.to_kind();
  Move& move =
      moves_[{receives ? transfer.to_account() : transfer.from_account(), month,
              receives ? to : from, receives ? from : to, transfer.reason(), transfer.lease()}];
  const std::int64_t amount = receives ? transfer.amount_micros() : -transfer.amount_micros();
  move.units += amount / kMicrosPerUnit;
  move.micros += amount % kMicrosPerUnit;
  ++move.entries;
}

// What a lease's renter sees of it moves from and to what is held for it, what its provider sees
// from and to what is pending; what is charged back, to what the renter owes.
void MonthSums::add_line(const v1::Transferred& transfer, std::int32_t month, bool receives,
                         Time time) {
  const v1::LedgerKind kind = receives ? transfer.to_kind() : transfer.from_kind();
  const v1::TransferReason reason = transfer.reason();
  const bool is_bill = reason == v1::CHARGED || reason == v1::FEE || reason == v1::REFUNDED ||
                       reason == v1::FEE_RETURNED || reason == v1::CHARGED_BACK;
  if (!is_bill || (kind != v1::HELD && kind != v1::PENDING && kind != v1::OWED)) return;
  const std::uint64_t account = receives ? transfer.to_account() : transfer.from_account();
  Line& line = lines_[{account, month, kind == v1::PENDING, transfer.lease()}];
  const std::int64_t amount = transfer.amount_micros();
  if (reason == v1::CHARGED || reason == v1::FEE) {
    line.charged += amount;
  } else {
    line.refunded += amount;
  }
  if (reason == v1::FEE) line.fee += amount;
  // The market gives back what it was to blame for out of its own fees.
  if (kind != v1::PENDING && transfer.from_kind() == v1::MARKET_FEE) line.fee -= amount;
  if (line.entries++ == 0) line.first_at = time;
  line.last_at = time;
}

// 0: it is of no lease, or of one that was never told of.
Result<std::uint64_t> MonthSums::stored_tier(SqliteDb& writer, std::uint64_t lease) {
  if (lease == 0) return 0;
  tier_.bind(1, static_cast<std::int64_t>(lease));
  const int code = tier_.step();
  const std::int64_t tier = code == SQLITE_ROW ? tier_.integer(0) : 0;
  tier_.reset();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return tl::unexpected(writer.error(code, "read"));
  return static_cast<std::uint64_t>(tier);
}

// Thousands of leases that were charged come to a few rows.
Result<std::map<MonthSums::MoveKey, MonthSums::Move>> MonthSums::moves_by_tier(SqliteDb& writer) {
  std::map<std::uint64_t, std::uint64_t> tiers;
  std::map<MoveKey, Move> summed;
  for (const auto& [key, move] : moves_) {
    MoveKey by_tier = key;
    auto& [account, month, kind, counter, reason, lease] = by_tier;
    const auto [known, is_new] = tiers.try_emplace(lease);
    if (is_new) {
      FALLOW_ASSIGN(known->second, stored_tier(writer, lease));
    }
    lease = known->second;
    Move& sum = summed[by_tier];
    sum.units += move.units;
    sum.micros += move.micros;
    sum.entries += move.entries;
  }
  return summed;
}

Status MonthSums::store(SqliteDb& writer) {
  FALLOW_ASSIGN(const auto moves, moves_by_tier(writer));
  for (const auto& [key, move] : moves) {
    const auto& [account, month, kind, counter, reason, tier] = key;
    move_.bind(1, static_cast<std::int64_t>(account));
    move_.bind(2, std::int64_t{month});
    move_.bind(3, std::int64_t{kind});
    move_.bind(4, std::int64_t{counter});
    move_.bind(5, std::int64_t{reason});
    move_.bind(6, static_cast<std::int64_t>(tier));
    move_.bind(7, move.units);
    move_.bind(8, move.micros);
    move_.bind(9, move.entries);
    FALLOW_TRY(writer.run(move_));
  }
  for (const auto& [key, line] : lines_) {
    const auto& [account, month, as_provider, lease] = key;
    line_.bind(1, static_cast<std::int64_t>(account));
    line_.bind(2, std::int64_t{month});
    line_.bind(3, std::int64_t{as_provider ? 1 : 0});
    line_.bind(4, static_cast<std::int64_t>(lease));
    line_.bind(5, line.charged);
    line_.bind(6, line.fee);
    line_.bind(7, line.refunded);
    line_.bind(8, line.entries);
    line_.bind(9, line.first_at.us);
    line_.bind(10, line.last_at.us);
    FALLOW_TRY(writer.run(line_));
  }
  clear();
  return {};
}

void MonthSums::clear() {
  moves_.clear();
  lines_.clear();
}

}  // namespace fallow::server
