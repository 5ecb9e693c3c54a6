// The history's feed: the events themselves, in the log's order, for those who follow or send them.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "server/history.h"
#include "server/views.h"

namespace fallow::server {
namespace {

constexpr std::size_t kScanRows = 4'096;  // in one read

}  // namespace

Status History::write_feed(const Row& row, std::uint32_t ordinal) {
  const std::string bytes = row.event.SerializeAsString();
  statements_.feed.bind(1, static_cast<std::int64_t>(row.index.value));
  statements_.feed.bind(2, ordinal);
  statements_.feed.bind(3, row.time.us);
  // Two columns whichever way round: the feed asks only whether an account is one of them.
  std::array<std::int64_t, 2> concerned{};
  std::size_t at = 0;
  for (const AccountId account : row.concerned) {
    concerned[at++] = static_cast<std::int64_t>(account.value);
  }
  statements_.feed.bind(4, concerned[0]);
  statements_.feed.bind(5, concerned[1]);
  statements_.feed.bind(6, bytes);
  statements_.feed.bind(7, static_cast<std::int64_t>(row.command.actor.value));
  statements_.feed.bind(8, std::int64_t{row.command.kind});
  statements_.feed.bind(9, static_cast<std::int64_t>(row.event.kind_case()));
  const NamedIds ids = named_ids(row.event);
  const auto id = [](std::uint64_t own, std::uint64_t of_command) {
    return static_cast<std::int64_t>(own != 0 ? own : of_command);
  };
  statements_.feed.bind(10, id(ids.node, row.command.ids.node));
  statements_.feed.bind(11, id(ids.order, row.command.ids.order));
  statements_.feed.bind(12, id(ids.lease, row.command.ids.lease));
  return writer_.run(statements_.feed);
}

Result<FeedSource::Batch> History::read(AccountId account, LogIndex after, std::size_t count_max) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(const std::int64_t last, reader_.query_integer("select log_index from cursor"));
  const auto written = static_cast<std::uint64_t>(last);
  if (written > limits_.feed_commands_kept && after.value < written - limits_.feed_commands_kept) {
    return fail(ErrorCode::kNotFound, "events after {} are no longer kept; begin at {}",
                after.value, written - limits_.feed_commands_kept);
  }
  FALLOW_ASSIGN(
      SqliteStatement select,
      reader_.prepare("select log_index, at_us, account, other, event, ordinal from feed "
                      "where log_index > ? and log_index <= ? order by log_index, ordinal"));
  select.bind(1, static_cast<std::int64_t>(after.value));
  select.bind(2, last);
  FeedSource::Batch batch;
  batch.scanned = std::max(after, LogIndex(written));
  LogIndex index = after;
  std::size_t scanned_rows = 0;
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    const LogIndex row_index(static_cast<std::uint64_t>(select.integer(0)));
    if (row_index != index && (batch.events.size() >= count_max || scanned_rows >= kScanRows)) {
      batch.scanned = index;
      break;
    }
    index = row_index;
    ++scanned_rows;
    const auto wanted = static_cast<std::int64_t>(account.value);
    if (wanted != 0 && wanted != select.integer(2) && wanted != select.integer(3)) continue;
    v1::FeedEvent event;
    const std::string_view bytes = select.blob(4);
    FALLOW_CHECK(
        event.mutable_event()->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())),
        "an event that this program wrote cannot be read");
    const std::int64_t at_us = select.integer(1);
    event.set_index(row_index.value);
    *event.mutable_at() = timestamp_of(Time{at_us});
    batch.events.push_back(std::move(event));
    batch.ordinals.push_back(static_cast<std::uint32_t>(select.integer(5)));
  }
  if (code != SQLITE_ROW && code != SQLITE_DONE) return tl::unexpected(reader_.error(code, "read"));
  return batch;
}

// Time does not go back in the log, so that commands are in the order of their moments, too: halved
// until it is found, for the feed has no index of moments.
Result<LogIndex> History::index_at(Time since) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(const std::int64_t last, reader_.query_integer("select log_index from cursor"));
  FALLOW_ASSIGN(std::int64_t low,
                reader_.query_integer("select coalesce(min(log_index), 0) from feed"));
  std::int64_t high = last + 1;
  if (low == 0) return LogIndex(static_cast<std::uint64_t>(high));
  FALLOW_ASSIGN(SqliteStatement select,
                reader_.prepare("select log_index, at_us from feed where log_index >= ? "
                                "order by log_index, ordinal limit 1"));
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    select.bind(1, middle);
    const int code = select.step();
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
      return tl::unexpected(reader_.error(code, "read"));
    }
    // Not every command leaves an event: the next that did speaks for those before it.
    const bool later = code == SQLITE_DONE || select.integer(1) >= since.us;
    const std::int64_t next = code == SQLITE_DONE ? high : select.integer(0);
    select.reset();
    if (later) {
      high = middle;
    } else {
      low = next + 1;
    }
  }
  return LogIndex(static_cast<std::uint64_t>(low));
}

std::unique_ptr<Subscription> History::watch(std::function<void()> changed) {
  return watchers_.watch(0, std::move(changed));
}

}  // namespace fallow::server
