// Sessions: browsers that showed an API key and now show a cookie instead.
//
// A session is nothing but another way to show its key: whatever ends the key ends it. The cookie's
// secret is never stored, only its hash. They outlive a restart of the server.
//
// Owner: Server. find() on any thread, without waiting for the disk; add() and remove() on a thread
// that may.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "base/digest.h"
#include "base/result.h"
#include "base/sqlite_db.h"
#include "base/types.h"

namespace fallow::server {

struct SessionLimits {
  Duration lifetime = hours(7 * 24);   // from the sign-in; use does not prolong it
  std::size_t sessions_max = 100'000;  // of all accounts together
  // Of an account, however many keys it makes; the one that ends first makes room for a new one.
  std::size_t per_account_max = 256;
};

struct Session {
  AccountId account;
  Digest key_hash{};
  Time expires_at;
};

class Sessions {
 public:
  // `path`: their file, made when missing. kCorrupt or kFailed name it.
  static Result<std::unique_ptr<Sessions>> open(const std::string& path,
                                                const SessionLimits& limits, Time now);

  const SessionLimits& limits() const { return limits_; }

  // Durable when it returns. kBusy when there are too many.
  Status add(const Digest& id, const Session& session, Time now);
  // No request gets in by it from the moment this is called, even when the disk then fails. What is
  // not there is removed already.
  Status remove(const Digest& id);
  // Nothing when there is none or it has expired.
  std::optional<Session> find(const Digest& id, Time now) const;
  std::size_t size() const;

 private:
  Sessions(SqliteDb db, const SessionLimits& limits) : limits_(limits), db_(std::move(db)) {}
  Status load(Time now);
  // The expired ones, and the first of the account's when it has its maximum.
  Status make_room(AccountId account, Time now);

  struct IdHash {
    std::size_t operator()(const Digest& digest) const;
  };

  const SessionLimits limits_;
  std::mutex disk_mutex_;  // of db_ and the order of changes; before mutex_
  SqliteDb db_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<Digest, Session, IdHash> sessions_;  // by the hash of the cookie's secret
};

}  // namespace fallow::server
