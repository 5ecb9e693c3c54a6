#include "server/sessions.h"

#include <cstring>
#include <utility>

namespace fallow::server {
namespace {

constexpr std::int64_t kSessionsVersion = 1;

constexpr const char* kSessionsSchema = R"sql(
begin immediate;
create table sessions(id blob primary key, account integer not null, key_hash blob not null,
  expires_at_us integer not null) without rowid;
pragma user_version = 1;
commit;
)sql";

Status run_once(SqliteDb& db, SqliteStatement& statement) {
  const int code = statement.step();
  statement.reset();
  if (code != SQLITE_DONE) return tl::unexpected(db.error(code, "write to"));
  return {};
}

Status erase(SqliteDb& db, const Digest& id) {
  FALLOW_ASSIGN(SqliteStatement statement, db.prepare("delete from sessions where id = ?"));
  const std::string bytes = to_bytes(id);
  statement.bind(1, bytes);
  return run_once(db, statement);
}

}  // namespace

std::size_t Sessions::IdHash::operator()(const Digest& digest) const {
  std::size_t hash = 0;  // a hash already: its first bytes will do
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

Result<std::unique_ptr<Sessions>> Sessions::open(const std::string& path,
                                                 const SessionLimits& limits, Time now) {
  FALLOW_ASSIGN(SqliteDb db, SqliteDb::open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  FALLOW_TRY(db.exec("pragma journal_mode=wal; pragma synchronous=full;"));
  FALLOW_ASSIGN(const std::int64_t version, db.query_integer("pragma user_version"));
  if (version == 0) {
    FALLOW_TRY(db.exec(kSessionsSchema));
  } else if (version != kSessionsVersion) {
    return fail(
        ErrorCode::kInvalid,
        "{} is of another version ({}, this program knows {}); delete it: everybody signs in "
        "to the console anew",
        path, version, kSessionsVersion);
  }
  auto sessions = std::unique_ptr<Sessions>(new Sessions(std::move(db), limits));
  FALLOW_TRY(sessions->load(now));
  return sessions;
}

Status Sessions::load(Time now) {
  FALLOW_ASSIGN(
      SqliteStatement select,
      db_.prepare("select expires_at_us, id, key_hash, account from sessions where expires_at_us > "
                  "?1 order by expires_at_us desc limit ?2"));
  select.bind(1, now.us);
  select.bind(2, static_cast<std::int64_t>(limits_.sessions_max));
  int code = select.step();
  for (; code == SQLITE_ROW; code = select.step()) {
    const auto id = digest_from_bytes(select.blob(1));
    const auto key_hash = digest_from_bytes(select.blob(2));
    if (!id || !key_hash) {
      return fail(ErrorCode::kCorrupt,
                  "{} holds a session that cannot be read; delete it: everybody signs in to the "
                  "console anew",
                  db_.path());
    }
    const AccountId account(static_cast<std::uint64_t>(select.integer(3)));
    sessions_.emplace(*id, Session{account, *key_hash, Time{select.integer(0)}});
  }
  if (code != SQLITE_DONE) return tl::unexpected(db_.error(code, "read"));
  return {};
}

Status Sessions::make_room(AccountId account, Time now) {
  std::vector<Digest> leaving;
  const Digest* first = nullptr;
  Time first_ends;
  std::size_t of_account = 0;
  {
    const std::unique_lock lock(mutex_);
    for (auto at = sessions_.begin(); at != sessions_.end();) {
      if (at->second.expires_at <= now) {
        leaving.push_back(at->first);
        at = sessions_.erase(at);
        continue;
      }
      if (at->second.account == account) {
        ++of_account;
        if (first == nullptr || at->second.expires_at < first_ends) {
          first = &at->first;
          first_ends = at->second.expires_at;
        }
      }
      ++at;
    }
    if (of_account >= limits_.per_account_max) {
      leaving.push_back(*first);
      sessions_.erase(leaving.back());
    }
    if (sessions_.size() >= limits_.sessions_max) {
      return fail(ErrorCode::kBusy,
                  "{} browsers are signed in already; sign out elsewhere or try again later",
                  sessions_.size());
    }
  }
  for (const Digest& id : leaving) FALLOW_TRY(erase(db_, id));
  return {};
}

Status Sessions::add(const Digest& id, const Session& session, Time now) {
  const std::lock_guard order(disk_mutex_);
  FALLOW_TRY(make_room(session.account, now));
  FALLOW_ASSIGN(SqliteStatement insert,
                db_.prepare("insert or replace into sessions values(?1, ?2, ?3, ?4)"));
  const std::string id_bytes = to_bytes(id);
  const std::string key_bytes = to_bytes(session.key_hash);
  insert.bind(1, id_bytes);
  insert.bind(2, static_cast<std::int64_t>(session.account.value));
  insert.bind(3, key_bytes);
  insert.bind(4, session.expires_at.us);
  FALLOW_TRY(run_once(db_, insert));
  const std::unique_lock lock(mutex_);
  sessions_.insert_or_assign(id, session);
  return {};
}

Status Sessions::remove(const Digest& id) {
  const std::lock_guard order(disk_mutex_);
  {
    const std::unique_lock lock(mutex_);
    sessions_.erase(id);
  }
  return erase(db_, id);
}

std::optional<Session> Sessions::find(const Digest& id, Time now) const {
  const std::shared_lock lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.expires_at <= now) return std::nullopt;
  return found->second;
}

std::size_t Sessions::size() const {
  const std::shared_lock lock(mutex_);
  return sessions_.size();
}

}  // namespace fallow::server
