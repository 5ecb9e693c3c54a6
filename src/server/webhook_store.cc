#include "server/webhook_store.h"

#include <functional>
#include <initializer_list>
#include <utility>

#include "server/views.h"

namespace fallow::server {
namespace {

constexpr std::int64_t kWebhooksVersion = 1;

constexpr const char* kWebhooksSchema = R"sql(
begin immediate;
create table positions(webhook integer primary key, log_index integer not null,
  ordinal integer not null, failing_since_us integer not null, attempts integer not null,
  retry_at_us integer not null);
create table deliveries(id integer primary key, webhook integer not null, log_index integer not null,
  ordinal integer not null, kind blob not null, happened_at_us integer not null,
  attempts integer not null, tried_at_us integer not null, delivered integer not null,
  status integer not null, trouble blob not null, unique(webhook, log_index, ordinal));
create index deliveries_by_webhook on deliveries(webhook, id);
create table replays(id integer primary key, webhook integer not null, log_index integer not null,
  ordinal integer not null, unique(webhook, log_index, ordinal));
pragma user_version = 1;
commit;
)sql";

std::int64_t as_stored(std::uint64_t value) { return static_cast<std::int64_t>(value); }

v1::DeliveryView delivery_of(core::WebhookId webhook, const SqliteStatement& row) {
  const EventPlace place{LogIndex(static_cast<std::uint64_t>(row.integer(1))),
                         static_cast<std::uint32_t>(row.integer(2))};
  v1::DeliveryView view;
  view.set_id(message_id(webhook, place));
  view.set_index(place.index.value);
  view.set_kind(std::string(row.blob(3)));
  *view.mutable_happened_at() = timestamp_of(Time{row.integer(4)});
  view.set_attempts(static_cast<std::uint32_t>(row.integer(5)));
  *view.mutable_tried_at() = timestamp_of(Time{row.integer(6)});
  view.set_delivered(row.integer(7) != 0);
  view.set_status(static_cast<std::uint32_t>(row.integer(8)));
  view.set_trouble(std::string(row.blob(9)));
  return view;
}

}  // namespace

Result<std::unique_ptr<WebhookStore>> WebhookStore::open(const std::string& path) {
  FALLOW_ASSIGN(SqliteDb db, SqliteDb::open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  FALLOW_TRY(db.exec("pragma journal_mode=wal; pragma synchronous=normal;"));
  FALLOW_ASSIGN(const std::int64_t version, db.query_integer("pragma user_version"));
  if (version == 0) {
    FALLOW_TRY(db.exec(kWebhooksSchema));
  } else if (version != kWebhooksVersion) {
    return fail(
        ErrorCode::kInvalid,
        "{} is of another version ({}, this program knows {}); delete it: webhooks are then "
        "sent again what is kept of their events",
        path, version, kWebhooksVersion);
  }
  return std::unique_ptr<WebhookStore>(new WebhookStore(std::move(db)));
}

Status WebhookStore::run(const char* sql, std::initializer_list<std::int64_t> values) {
  FALLOW_ASSIGN(SqliteStatement statement, db_.prepare(sql));
  int position = 0;
  for (const std::int64_t value : values) statement.bind(++position, value);
  return db_.run(statement);
}

Status WebhookStore::in_transaction(const std::function<Status()>& work) {
  FALLOW_TRY(db_.exec("begin immediate"));
  Status done = work();
  if (done) done = db_.exec("commit");
  if (!done) (void)db_.exec("rollback");
  return done;
}

Result<WebhookStore::Progress> WebhookStore::progress(core::WebhookId webhook, EventPlace begin) {
  const std::lock_guard lock(mutex_);
  FALLOW_TRY(run("insert or ignore into positions values(?,?,?,0,0,0)",
                 {as_stored(webhook.value), as_stored(begin.index.value), begin.ordinal}));
  FALLOW_ASSIGN(SqliteStatement select,
                db_.prepare("select log_index, ordinal, failing_since_us, attempts, retry_at_us "
                            "from positions where webhook = ?"));
  select.bind(1, as_stored(webhook.value));
  const int code = select.step();
  if (code != SQLITE_ROW) return tl::unexpected(db_.error(code, "read"));
  Progress progress;
  progress.next = {LogIndex(static_cast<std::uint64_t>(select.integer(0))),
                   static_cast<std::uint32_t>(select.integer(1))};
  progress.failing_since = Time{select.integer(2)};
  progress.attempts = static_cast<std::uint32_t>(select.integer(3));
  progress.retry_at = Time{select.integer(4)};
  return progress;
}

Result<bool> WebhookStore::moved(core::WebhookId webhook, EventPlace from, const Progress& to) {
  FALLOW_TRY(
      run("update positions set log_index = ?4, ordinal = ?5, failing_since_us = ?6, "
          "attempts = ?7, retry_at_us = ?8 "
          "where webhook = ?1 and log_index = ?2 and ordinal = ?3",
          {as_stored(webhook.value), as_stored(from.index.value), from.ordinal,
           as_stored(to.next.index.value), to.next.ordinal, to.failing_since.us, to.attempts,
           to.retry_at.us}));
  return sqlite3_changes(db_.get()) > 0;
}

Result<bool> WebhookStore::record(core::WebhookId webhook, const Attempt& attempt,
                                  const Progress& from, const Progress& to) {
  const std::lock_guard lock(mutex_);
  bool stands = false;
  const auto work = [&]() -> Status {
    FALLOW_TRY(note(webhook, attempt));
    FALLOW_ASSIGN(stands, moved(webhook, from.next, to));
    return {};
  };
  FALLOW_TRY(in_transaction(work));
  return stands;
}

Result<bool> WebhookStore::pass(core::WebhookId webhook, EventPlace from, EventPlace to) {
  const std::lock_guard lock(mutex_);
  FALLOW_TRY(
      run("update positions set log_index = ?4, ordinal = ?5 "
          "where webhook = ?1 and log_index = ?2 and ordinal = ?3",
          {as_stored(webhook.value), as_stored(from.index.value), from.ordinal,
           as_stored(to.index.value), to.ordinal}));
  return sqlite3_changes(db_.get()) > 0;
}

Status WebhookStore::move_back(core::WebhookId webhook, EventPlace to) {
  const std::lock_guard lock(mutex_);
  return run(
      "update positions set failing_since_us = 0, attempts = 0, retry_at_us = 0, "
      "log_index = iif((log_index, ordinal) > (?2, ?3), ?2, log_index), "
      "ordinal = iif((log_index, ordinal) > (?2, ?3), ?3, ordinal) where webhook = ?1",
      {as_stored(webhook.value), as_stored(to.index.value), to.ordinal});
}

Status WebhookStore::forgive(core::WebhookId webhook) {
  const std::lock_guard lock(mutex_);
  return run(
      "update positions set failing_since_us = 0, attempts = 0, retry_at_us = 0 "
      "where webhook = ?",
      {as_stored(webhook.value)});
}

void WebhookStore::remove(core::WebhookId webhook) {
  const std::lock_guard lock(mutex_);
  // What the disk keeps of it harms nobody: its id is never given again.
  for (const char* sql :
       {"delete from positions where webhook = ?", "delete from deliveries where webhook = ?",
        "delete from replays where webhook = ?"}) {
    (void)run(sql, {as_stored(webhook.value)});
  }
}

Result<std::size_t> WebhookStore::end_with(LogIndex last) {
  const std::lock_guard lock(mutex_);
  const std::int64_t next = as_stored(last.value) + 1;
  std::size_t count = 0;
  const auto work = [&]() -> Status {
    FALLOW_TRY(
        run("update positions set log_index = ?1, ordinal = 0, failing_since_us = 0, "
            "attempts = 0, retry_at_us = 0 "
            "where log_index > ?1 or (log_index = ?1 and ordinal > 0)",
            {next}));
    count = static_cast<std::size_t>(sqlite3_changes(db_.get()));
    FALLOW_TRY(run("delete from deliveries where log_index >= ?", {next}));
    return run("delete from replays where log_index >= ?", {next});
  };
  FALLOW_TRY(in_transaction(work));
  return count;
}

Status WebhookStore::note(core::WebhookId webhook, const Attempt& attempt) {
  FALLOW_ASSIGN(
      SqliteStatement put,
      db_.prepare("insert into deliveries(webhook, log_index, ordinal, kind, happened_at_us, "
                  "attempts, tried_at_us, delivered, status, trouble) "
                  "values(?1,?2,?3,?4,?5,1,?6,?7,?8,?9) on conflict do update set "
                  "attempts = attempts + 1, tried_at_us = ?6, delivered = ?7, status = ?8, "
                  "trouble = ?9"));
  put.bind(1, as_stored(webhook.value));
  put.bind(2, as_stored(attempt.place.index.value));
  put.bind(3, attempt.place.ordinal);
  put.bind(4, attempt.kind);
  put.bind(5, attempt.happened_at.us);
  put.bind(6, attempt.tried_at.us);
  put.bind(7, attempt.delivered ? 1 : 0);
  put.bind(8, attempt.status);
  put.bind(9, attempt.trouble);
  FALLOW_TRY(db_.run(put));
  return run(
      "delete from deliveries where webhook = ?1 and id <= (select id from deliveries "
      "where webhook = ?1 order by id desc limit 1 offset ?2)",
      {as_stored(webhook.value), as_stored(kDeliveriesKept)});
}

Status WebhookStore::add_replay(core::WebhookId webhook, EventPlace place) {
  const std::lock_guard lock(mutex_);
  FALLOW_ASSIGN(SqliteStatement count,
                db_.prepare("select count(*) from replays where webhook = ?"));
  count.bind(1, as_stored(webhook.value));
  const int code = count.step();
  if (code != SQLITE_ROW) return tl::unexpected(db_.error(code, "read"));
  if (count.integer(0) >= as_stored(kReplaysMax)) {
    return fail(ErrorCode::kBusy, "{} deliveries wait to be sent again already; try again later",
                kReplaysMax);
  }
  count.reset();
  return run("insert or ignore into replays(webhook, log_index, ordinal) values(?,?,?)",
             {as_stored(webhook.value), as_stored(place.index.value), place.ordinal});
}

Result<std::optional<EventPlace>> WebhookStore::next_replay(core::WebhookId webhook) {
  const std::lock_guard lock(mutex_);
  FALLOW_ASSIGN(SqliteStatement select, db_.prepare("select log_index, ordinal from replays "
                                                    "where webhook = ? order by id limit 1"));
  select.bind(1, as_stored(webhook.value));
  const int code = select.step();
  if (code == SQLITE_DONE) return std::optional<EventPlace>();
  if (code != SQLITE_ROW) return tl::unexpected(db_.error(code, "read"));
  return std::optional<EventPlace>(
      EventPlace{LogIndex(static_cast<std::uint64_t>(select.integer(0))),
                 static_cast<std::uint32_t>(select.integer(1))});
}

Status WebhookStore::record_replay(core::WebhookId webhook, const Attempt& attempt) {
  const std::lock_guard lock(mutex_);
  return in_transaction([&]() -> Status {
    FALLOW_TRY(note(webhook, attempt));
    return run(
        "delete from replays where webhook = ? and log_index = ? and ordinal = ?",
        {as_stored(webhook.value), as_stored(attempt.place.index.value), attempt.place.ordinal});
  });
}

Result<WebhookStore::Page> WebhookStore::deliveries(core::WebhookId webhook, std::uint64_t before,
                                                    std::size_t count_max) {
  const std::lock_guard lock(mutex_);
  FALLOW_ASSIGN(
      SqliteStatement select,
      db_.prepare("select id, log_index, ordinal, kind, happened_at_us, attempts, "
                  "tried_at_us, delivered, status, trouble from deliveries "
                  "where webhook = ?1 and (?2 = 0 or id < ?2) order by id desc limit ?3"));
  select.bind(1, as_stored(webhook.value));
  select.bind(2, as_stored(before));
  select.bind(3, as_stored(count_max) + 1);
  Page page;
  std::uint64_t last = 0;
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    if (page.deliveries.size() == count_max) {
      page.next = last;
      return page;
    }
    last = static_cast<std::uint64_t>(select.integer(0));
    page.deliveries.push_back(delivery_of(webhook, select));
  }
  if (code != SQLITE_DONE) return tl::unexpected(db_.error(code, "read"));
  return page;
}

}  // namespace fallow::server
