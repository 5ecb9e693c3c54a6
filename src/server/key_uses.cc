#include "server/key_uses.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace fallow::server {
namespace {

constexpr std::int64_t kUsesVersion = 1;

Status set_up_uses(SqliteDb& db) {
  FALLOW_TRY(db.exec("pragma journal_mode=wal; pragma synchronous=normal;"));
  FALLOW_ASSIGN(const std::int64_t version, db.query_integer("pragma user_version"));
  if (version == kUsesVersion) return {};
  if (version != 0) {
    return fail(
        ErrorCode::kInvalid,
        "{} is of another version ({}, this program knows {}); delete it: then nobody knows "
        "when keys were used before",
        db.path(), version, kUsesVersion);
  }
  return db.exec(
      fmt::format("begin immediate; create table uses(key integer primary key, at_us "
                  "integer not null); pragma user_version={}; commit",
                  kUsesVersion));
}

std::uint64_t number_of_hash(const Digest& hash) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) number = number << 8U | hash[i];
  return number;
}

}  // namespace

Result<std::unique_ptr<KeyUses>> KeyUses::open(const std::string& path) {
  FALLOW_ASSIGN(SqliteDb db, SqliteDb::open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  FALLOW_TRY(set_up_uses(db));
  std::unique_ptr<KeyUses> uses(new KeyUses(std::move(db)));
  uses->thread_ = std::thread([raw = uses.get()] { raw->loop(); });
  return uses;
}

KeyUses::~KeyUses() {
  {
    const std::lock_guard lock(closing_mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  (void)flush();
}

void KeyUses::loop() {
  std::unique_lock lock(closing_mutex_);
  while (!changed_.wait_for(lock, std::chrono::microseconds(kGrain.value),
                            [this] { return closing_; })) {
    lock.unlock();
    (void)flush();  // what the disk did not take is tried again in a minute
    lock.lock();
  }
}

std::optional<KeyUses::Number> KeyUses::number_of(const std::string& key_id) {
  const auto bytes = from_hex(key_id);
  if (!bytes || bytes->size() != sizeof(Number)) return std::nullopt;
  Number number = 0;
  for (const char byte : *bytes) number = number << 8U | static_cast<unsigned char>(byte);
  return number;
}

void KeyUses::note(const Digest& key_hash, Time now) {
  const Number number = number_of_hash(key_hash);
  {
    const std::shared_lock lock(mutex_);
    const auto found = noted_.find(number);
    if (found != noted_.end()) {
      found->second.store(now.us, std::memory_order_relaxed);
      return;
    }
  }
  const std::unique_lock lock(mutex_);
  if (noted_.size() < kNotedMax) noted_.try_emplace(number, now.us);
}

void KeyUses::on_batch(const engine::Batch& batch, const core::Machine&) {
  for (const engine::Applied& applied : batch.commands) {
    for (const v1::Event& event : applied.events) {
      if (!event.has_key_revoked()) continue;
      const auto number = number_of(event.key_revoked().key());
      const std::unique_lock lock(mutex_);
      if (number) revoked_.push_back(*number);
    }
  }
}

Status KeyUses::flush() {
  const std::lock_guard disk(disk_mutex_);
  std::vector<std::pair<Number, std::int64_t>> uses;
  std::vector<Number> revoked;
  {
    const std::unique_lock lock(mutex_);
    for (const auto& [number, at_us] : noted_) uses.emplace_back(number, at_us.load());
    revoked = revoked_;
  }
  if (uses.empty() && revoked.empty()) return {};
  FALLOW_ASSIGN(SqliteStatement put, db_.prepare("insert or replace into uses values(?,?)"));
  FALLOW_ASSIGN(SqliteStatement remove, db_.prepare("delete from uses where key = ?"));
  FALLOW_TRY(db_.exec("begin immediate"));
  Status done;
  for (const auto& [number, at_us] : uses) {
    put.bind(1, static_cast<std::int64_t>(number));
    put.bind(2, at_us);
    if (done) done = db_.run(put);
  }
  for (const Number number : revoked) {
    remove.bind(1, static_cast<std::int64_t>(number));
    if (done) done = db_.run(remove);
  }
  if (done) done = db_.exec("commit");
  if (!done) {
    (void)db_.exec("rollback");
    return done;
  }
  // What was used again in between is written the next time.
  const std::unique_lock lock(mutex_);
  for (const auto& [number, at_us] : uses) {
    const auto noted = noted_.find(number);
    if (noted != noted_.end() && noted->second.load() == at_us) noted_.erase(noted);
  }
  revoked_.erase(revoked_.begin(), revoked_.begin() + static_cast<std::ptrdiff_t>(revoked.size()));
  return {};
}

Result<std::vector<Time>> KeyUses::last_used(const std::vector<std::string>& key_ids) {
  const std::lock_guard disk(disk_mutex_);
  FALLOW_ASSIGN(SqliteStatement select, db_.prepare("select at_us from uses where key = ?"));
  std::vector<Time> times;
  for (const std::string& id : key_ids) {
    const auto number = number_of(id);
    Time& at = times.emplace_back();
    if (!number) continue;
    select.bind(1, static_cast<std::int64_t>(*number));
    const int code = select.step();
    if (code == SQLITE_ROW) at = Time{select.integer(0)};
    if (code != SQLITE_ROW && code != SQLITE_DONE) return tl::unexpected(db_.error(code, "read"));
    select.reset();
    const std::shared_lock lock(mutex_);
    const auto noted = noted_.find(*number);
    if (noted != noted_.end()) at = std::max(at, Time{noted->second.load()});
  }
  return times;
}

}  // namespace fallow::server
