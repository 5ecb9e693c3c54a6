// The history's feed from its newest event back, for who asks what happened.
#include <cstdint>
#include <limits>

#include "base/check.h"
#include "server/history.h"
#include "server/named_ids.h"
#include "server/views.h"
#include "server/webhook_message.h"

namespace fallow::server {
namespace {

constexpr std::size_t kAuditRows = 4'096;  // in one reading: others wait for the same connection

constexpr const char* kAuditSelect =
    "select log_index, ordinal, at_us, actor, command, kind, account, other, node, job, lease, "
    "event from feed where (log_index, ordinal) < (?1, ?2) "
    "order by log_index desc, ordinal desc";

bool audit_wants(const AuditSource::Filter& wanted, const SqliteStatement& row) {
  const auto fits = [&row](std::uint64_t asked, int column) {
    return asked == 0 || static_cast<std::int64_t>(asked) == row.integer(column);
  };
  const auto account = static_cast<std::int64_t>(wanted.account.value);
  return fits(static_cast<std::uint64_t>(wanted.command_kind), 4) &&
         fits(static_cast<std::uint64_t>(wanted.event_kind), 5) && fits(wanted.node, 8) &&
         fits(wanted.order, 9) && fits(wanted.lease, 10) &&
         (account == 0 || account == row.integer(3) || account == row.integer(6) ||
          account == row.integer(7));
}

v1::AuditEntryView audit_entry(const SqliteStatement& row) {
  const auto number = [&row](int column) {
    return static_cast<std::uint64_t>(row.integer(column));
  };
  v1::AuditEntryView entry;
  entry.set_index(number(0));
  entry.set_ordinal(static_cast<std::uint32_t>(number(1)));
  *entry.mutable_at() = timestamp_of(Time{row.integer(2)});
  entry.set_actor(number(3));
  entry.set_command(command_kind_name(static_cast<int>(row.integer(4))));
  for (const int column : {6, 7}) {
    if (row.integer(column) != 0) entry.add_accounts(number(column));
  }
  entry.set_node(number(8));
  entry.set_order(number(9));
  entry.set_lease(number(10));
  const std::string_view bytes = row.blob(11);
  FALLOW_CHECK(entry.mutable_event()->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())),
               "an event that this program wrote cannot be read");
  entry.set_kind(kind_of(entry.event()));
  return entry;
}

}  // namespace

Result<AuditSource::Page> History::search(const Filter& wanted,
                                          std::optional<AuditSource::Place> before,
                                          std::size_t count_max) {
  if (!before && wanted.until.us != 0) {
    FALLOW_ASSIGN(const LogIndex end, index_at(wanted.until));
    before = AuditSource::Place{end, 0};
  }
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement select, reader_.prepare(kAuditSelect));
  select.bind(1, before ? static_cast<std::int64_t>(before->index.value)
                        : std::numeric_limits<std::int64_t>::max());
  select.bind(2, before ? std::int64_t{before->ordinal} : std::int64_t{0});
  AuditSource::Page page;
  AuditSource::Place last;
  std::size_t rows = 0;
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    // Time does not go back in the log: the rest is older still.
    if (select.integer(2) < wanted.since.us) return page;
    if (rows == kAuditRows || page.entries.size() == count_max) {
      page.next = last;
      return page;
    }
    ++rows;
    last = AuditSource::Place{LogIndex(static_cast<std::uint64_t>(select.integer(0))),
                              static_cast<std::uint32_t>(select.integer(1))};
    if (audit_wants(wanted, select)) page.entries.push_back(audit_entry(select));
  }
  if (code != SQLITE_DONE) return tl::unexpected(reader_.error(code, "read"));
  return page;
}

}  // namespace fallow::server
