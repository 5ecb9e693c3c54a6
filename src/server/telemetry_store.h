// TelemetryStore: what nodes measure: the last sample of those that are watched, in memory, and the
// minutes of all, on disk for as long as the limits say; and what they say of their owners.
//
// It is what nodes say of themselves: for people, never for money, and nothing of it is in the log.
// Owner: Server. Any thread; take() only hands over, minutes() may block on the local disk. What a
// crash, or a disk that takes nothing, costs is the minutes of that time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/sqlite_db.h"
#include "server/ports.h"
#include "server/watchers.h"

namespace fallow::server {

struct TelemetryLimits {
  Duration kept = hours(7 * 24);           // of a minute
  std::uint64_t minutes_kept = 5'000'000;  // of all nodes; older ones leave
  // Of the file, but for what is written at once (1,024 minutes): the oldest leave. What they took
  // is used again; a file does not shrink.
  std::uint64_t bytes_max = std::uint64_t{4} << 30;
  std::size_t minutes_waiting_max = 8'192;         // for the disk; further ones are dropped
  Duration owner_kept = hours(90 * 24);            // of what is said of owners
  std::uint64_t owner_notes_kept = 1'000'000;      // of all nodes; older ones leave
  std::uint64_t owner_notes_of_node_kept = 1'000;  // of one
};

class TelemetryStore final : public TelemetrySource {
 public:
  // Opens or makes the file. An error when it is of a later version: delete it, it is made anew.
  static Result<std::unique_ptr<TelemetryStore>> open(const std::string& path,
                                                      TelemetryLimits limits = {});
  // Writes what waits.
  ~TelemetryStore() override;

  // A node's word, at the server's time.
  void take(NodeId node, v1::Telemetry telemetry, Time now);
  // The nodes that somebody watches.
  std::vector<NodeId> watched() const;

  // TelemetrySource.
  std::optional<Moment> latest(NodeId node) override;
  std::unique_ptr<Subscription> watch(NodeId node, std::function<void()> changed) override;
  Result<std::vector<Minute>> minutes(NodeId node, Time after, Time until,
                                      std::size_t count_max) override;
  Result<std::vector<OwnerMoment>> owner_moments(NodeId node, std::uint64_t before,
                                                 std::size_t count_max) override;

 private:
  class Watch;
  struct Row {
    NodeId node;
    Time at;
    std::string bytes;
    bool of_owner = false;  // a note; else a minute
  };
  struct Watched {
    std::size_t watchers = 0;
    std::optional<Moment> last;
  };

  TelemetryStore(SqliteDb writer, SqliteDb reader, TelemetryLimits limits);
  Status prepare();
  void write_loop();
  // A batch, and what leaves for it: pruned once a batch, not once a row.
  Status write(const std::vector<Row>& rows);
  Status prune_minutes(Time newest);
  // `told`: nodes of which there are new notes.
  Status prune_notes(Time newest, const std::set<NodeId>& told);
  Result<std::uint64_t> bytes_used();
  Status make_room();
  void end_watch(NodeId node);

  const TelemetryLimits limits_;
  SqliteDb writer_;  // of the writing thread
  SqliteStatement insert_, prune_old_, prune_many_, prune_oldest_;
  SqliteStatement insert_note_, prune_notes_, prune_old_notes_, prune_notes_of_node_;

  std::mutex reader_mutex_;
  SqliteDb reader_;

  mutable std::mutex mutex_;
  std::map<NodeId, Watched> watched_;  // one a followed stream at most
  Watchers watchers_;
  BoundedQueue<Row> waiting_;
  std::thread thread_;
};

}  // namespace fallow::server
