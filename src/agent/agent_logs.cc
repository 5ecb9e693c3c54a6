#include <fcntl.h>

#include "agent/agent_impl.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kLogBytesPerTurn = 256 << 10;
// Logs that could not be sent because the link was full are tried again after this.
constexpr Duration kLogRetry = milliseconds(20);

}  // namespace

void Agent::Impl::pump_logs() {
  more_logs = false;
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

void Agent::Impl::finish_collections() {
  // Chunks that are sent before the end is told arrive before it.
  if (!collections.empty()) pump_logs();
  const Time now = read_now().monotonic;
  for (auto it = collections.begin(); it != collections.end();) {
    const Collection& collection = it->second;
    if (!collection.outputs || collection.saving ||
        (reconciler.session().is_ready() && !pump.is_sent(it->first) && now < collection.until)) {
      ++it;
      continue;
    }
    own_events.push_back(*collection.outputs);
    it = collections.erase(it);
  }
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
