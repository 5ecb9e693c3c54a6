#include "agent/log_pump.h"

#include <algorithm>

namespace fallow::agent {
namespace {

constexpr std::array<v1::LogStream, 2> kStreams = {v1::STDOUT, v1::STDERR};

std::size_t index_of(v1::LogStream stream) { return stream == v1::STDERR ? 1 : 0; }

}  // namespace

void LogPump::grown(LeaseId lease) {
  const auto found = logs_.find(lease);
  if (found == logs_.end()) return;
  for (Stream& stream : found->second.streams) stream.may_have_more = true;
}

void LogPump::finish(LeaseId lease) {
  const auto found = logs_.find(lease);
  if (found == logs_.end()) return;
  found->second.finished = true;
  for (Stream& stream : found->second.streams) stream.may_have_more = true;
}

void LogPump::restart() {
  for (auto& [lease, log] : logs_) {
    for (Stream& stream : log.streams) {
      stream.sent = stream.acknowledged;
      stream.may_have_more = true;
      stream.sent_last = stream.acknowledged_last;
      stream.is_held = stream.is_probing = false;
    }
  }
}

bool LogPump::acknowledged(const v1::LogAck& ack) {
  const auto found = logs_.find(LeaseId(ack.lease()));
  if (found == logs_.end()) return false;
  Stream& stream = found->second.streams[index_of(ack.stream())];
  if (ack.again()) {
    // The hub's word counts, also of what it once had: a power cut may have cost it that. What
    // followed the piece is asked for again as well; sent twice it changes nothing.
    stream.acknowledged = std::min(stream.acknowledged, ack.offset());
    stream.sent = std::min(stream.sent, ack.offset());
    stream.sent_last = false;
    stream.acknowledged_last = false;
    stream.may_have_more = true;
    stream.is_held = true;
    return false;
  }
  // More than was sent: an earlier agent on this node had brought it already.
  stream.acknowledged = std::max(stream.acknowledged, ack.offset());
  stream.sent = std::max(stream.sent, stream.acknowledged);
  stream.may_have_more = true;
  stream.acknowledged_last =
      stream.acknowledged_last || (stream.sent_last && stream.acknowledged == stream.sent);
  const bool is_taken_again = stream.is_probing && !stream.is_held;
  if (is_taken_again) stream.is_probing = false;
  return is_taken_again;
}

void LogPump::release() {
  for (auto& [lease, log] : logs_) {
    for (Stream& stream : log.streams) {
      if (!stream.is_held) continue;
      stream.is_held = false;
      stream.is_probing = true;
    }
  }
}

std::vector<v1::LogChunk> LogPump::take(std::size_t bytes_max) {
  std::vector<v1::LogChunk> chunks;
  std::size_t bytes = 0;
  const auto take_from = [&](LeaseId lease, Log& log) {
    for (const v1::LogStream name : kStreams) {
      Stream& stream = log.streams[index_of(name)];
      const std::uint64_t window = stream.is_probing ? 1 : kWindowBytes;
      while (stream.may_have_more && !stream.sent_last && !stream.is_held && bytes < bytes_max &&
             stream.sent - stream.acknowledged < window) {
        v1::LogChunk chunk;
        std::string data = reader_(lease, name, stream.sent, kChunkBytesMax);
        // A full chunk is read on before it is called the last.
        chunk.set_last(log.finished && data.size() < kChunkBytesMax);
        stream.may_have_more = data.size() == kChunkBytesMax;
        if (data.empty() && !chunk.last()) break;
        chunk.set_lease(lease.value);
        chunk.set_stream(name);
        chunk.set_offset(stream.sent);
        stream.sent += data.size();
        stream.sent_last = chunk.last();
        bytes += data.size();
        chunk.set_data(std::move(data));
        chunks.push_back(std::move(chunk));
      }
    }
  };
  // Round-robin from call to call: a flood of one workload does not silence the others.
  const auto begin = logs_.lower_bound(next_);
  for (auto it = begin; it != logs_.end(); ++it) take_from(it->first, it->second);
  for (auto it = logs_.begin(); it != begin; ++it) take_from(it->first, it->second);
  next_ = LeaseId(begin == logs_.end() ? 0 : begin->first.value + 1);
  return chunks;
}

void LogPump::put_back(const v1::LogChunk& chunk) {
  const auto found = logs_.find(LeaseId(chunk.lease()));
  if (found == logs_.end()) return;
  Stream& stream = found->second.streams[index_of(chunk.stream())];
  stream.sent = std::max(stream.acknowledged, std::min(stream.sent, chunk.offset()));
  stream.sent_last = false;
  stream.may_have_more = true;
}

bool LogPump::is_sent(LeaseId lease) const {
  const auto found = logs_.find(lease);
  return found == logs_.end() ||
         std::all_of(found->second.streams.begin(), found->second.streams.end(),
                     [](const Stream& stream) { return stream.sent_last; });
}

bool LogPump::is_acknowledged(LeaseId lease) const {
  const auto found = logs_.find(lease);
  return found == logs_.end() ||
         std::all_of(found->second.streams.begin(), found->second.streams.end(),
                     [](const Stream& stream) { return stream.acknowledged_last; });
}

}  // namespace fallow::agent
