// History's hours of each class: what was offered, leased and waited for. Beside history.cc because
// they are sums that later rows add to.
#include <algorithm>
#include <limits>

#include "base/types.h"
#include "server/history.h"

namespace fallow::server {
namespace {

constexpr std::int64_t kHourMs = kHour.value / 1'000;
// No wait is followed back further: a year's would be thousands of rows for one event.
constexpr std::int64_t kWaitHoursMax = 7 * 24;

constexpr const char* kAddInterval =
    "insert into hours values(?1,?2,?3,?4,?5,?6,0,?7) on conflict(model, region, hour) do update "
    "set span_ms = span_ms + excluded.span_ms, offered_ms = offered_ms + excluded.offered_ms, "
    "leased_ms = leased_ms + excluded.leased_ms, "
    "price_micros = min(price_micros, excluded.price_micros)";
// Who would not have paid the least that anything went for then did not lack a place, but a price.
// In the hour that runs there may be no interval yet: then the lease that had waited began in it,
// so that least is no more than this one paid.
constexpr const char* kAddWait =
    "insert into hours values(?2,?3,?4,0,0,0,?1,?5) on conflict(model, region, hour) do update "
    "set waited_ms = waited_ms + excluded.waited_ms, "
    "price_micros = min(price_micros, excluded.price_micros) "
    "where span_ms = 0 or price_micros <= excluded.price_micros";
constexpr const char* kNextClassWithHours =
    "select model, region from hours where (model, region) > (?1, ?2) order by model, region "
    "limit 1";

// The least that the index stood at, or a lease began at.
std::int64_t least_price(const v1::PriceMoved& moved) {
  const std::int64_t index = std::min(moved.open_micros(), moved.close_micros());
  return moved.trades() > 0 ? std::min(index, moved.low_micros()) : index;
}

}  // namespace

Status History::prepare_hours() {
  FALLOW_ASSIGN(statements_.hour, writer_.prepare(kAddInterval));
  FALLOW_ASSIGN(statements_.wait, writer_.prepare(kAddWait));
  FALLOW_ASSIGN(statements_.prune_hours, writer_.prepare("delete from hours where hour < ?"));
  return {};
}

// Counts for the hour that it ends in. One that is longer than an hour, as when the market was
// away, says nothing of any hour.
Status History::add_interval(const v1::PriceMoved& moved, Time time) {
  const Duration span = time - Time{moved.began_at_us()};
  if (moved.began_at_us() <= 0 || span.value <= 0 || span > kHour) return {};
  const std::int64_t hour = (time.us - 1) / kHour.value;
  statements_.hour.bind(1, moved.model());
  statements_.hour.bind(2, moved.region());
  statements_.hour.bind(3, hour);
  statements_.hour.bind(4, span.value / 1'000);
  statements_.hour.bind(5, moved.offered_ms());
  statements_.hour.bind(6, moved.leased_ms());
  statements_.hour.bind(7, least_price(moved));
  FALLOW_TRY(writer_.run(statements_.hour));
  // Of all classes: one that nobody offers any more has no interval of its own.
  if (hour <= pruned_hour_) return {};
  statements_.prune_hours.bind(1, hour - limits_.hours_kept);
  FALLOW_TRY(writer_.run(statements_.prune_hours));
  pruned_hour_ = hour;
  return {};
}

Status History::add_wait(const v1::PaidWait& wait) {
  const std::int64_t most = wait.device_hour_micros_max();
  const std::int64_t until_ms = wait.until_us() / 1'000;
  const std::int64_t from_ms = std::max(wait.from_us() / 1'000, until_ms - kWaitHoursMax * kHourMs);
  for (std::int64_t at = from_ms; at < until_ms;) {
    const std::int64_t hour = at / kHourMs;
    const std::int64_t end = std::min(until_ms, (hour + 1) * kHourMs);
    statements_.wait.bind(1, (end - at) * static_cast<std::int64_t>(wait.thousandths()));
    statements_.wait.bind(2, wait.model());
    statements_.wait.bind(3, wait.region());
    statements_.wait.bind(4, hour);
    statements_.wait.bind(5, most == 0 ? std::numeric_limits<std::int64_t>::max() : most);
    FALLOW_TRY(writer_.run(statements_.wait));
    at = end;
  }
  return {};
}

Result<std::vector<ClassHour>> History::hours(const core::PriceClass& of, std::int64_t from_hour) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement select,
                reader_.prepare("select hour, span_ms, offered_ms, leased_ms, waited_ms from hours "
                                "where model = ?1 and region = ?2 and hour >= ?3 and span_ms > 0 "
                                "order by hour"));
  select.bind(1, of.model);
  select.bind(2, of.region);
  select.bind(3, from_hour);
  std::vector<ClassHour> hours;
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    hours.push_back({select.integer(0), select.integer(1), select.integer(2), select.integer(3),
                     select.integer(4)});
  }
  if (code != SQLITE_DONE) return tl::unexpected(reader_.error(code, "read"));
  return hours;
}

Result<std::vector<core::PriceClass>> History::classes_after(const core::PriceClass& after,
                                                             std::size_t count_max) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement next, reader_.prepare(kNextClassWithHours));
  std::vector<core::PriceClass> classes;
  core::PriceClass last = after;
  while (classes.size() < count_max) {
    next.bind(1, last.model);
    next.bind(2, last.region);
    const int code = next.step();
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) return tl::unexpected(reader_.error(code, "read"));
    core::PriceClass found{std::string(next.blob(0)), std::string(next.blob(1))};
    next.reset();
    last = found;
    classes.push_back(std::move(found));
  }
  return classes;
}

}  // namespace fallow::server
