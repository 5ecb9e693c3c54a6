// The output of workloads: two append-only files a lease, fed by the hub, read by the API.
//
// Pieces come with offsets, so that a piece that comes twice changes nothing and a gap is never
// written: the answer says how far the stream reaches and the agent sends from there. What passes
// the maximum is cut off; the end of the file says so.
//
// Owner: Server. Any thread; a call may block on the local disk. Output is a convenience, not
// money: it is written without a sync, and a crash may cost the last second of it unless the agent
// still has it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "server/ports.h"
#include "server/watchers.h"

namespace fallow::server {

struct LogStoreLimits {
  std::uint64_t stream_bytes_max = std::uint64_t{64} << 20;
};

class LogStore final : public LogReader {
 public:
  // Makes the folder when it is absent.
  static Result<std::unique_ptr<LogStore>> open(const std::string& folder,
                                                LogStoreLimits limits = {});

  // Adds a piece and answers how far the stream now reaches without a gap. Pieces beyond the
  // maximum are taken as received and dropped. On a disk error the answer is the old reach: the
  // agent keeps the piece and sends it again.
  std::uint64_t append(const v1::LogChunk& chunk);

  Result<Piece> read(LeaseId lease, v1::LogStream stream, std::uint64_t offset,
                     std::size_t bytes_max) override;
  std::unique_ptr<Subscription> watch(LeaseId lease, std::function<void()> changed) override;

 private:
  LogStore(std::string folder, LogStoreLimits limits);
  std::string path(LeaseId lease, v1::LogStream stream) const;
  std::uint64_t append_locked(const v1::LogChunk& chunk);

  const std::string folder_;
  const LogStoreLimits limits_;
  std::mutex mutex_;  // appends are rare and short beside everything else on these files
  Watchers watchers_;
};

}  // namespace fallow::server
