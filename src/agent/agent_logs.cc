#include <fcntl.h>

#include <algorithm>

#include "agent/agent_impl.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kLogBytesPerTurn = 256 << 10;
// Logs that could not be sent because the link was full are tried again after this.
constexpr Duration kLogRetry = milliseconds(20);
// Pieces that the market could not take (its queue or its disk is full) are tried again after the
// first, and each time after twice as long.
constexpr Duration kLogAgainMin = milliseconds(200);
constexpr Duration kLogAgainMax = seconds(10);

}  // namespace

void Agent::Impl::pump_logs() {
  more_logs = false;
  if (read_now().monotonic >= release_logs_at) {
    pump.release();
    release_logs_at = kNever;
  }
  if (!reconciler.session().is_ready() || read_now().monotonic < logs_blocked_until) return;
  std::size_t bytes = 0;
  for (v1::LogChunk& chunk : pump.take(kLogBytesPerTurn)) {
    bytes += chunk.data().size();
    v1::AgentMessage message;
    message.mutable_log_chunk()->Swap(&chunk);
    if (send(message)) continue;
    pump.put_back(message.log_chunk());
    logs_blocked_until = read_now().monotonic + kLogRetry;
  }
  more_logs = bytes >= kLogBytesPerTurn;
}

void Agent::Impl::hear_log_ack(const v1::LogAck& ack) {
  if (pump.acknowledged(ack)) log_again = kLogAgainMin;
  if (!ack.again() || release_logs_at != kNever) return;
  log_again = std::clamp(log_again, kLogAgainMin, kLogAgainMax);
  release_logs_at = read_now().monotonic + log_again;
  log_again = log_again + log_again;
}

void Agent::Impl::finish_collections() {
  // Chunks that are sent before the end is told arrive before it.
  if (!collections.empty()) pump_logs();
  const Time now = read_now().monotonic;
  for (auto it = collections.begin(); it != collections.end();) {
    const Collection& collection = it->second;
    const bool has_logs = reconciler.session().is_ready() && !pump.is_sent(it->first);
    // What failed may have failed by its device: the word of its end waits for a look at that.
    if (!collection.outputs || collection.saving ||
        ((has_logs || (device_watch.is_looking() && has_failed(it->first))) &&
         now < collection.until)) {
      ++it;
      continue;
    }
    own_events.push_back(*collection.outputs);
    it = collections.erase(it);
  }
}

bool Agent::Impl::has_failed(LeaseId lease) const {
  const auto found = reconciler.workloads().find(lease);
  return found != reconciler.workloads().end() &&
         found->second.record.end.reason() == v1::EXIT_CODE;
}

void Agent::Impl::finish_forgetting() {
  const Time now = read_now().monotonic;
  for (auto it = forgetting.begin(); it != forgetting.end();) {
    const LeaseId lease = it->first;
    if (transfers.is_busy(lease) || (!pump.is_acknowledged(lease) && now < it->second)) {
      ++it;
      continue;
    }
    runtime.forget(lease);
    if (options.images != nullptr) options.images->release(lease);
    notes.remove(lease);
    states.remove(lease);
    transfers.forget(lease);
    pump.remove(lease);
    it = forgetting.erase(it);
  }
}

std::string Agent::Impl::read_log(LeaseId lease, v1::LogStream stream, std::uint64_t offset,
                                  std::size_t bytes_max) const {
  const WorkloadFolders folders = runtime.folders(lease);
  const auto read = [](const std::string& path, std::uint64_t at, std::size_t most) {
    const auto file = open_file(path, O_RDONLY);
    if (!file) return std::string();
    std::string bytes(most, '\0');
    const auto size = read_at(*file, bytes, at, path);
    bytes.resize(size ? *size : 0);
    return bytes;
  };
  if (stream != v1::STDERR) return read(folders.stdout_log, offset, bytes_max);
  return notes.read(lease, offset, bytes_max, [&](std::uint64_t at, std::size_t most) {
    return read(folders.stderr_log, at, most);
  });
}

}  // namespace fallow::agent
