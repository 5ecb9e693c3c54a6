// KeyUses: when each API key was shown last, to about a minute. Nothing of it is in the log: a use
// is no command. What was noted since the last minute is lost when the process dies.
//
// Owner: Server. note() and last_used() on any thread; last_used() may wait for the disk. Told of
// revoked keys by the engine.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/sqlite_db.h"
#include "base/types.h"
#include "engine/batch.h"

namespace fallow::server {

class KeyUses final : public engine::Subscriber {
 public:
  static constexpr Duration kGrain = minutes(1);
  // That were shown since the last minute; of further ones the use is not noted.
  static constexpr std::size_t kNotedMax = 100'000;

  // `path`: their file, made when missing.
  static Result<std::unique_ptr<KeyUses>> open(const std::string& path);
  // Writes what was noted.
  ~KeyUses() override;

  void note(const Digest& key_hash, Time now);
  // By the key's id, as views have it; a time of 0: never, or nobody knows any more.
  Result<std::vector<Time>> last_used(const std::vector<std::string>& key_ids);
  // Writes what was noted since the last time. The file's own thread calls it once a minute.
  Status flush();

  std::string_view name() const override { return "uses of keys"; }
  void on_batch(const engine::Batch& batch, const core::Machine& machine) override;

 private:
  explicit KeyUses(SqliteDb db) : db_(std::move(db)) {}
  void loop();

  // The first 8 bytes of the key's hash, as its id has them.
  using Number = std::uint64_t;
  static std::optional<Number> number_of(const std::string& key_id);

  mutable std::shared_mutex mutex_;
  std::unordered_map<Number, std::atomic<std::int64_t>> noted_;  // since the last flush
  std::vector<Number> revoked_;                                  // likewise

  std::mutex disk_mutex_;  // of db_; before mutex_
  SqliteDb db_;

  std::mutex closing_mutex_;
  std::condition_variable changed_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace fallow::server
