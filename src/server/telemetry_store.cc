#include "server/telemetry_store.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace fallow::server {
namespace {

constexpr std::int64_t kTelemetryVersion = 2;
constexpr std::size_t kRowsAtOnce = 1'024;
// Of one answer: twice a page, so that the page ends it.
constexpr std::size_t kReadBytesMax = 2 << 20;
constexpr std::chrono::minutes kRowsWait(1);

// Two minutes of a node may come at the same microsecond: then one of them stays.
constexpr const char* kTelemetrySchema = R"sql(
create table minutes(id integer primary key, node integer not null, at_us integer not null,
                     minute blob not null);
create unique index minutes_by_node on minutes(node, at_us);
create index minutes_by_time on minutes(at_us);
)sql";

// Came with version 2.
constexpr const char* kOwnerSchema = R"sql(
create table owner_notes(id integer primary key, node integer not null, at_us integer not null,
                         note blob not null);
create index owner_notes_by_node on owner_notes(node, id);
create index owner_notes_by_time on owner_notes(at_us);
)sql";

Status set_up_telemetry(SqliteDb& db) {
  FALLOW_TRY(db.exec("pragma journal_mode=wal; pragma synchronous=off;"));
  FALLOW_ASSIGN(const std::int64_t version, db.query_integer("pragma user_version"));
  if (version == kTelemetryVersion) return {};
  if (version != 0 && version != 1) {
    return fail(ErrorCode::kInvalid,
                "{} is of another version ({}, this program knows {}); delete it, what nodes "
                "measure is kept anew from then on",
                db.path(), version, kTelemetryVersion);
  }
  FALLOW_TRY(db.exec("begin immediate"));
  if (version == 0) FALLOW_TRY(db.exec(kTelemetrySchema));
  FALLOW_TRY(db.exec(kOwnerSchema));
  return db.exec(fmt::format("pragma user_version={}; commit", kTelemetryVersion));
}

}  // namespace

class TelemetryStore::Watch final : public Subscription {
 public:
  Watch(TelemetryStore& store, NodeId node, std::unique_ptr<Subscription> inner)
      : store_(store), node_(node), inner_(std::move(inner)) {}
  ~Watch() override {
    inner_.reset();
    store_.end_watch(node_);
  }

 private:
  TelemetryStore& store_;
  const NodeId node_;
  std::unique_ptr<Subscription> inner_;
};

TelemetryStore::TelemetryStore(SqliteDb writer, SqliteDb reader, TelemetryLimits limits)
    : limits_(limits),
      writer_(std::move(writer)),
      reader_(std::move(reader)),
      waiting_(limits.minutes_waiting_max) {}

Result<std::unique_ptr<TelemetryStore>> TelemetryStore::open(const std::string& path,
                                                             TelemetryLimits limits) {
  FALLOW_ASSIGN(SqliteDb writer, SqliteDb::open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  FALLOW_TRY(set_up_telemetry(writer));
  FALLOW_ASSIGN(SqliteDb reader, SqliteDb::open(path, SQLITE_OPEN_READONLY));
  std::unique_ptr<TelemetryStore> store(
      new TelemetryStore(std::move(writer), std::move(reader), limits));
  FALLOW_TRY(store->prepare());
  store->thread_ = std::thread([raw = store.get()] { raw->write_loop(); });
  return store;
}

Status TelemetryStore::prepare() {
  FALLOW_ASSIGN(
      insert_, writer_.prepare("insert or ignore into minutes(node, at_us, minute) values(?,?,?)"));
  FALLOW_ASSIGN(prune_old_, writer_.prepare("delete from minutes where at_us < ?"));
  FALLOW_ASSIGN(prune_many_, writer_.prepare("delete from minutes where id <= (select max(id) "
                                             "from minutes) - ?"));
  // A part of them, so that not every writing has to remove some.
  FALLOW_ASSIGN(
      prune_oldest_,
      writer_.prepare("delete from minutes where id <= (select min(id) from minutes) + "
                      "((select max(id) from minutes) - (select min(id) from minutes)) / 64"));
  FALLOW_ASSIGN(insert_note_,
                writer_.prepare("insert into owner_notes(node, at_us, note) values(?,?,?)"));
  FALLOW_ASSIGN(prune_old_notes_, writer_.prepare("delete from owner_notes where at_us < ?"));
  FALLOW_ASSIGN(prune_notes_, writer_.prepare("delete from owner_notes where id <= (select max(id) "
                                              "from owner_notes) - ?"));
  FALLOW_ASSIGN(prune_notes_of_node_,
                writer_.prepare("delete from owner_notes where node = ?1 and id <= (select id from "
                                "owner_notes where node = ?1 order by id desc limit 1 offset ?2)"));
  return {};
}

TelemetryStore::~TelemetryStore() {
  waiting_.close();
  if (thread_.joinable()) thread_.join();
}

void TelemetryStore::take(NodeId node, v1::Telemetry telemetry, Time now) {
  if (telemetry.has_minute()) {
    // Beyond the queue's maximum the disk is too slow: what people look at may have a gap.
    (void)waiting_.try_push(Row{node, now, telemetry.minute().SerializeAsString()});
  }
  for (const v1::OwnerNote& note : telemetry.owner()) {
    // By the server's clock; nobody waits with a note for longer than it would be kept.
    const Duration ago(std::clamp<std::int64_t>(note.ago_us(), 0, limits_.owner_kept.value));
    (void)waiting_.try_push(Row{node, now - ago, note.SerializeAsString(), true});
  }
  if (!telemetry.has_now()) return;
  {
    const std::lock_guard lock(mutex_);
    const auto found = watched_.find(node);
    if (found == watched_.end()) return;
    found->second.last = Moment{now, std::move(*telemetry.mutable_now())};
  }
  watchers_.notify(node.value);
}

std::vector<NodeId> TelemetryStore::watched() const {
  std::vector<NodeId> nodes;
  const std::lock_guard lock(mutex_);
  for (const auto& [node, watched] : watched_) nodes.push_back(node);
  return nodes;
}

std::optional<TelemetrySource::Moment> TelemetryStore::latest(NodeId node) {
  const std::lock_guard lock(mutex_);
  const auto found = watched_.find(node);
  return found == watched_.end() ? std::nullopt : found->second.last;
}

std::unique_ptr<Subscription> TelemetryStore::watch(NodeId node, std::function<void()> changed) {
  {
    const std::lock_guard lock(mutex_);
    ++watched_[node].watchers;
  }
  return std::make_unique<Watch>(*this, node, watchers_.watch(node.value, std::move(changed)));
}

void TelemetryStore::end_watch(NodeId node) {
  const std::lock_guard lock(mutex_);
  const auto found = watched_.find(node);
  if (found != watched_.end() && --found->second.watchers == 0) watched_.erase(found);
}

void TelemetryStore::write_loop() {
  while (true) {
    const std::vector<Row> rows = waiting_.pop_many(kRowsAtOnce, kRowsWait);
    if (rows.empty() && waiting_.is_closed()) return;
    if (rows.empty() || write(rows)) continue;
    (void)writer_.exec("rollback").has_value();
  }
}

Status TelemetryStore::write(const std::vector<Row>& rows) {
  FALLOW_TRY(writer_.exec("begin"));
  Time newest;  // a note may tell of a moment long ago, and be the last
  std::set<NodeId> told;
  for (const Row& row : rows) {
    newest = std::max(newest, row.at);
    if (row.of_owner) told.insert(row.node);
    SqliteStatement& insert = row.of_owner ? insert_note_ : insert_;
    insert.bind(1, static_cast<std::int64_t>(row.node.value));
    insert.bind(2, row.at.us);
    insert.bind(3, row.bytes);
    FALLOW_TRY(writer_.run(insert));
  }
  FALLOW_TRY(prune_minutes(newest));
  FALLOW_TRY(prune_notes(newest, told));
  FALLOW_TRY(make_room());
  return writer_.exec("commit");
}

Status TelemetryStore::prune_minutes(Time newest) {
  prune_old_.bind(1, (newest - limits_.kept).us);
  FALLOW_TRY(writer_.run(prune_old_));
  prune_many_.bind(1, static_cast<std::int64_t>(limits_.minutes_kept));
  return writer_.run(prune_many_);
}

Status TelemetryStore::prune_notes(Time newest, const std::set<NodeId>& told) {
  for (const NodeId node : told) {
    prune_notes_of_node_.bind(1, static_cast<std::int64_t>(node.value));
    prune_notes_of_node_.bind(2, static_cast<std::int64_t>(limits_.owner_notes_of_node_kept));
    FALLOW_TRY(writer_.run(prune_notes_of_node_));
  }
  // Those of nodes that say nothing of their owners any more leave, too.
  prune_old_notes_.bind(1, (newest - limits_.owner_kept).us);
  FALLOW_TRY(writer_.run(prune_old_notes_));
  if (told.empty()) return {};
  prune_notes_.bind(1, static_cast<std::int64_t>(limits_.owner_notes_kept));
  return writer_.run(prune_notes_);
}

// Of the file, as the transaction would leave it.
Result<std::uint64_t> TelemetryStore::bytes_used() {
  FALLOW_ASSIGN(const std::int64_t pages, writer_.query_integer("pragma page_count"));
  FALLOW_ASSIGN(const std::int64_t unused, writer_.query_integer("pragma freelist_count"));
  FALLOW_ASSIGN(const std::int64_t page_bytes, writer_.query_integer("pragma page_size"));
  return static_cast<std::uint64_t>((pages - unused) * page_bytes);
}

Status TelemetryStore::make_room() {
  while (true) {
    FALLOW_ASSIGN(const std::uint64_t used, bytes_used());
    if (used <= limits_.bytes_max) return {};
    FALLOW_TRY(writer_.run(prune_oldest_));
    if (sqlite3_changes(writer_.get()) == 0) return {};
  }
}

Result<std::vector<TelemetrySource::Minute>> TelemetryStore::minutes(NodeId node, Time after,
                                                                     Time until,
                                                                     std::size_t count_max) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement select,
                reader_.prepare("select at_us, minute from minutes where node = ? and at_us > ? "
                                "and at_us <= ? order by at_us limit ?"));
  select.bind(1, static_cast<std::int64_t>(node.value));
  select.bind(2, after.us);
  select.bind(3, until.us);
  select.bind(4, static_cast<std::int64_t>(count_max));
  std::vector<Minute> found;
  std::size_t bytes_read = 0;
  int code = select.step();
  for (; code == SQLITE_ROW && bytes_read < kReadBytesMax; code = select.step()) {
    Minute minute{Time{select.integer(0)}, {}};
    const std::string_view bytes = select.blob(1);
    if (!minute.minute.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
    bytes_read += bytes.size();
    found.push_back(std::move(minute));
  }
  if (code != SQLITE_DONE && code != SQLITE_ROW) return tl::unexpected(reader_.error(code, "read"));
  return found;
}

Result<std::vector<TelemetrySource::OwnerMoment>> TelemetryStore::owner_moments(
    NodeId node, std::uint64_t before, std::size_t count_max) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement select,
                reader_.prepare("select id, at_us, note from owner_notes where node = ? and id < ? "
                                "order by id desc limit ?"));
  select.bind(1, static_cast<std::int64_t>(node.value));
  select.bind(2, before == 0 ? std::numeric_limits<std::int64_t>::max()
                             : static_cast<std::int64_t>(before));
  select.bind(3, static_cast<std::int64_t>(count_max));
  std::vector<OwnerMoment> found;
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    OwnerMoment& moment = found.emplace_back();
    moment.id = static_cast<std::uint64_t>(select.integer(0));
    moment.at = Time{select.integer(1)};
    const std::string_view bytes = select.blob(2);
    if (!moment.note.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      found.pop_back();
    }
  }
  if (code != SQLITE_DONE) return tl::unexpected(reader_.error(code, "read"));
  return found;
}

}  // namespace fallow::server
