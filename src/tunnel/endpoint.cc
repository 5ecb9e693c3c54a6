#include "tunnel/endpoint.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace fallow::tunnel {
namespace {

using Kind = MuxEvent::Kind;

constexpr std::size_t kBufferBytes = 64 * 1024;
// Taken from the Mux at a time: what is taken has had its turn.
constexpr std::size_t kOutBytes = 128 * 1024;
// To a descriptor that may block no more is written at once than a pipe that can be written takes.
constexpr std::size_t kPipeBytes = 4096;
constexpr int kReadsPerTurn = 8;
constexpr char kEndOfFile = 4;
// What a terminal holds at most, and more.
constexpr std::size_t kTerminalBytesMax = 128 * 1024;

bool again(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

bool is_blocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

}  // namespace

Descriptor::~Descriptor() {
  if (owned_ && fd_ >= 0) ::close(fd_);
}

SharedDescriptor own(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return std::make_shared<Descriptor>(fd);
}

SharedDescriptor borrow(int fd) { return std::make_shared<Descriptor>(fd, false); }

Endpoint::Endpoint(int carrier, Side side)
    : carrier_(own(carrier)), mux_(side), buffer_(kBufferBytes) {}

void Endpoint::add_source(std::uint32_t stream, std::uint8_t channel, SharedDescriptor from,
                          std::function<void()> at_end) {
  sources_.push_back({stream, channel, std::move(from), std::move(at_end)});
}

void Endpoint::finish_sources(std::uint32_t stream) {
  for (Source& source : sources_) {
    if (source.stream != stream || source.is_last) continue;
    source.is_last = true;
    // Somebody may go on writing for ever. A terminal does not count what is on its way through it.
    int count = 0;
    const bool is_counted =
        ::isatty(source.from->get()) == 0 && ::ioctl(source.from->get(), FIONREAD, &count) == 0;
    source.left = is_counted ? static_cast<std::size_t>(count) : kTerminalBytesMax;
  }
}

void Endpoint::add_sink(std::uint32_t stream, std::uint8_t channel, SharedDescriptor to,
                        AtEnd at_end, std::function<void(int)> at_deaf) {
  Sink& sink = sinks_.emplace_back();
  sink.stream = stream;
  sink.channel = channel;
  sink.to = std::move(to);
  sink.at_end = at_end;
  sink.at_deaf = std::move(at_deaf);
  sink.ended = ended_early_.contains(stream);
  if (const auto held = held_.find(stream); held != held_.end()) {
    for (const Held& piece : held->second) {
      if (piece.channel == channel) sink.waiting += piece.bytes;
    }
    std::erase_if(held->second, [channel](const Held& piece) { return piece.channel == channel; });
  }
  write_sink(sink);
}

void Endpoint::add_taker(std::uint32_t stream, std::function<void(std::string_view)> take) {
  keepers_[stream] = [this, stream, take = std::move(take)](std::uint8_t, std::string_view bytes) {
    take(bytes);
    mux_.consumed(stream, bytes.size());
  };
}

void Endpoint::add_keeper(std::uint32_t stream,
                          std::function<void(std::uint8_t, std::string_view)> keep) {
  keepers_[stream] = std::move(keep);
}

void Endpoint::add_producer(std::uint32_t stream, std::function<bool()> produce) {
  producers_.push_back({stream, std::move(produce)});
}

void Endpoint::watch(SharedDescriptor fd, short events, std::function<bool()> ready) {
  watch(
      std::move(fd), [events] { return events; }, std::move(ready));
}

void Endpoint::watch(SharedDescriptor fd, std::function<short()> events,
                     std::function<bool()> ready) {
  watches_.push_back({std::move(fd), std::move(events), std::move(ready)});
}

Endpoint::Sink* Endpoint::sink_of(std::uint32_t stream, std::uint8_t channel) {
  const auto found = std::find_if(sinks_.begin(), sinks_.end(), [&](const Sink& sink) {
    return sink.stream == stream && sink.channel == channel && !sink.over;
  });
  return found == sinks_.end() ? nullptr : &*found;
}

bool Endpoint::turn(int timeout_ms) {
  std::vector<pollfd> polled;
  const bool has_output = out_written_ < out_.size() || mux_.has_output();
  polled.push_back(
      {carrier_->get(), static_cast<short>(has_output ? POLLIN | POLLOUT : POLLIN), 0});
  std::vector<Source*> sources;
  for (Source& source : sources_) {
    if (mux_.room(source.stream) == 0) continue;
    if (source.is_last) timeout_ms = 0;
    sources.push_back(&source);
    polled.push_back({source.from->get(), POLLIN, 0});
  }
  std::vector<Sink*> sinks;
  for (Sink& sink : sinks_) {
    if (sink.waiting.empty()) continue;
    sinks.push_back(&sink);
    polled.push_back({sink.to->get(), POLLOUT, 0});
  }
  std::vector<Watch*> watches;
  poll_watches(polled, watches);
  std::vector<Producer*> producers;
  for (Producer& producer : producers_) {
    if (mux_.room(producer.stream) == 0) continue;
    timeout_ms = 0;
    producers.push_back(&producer);
  }
  if (::poll(polled.data(), polled.size(), timeout_ms) < 0 && errno != EINTR) {
    end_ = std::string("poll failed: ") + std::strerror(errno);
    return false;
  }
  std::size_t at = 1;
  for (Source* source : sources) {
    const short seen = polled[at++].revents;
    if (seen != 0 || source->is_last) read_source(*source);
  }
  for (Sink* sink : sinks) {
    if (polled[at++].revents != 0) write_sink(*sink);
  }
  hear_watches(polled.data() + at, watches);
  for (Producer* producer : producers) {
    if (!mux_.is_open(producer->stream)) continue;
    producer->over = !producer->produce();
  }
  bool goes_on = (polled[0].revents & ~POLLOUT) == 0 || read_carrier();
  // Also what has only now been queued: it seldom has to wait.
  goes_on = write_carrier() && goes_on;
  clear_away();
  return goes_on;
}

void Endpoint::poll_watches(std::vector<pollfd>& polled, std::vector<Watch*>& watches) {
  for (Watch& one : watches_) {
    if (one.over) continue;
    watches.push_back(&one);
    polled.push_back({one.fd->get(), one.events(), 0});
  }
}

void Endpoint::hear_watches(const pollfd* polled, const std::vector<Watch*>& watches) {
  for (Watch* one : watches) {
    if ((polled++)->revents != 0 && !one->over) one->over = !one->ready();
  }
}

void Endpoint::drain(const std::function<bool()>& is_enough) {
  while (!is_enough || !is_enough()) {
    std::vector<pollfd> polled;
    for (Sink& sink : sinks_) {
      write_sink(sink);
      if (!sink.over && !sink.waiting.empty()) polled.push_back({sink.to->get(), POLLOUT, 0});
    }
    if (polled.empty()) return;
    const std::size_t sinks = polled.size();
    std::vector<Watch*> watches;
    if (is_enough) poll_watches(polled, watches);
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    hear_watches(polled.data() + sinks, watches);
  }
}

void Endpoint::flush(int timeout_ms) {
  while (out_written_ < out_.size() || mux_.has_output()) {
    pollfd writable{carrier_->get(), POLLOUT, 0};
    if (::poll(&writable, 1, timeout_ms) <= 0 || !write_carrier()) return;
  }
}

bool Endpoint::read_carrier() {
  for (int reads = 0; reads < kReadsPerTurn; ++reads) {
    const ssize_t n = ::read(carrier_->get(), buffer_.data(), buffer_.size());
    if (n < 0 && again(errno)) return true;
    if (n <= 0) return false;
    const bool good = mux_.receive({buffer_.data(), static_cast<std::size_t>(n)}, events_);
    std::vector<MuxEvent> events;
    events.swap(events_);
    bool over = false;
    for (MuxEvent& event : events) {
      if (event.kind == Kind::kGoodbye) {
        end_ = event.bytes;
        over = true;
      }
      hear(event);
    }
    if (over) return false;
    if (!good) {
      end_ = "the tunnel's protocol was broken: " + mux_.error();
      return false;
    }
  }
  return true;
}

bool Endpoint::write_carrier() {
  while (true) {
    if (out_written_ == out_.size()) {
      out_.clear();
      out_written_ = 0;
      mux_.take_output(out_, kOutBytes);
      if (out_.empty()) return true;
    }
    const char* const from = out_.data() + out_written_;
    const std::size_t count = out_.size() - out_written_;
    ssize_t n = ::send(carrier_->get(), from, count, MSG_NOSIGNAL);
    // A virtual machine's port, which raises no signal either.
    if (n < 0 && errno == ENOTSOCK) n = ::write(carrier_->get(), from, count);
    if (n < 0 && again(errno)) return true;
    if (n < 0) return false;
    out_written_ += static_cast<std::size_t>(n);
  }
}

void Endpoint::hear(MuxEvent& event) {
  switch (event.kind) {
    case Kind::kData:
      hear_data(event);
      return;
    case Kind::kEnded: {
      bool has_sink = false;
      for (Sink& sink : sinks_) {
        if (sink.stream != event.stream) continue;
        has_sink = true;
        sink.ended = true;
        write_sink(sink);
      }
      if (!has_sink && mux_.is_open(event.stream)) ended_early_[event.stream] = true;
      break;
    }
    case Kind::kReset:
      drop_stream(event.stream);
      break;
    default:
      break;
  }
  if (tell_) tell_(event);
}

void Endpoint::hear_data(MuxEvent& event) {
  if (const auto keeper = keepers_.find(event.stream); keeper != keepers_.end()) {
    keeper->second(event.channel, event.bytes);
    return;
  }
  Sink* sink = sink_of(event.stream, event.channel);
  if (sink == nullptr) {
    if (mux_.is_open(event.stream)) {
      held_[event.stream].push_back({event.channel, std::move(event.bytes)});
    }
    return;
  }
  if (sink->waiting.empty()) {
    sink->waiting = std::move(event.bytes);
    write_sink(*sink);
    return;
  }
  // While any byte waits, what was written would otherwise stay for ever. Seldom enough that the
  // moving costs less than the writing.
  if (sink->written >= sink->waiting.size() / 2) {
    sink->waiting.erase(0, sink->written);
    sink->written = 0;
  }
  sink->waiting += event.bytes;
}

void Endpoint::read_source(Source& source) {
  if (source.over || !mux_.is_open(source.stream)) return;
  std::size_t count = std::min(mux_.room(source.stream), buffer_.size());
  if (count == 0) return;
  if (source.is_last) count = std::min(count, source.left);
  const ssize_t n = count == 0 ? 0 : ::read(source.from->get(), buffer_.data(), count);
  if (n > 0) {
    if (source.is_last) source.left -= static_cast<std::size_t>(n);
    mux_.send(source.stream, source.channel, {buffer_.data(), static_cast<std::size_t>(n)});
    return;
  }
  if (n < 0 && again(errno) && !source.is_last) return;
  end_source(source);
}

void Endpoint::end_source(Source& source) {
  source.over = true;
  if (source.at_end) {
    source.at_end();
  } else {
    mux_.end(source.stream);
  }
}

// True: nothing waits any more. False: it must be waited, or the sink is no more.
bool Endpoint::write_waiting(Sink& sink) {
  while (sink.written < sink.waiting.size()) {
    std::size_t count = sink.waiting.size() - sink.written;
    const bool may_block = is_blocking(sink.to->get());
    if (may_block) {
      pollfd writable{sink.to->get(), POLLOUT, 0};
      if (!sink.deaf && ::poll(&writable, 1, 0) <= 0) return false;
      count = std::min(count, kPipeBytes);
    }
    ssize_t n = static_cast<ssize_t>(count);
    if (!sink.deaf) {
      n = sink.at_end == AtEnd::kShutdown
              ? ::send(sink.to->get(), sink.waiting.data() + sink.written, count, MSG_NOSIGNAL)
              : ::write(sink.to->get(), sink.waiting.data() + sink.written, count);
      if (n < 0 && again(errno)) return false;
    }
    if (n < 0 && sink.at_end == AtEnd::kShutdown) {
      mux_.reset(sink.stream, kClosedReason);
      drop_stream(sink.stream);
      return false;
    }
    // Whoever reads no more is not waited for.
    if (n < 0) {
      sink.deaf = true;
      if (sink.at_deaf) sink.at_deaf(errno);
      continue;
    }
    if (n == 0) return false;
    sink.written += static_cast<std::size_t>(n);
    sink.last = sink.waiting[sink.written - 1];
    if (!sink.end_typed) mux_.consumed(sink.stream, static_cast<std::size_t>(n));
  }
  sink.waiting.clear();
  sink.written = 0;
  return true;
}

void Endpoint::write_sink(Sink& sink) {
  if (sink.over || !write_waiting(sink) || !sink.ended) return;
  if (sink.at_end == AtEnd::kTypeEnd && !sink.end_typed) {
    // Behind an unfinished line the first one only hands that on.
    const bool is_finished = sink.last == '\n' || sink.last == '\r' || sink.last == kEndOfFile;
    sink.waiting.assign(is_finished ? 1 : 2, kEndOfFile);
    sink.end_typed = true;
    if (!write_waiting(sink)) return;
  }
  if (sink.at_end == AtEnd::kShutdown) ::shutdown(sink.to->get(), SHUT_WR);
  sink.over = true;
  sink.to.reset();
}

void Endpoint::drop_stream(std::uint32_t stream) {
  for (Source& source : sources_) source.over |= source.stream == stream;
  for (Sink& sink : sinks_) sink.over |= sink.stream == stream;
  for (Producer& producer : producers_) producer.over |= producer.stream == stream;
  held_.erase(stream);
  ended_early_.erase(stream);
}

void Endpoint::clear_away() {
  sources_.remove_if([this](const Source& s) { return s.over || !mux_.is_open(s.stream); });
  sinks_.remove_if([](const Sink& s) { return s.over; });
  producers_.remove_if([this](const Producer& p) { return p.over || !mux_.is_open(p.stream); });
  watches_.remove_if([](const Watch& w) { return w.over; });
  const auto is_over = [this](const auto& one) { return !mux_.is_open(one.first); };
  std::erase_if(keepers_, is_over);
  std::erase_if(held_, is_over);
  std::erase_if(ended_early_, is_over);
}

}  // namespace fallow::tunnel
