// LogPump: brings the output of workloads to the hub, in order, until it is acknowledged.
//
// Pure logic over a reader of the log files. Offsets make chunks idempotent, so after a new
// connection everything that was not acknowledged is simply sent again. Owned by the agent's loop
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/types.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::agent {

class LogPump {
 public:
  static constexpr std::size_t kChunkBytesMax = 32 << 10;
  // Sent and not yet acknowledged, of one stream.
  static constexpr std::uint64_t kWindowBytes = 512 << 10;

  // Reads up to bytes_max at the offset; empty when there is no more.
  using Reader = std::function<std::string(LeaseId lease, v1::LogStream stream,
                                           std::uint64_t offset, std::size_t bytes_max)>;

  explicit LogPump(Reader reader) : reader_(std::move(reader)) {}

  void add(LeaseId lease) { logs_.try_emplace(lease); }
  void grown(LeaseId lease);
  // Nothing more will be written: what is left and the mark of the end follow.
  void finish(LeaseId lease);
  void remove(LeaseId lease) { logs_.erase(lease); }

  // A new connection: begins again after what was acknowledged.
  void restart();
  // Or that the hub wants something again: the stream is held until release(), and then tried with
  // one piece. True when the hub took something after that.
  bool acknowledged(const v1::LogAck& ack);
  void release();

  // The next chunks, about bytes_max together; empty when there is nothing to send for now.
  std::vector<v1::LogChunk> take(std::size_t bytes_max);
  // The chunk could not be sent; it comes again.
  void put_back(const v1::LogChunk& chunk);

  // Everything up to the end was sent, or acknowledged. True for unknown leases.
  bool is_sent(LeaseId lease) const;
  bool is_acknowledged(LeaseId lease) const;

 private:
  struct Stream {
    std::uint64_t acknowledged = 0;
    std::uint64_t sent = 0;
    bool may_have_more = true;
    bool sent_last = false;
    bool acknowledged_last = false;
    bool is_held = false;     // until release()
    bool is_probing = false;  // one piece at a time, until one is taken
  };
  struct Log {
    std::array<Stream, 2> streams;  // stdout, stderr
    bool finished = false;
  };

  std::map<LeaseId, Log> logs_;
  LeaseId next_;  // whose turn it is
  Reader reader_;
};

}  // namespace fallow::agent
