#include "tunnel/mux.h"

#include <algorithm>
#include <utility>

namespace fallow::tunnel {
namespace {

using Kind = MuxEvent::Kind;

// Whatever is granted in smaller pieces costs more frames than it helps.
constexpr std::uint32_t kGrantBytesMin = kWindowBytes / 4;

MuxEvent event_of(Kind kind, const Frame& frame) {
  return {kind, frame.stream, frame.channel, std::string(frame.payload)};
}

}  // namespace

Mux::Mux(Side side) : side_(side) { put_frame(control_, FrameKind::kHello, kVersion, 0, {}); }

Mux::Stream* Mux::find(std::uint32_t number) {
  const auto found = streams_.find(number);
  return found == streams_.end() ? nullptr : &found->second;
}

bool Mux::broken(std::string why) {
  error_ = std::move(why);
  say_goodbye("the tunnel's protocol was broken: " + error_);
  over_ = true;
  return false;
}

bool Mux::receive(std::string_view bytes, std::vector<MuxEvent>& events) {
  if (over_) return error_.empty();
  Frame frame;
  while (decoder_.take(bytes, frame)) {
    if (!take(frame, events)) return false;
    if (over_) return true;
  }
  if (decoder_.is_broken()) return broken("a frame of unknown kind or size");
  if (control_.size() > kControlBytesMax) return broken("nothing is read of what is answered");
  return true;
}

bool Mux::take(const Frame& frame, std::vector<MuxEvent>& events) {
  if (frame.kind == FrameKind::kGoodbye) {
    over_ = true;
    events.push_back(event_of(Kind::kGoodbye, frame));
    return true;
  }
  if (!greeted_) {
    if (frame.kind != FrameKind::kHello) return broken("the first frame is not a greeting");
    if (frame.channel != kVersion) {
      return broken("one side speaks version " + std::to_string(kVersion) +
                    " of it, the other version " + std::to_string(frame.channel) +
                    "; update the older one");
    }
    greeted_ = true;
    events.push_back(event_of(Kind::kReady, frame));
    return true;
  }
  if (frame.kind == FrameKind::kHello) return broken("a second greeting");
  if (frame.kind == FrameKind::kOpen) return take_open(frame, events);
  if (Stream* stream = find(frame.stream)) return take_stream_frame(frame, *stream, events);
  // Of a stream that was over here before the other side knew.
  if (frame.stream != 0 && frame.stream <= last_stream_) return true;
  return broken("a frame of a stream that was never opened");
}

bool Mux::take_open(const Frame& frame, std::vector<MuxEvent>& events) {
  if (side_ != Side::kSandbox) return broken("streams are opened by the other side only");
  if (frame.stream != last_stream_ + 1) return broken("a stream out of order");
  ++last_stream_;
  if (streams_.size() >= kStreamsMax) {
    put_frame(control_, FrameKind::kReset, 0, frame.stream,
              "as many streams as there may be are open in this tunnel");
    return true;
  }
  streams_.try_emplace(frame.stream);
  events.push_back(event_of(Kind::kOpened, frame));
  return true;
}

bool Mux::take_stream_frame(const Frame& frame, Stream& stream, std::vector<MuxEvent>& events) {
  switch (frame.kind) {
    case FrameKind::kData:
    case FrameKind::kNote: {
      const bool is_note = frame.kind == FrameKind::kNote;
      if (stream.peer_ended && !is_note) return broken("data behind a stream's end");
      // It would cost no credit, and so have no bound.
      if (frame.payload.empty() && !is_note) return broken("data of no bytes");
      if (frame.payload.size() > stream.granted) return broken("more data than was granted");
      stream.granted -= static_cast<std::uint32_t>(frame.payload.size());
      events.push_back(event_of(is_note ? Kind::kNote : Kind::kData, frame));
      if (is_note) consumed(frame.stream, frame.payload.size());
      return true;
    }
    case FrameKind::kWindow: {
      if (frame.payload.size() != 4) return broken("a window frame of another size");
      const std::uint32_t more = get_u32(frame.payload.data());
      if (more > kWindowBytes || stream.credit > kWindowBytes - more) {
        return broken("more was granted than a window holds");
      }
      stream.credit += more;
      give_turn(frame.stream, stream);
      return true;
    }
    case FrameKind::kEnd:
      if (stream.peer_ended) return broken("a stream ended twice");
      stream.peer_ended = true;
      events.push_back(event_of(Kind::kEnded, frame));
      forget_if_over(frame.stream);
      return true;
    case FrameKind::kReset:
      events.push_back(event_of(Kind::kReset, frame));
      std::erase(ready_, frame.stream);
      streams_.erase(frame.stream);
      return true;
    default:
      return broken("a frame that no stream knows");
  }
}

std::uint32_t Mux::open(std::string_view request) {
  if (over_ || streams_.size() >= kStreamsMax || request.size() > kPayloadBytesMax) return 0;
  put_frame(control_, FrameKind::kOpen, 0, ++last_stream_, request);
  streams_.try_emplace(last_stream_);
  return last_stream_;
}

std::size_t Mux::room(std::uint32_t number) const {
  const auto found = streams_.find(number);
  if (found == streams_.end() || found->second.ending) return 0;
  return kSendBytesMax - std::min(kSendBytesMax, found->second.queued_bytes);
}

void Mux::queue(std::uint32_t number, Stream& stream, Piece piece) {
  stream.queued_bytes += piece.bytes.size();
  stream.pieces.push_back(std::move(piece));
  give_turn(number, stream);
}

void Mux::send(std::uint32_t number, std::uint8_t channel, std::string_view bytes) {
  Stream* stream = find(number);
  if (stream == nullptr || stream->ending || bytes.empty()) return;
  queue(number, *stream, {FrameKind::kData, channel, std::string(bytes)});
}

void Mux::send_note(std::uint32_t number, std::string_view note) {
  Stream* stream = find(number);
  if (stream == nullptr) return;
  queue(number, *stream, {FrameKind::kNote, 0, std::string(note.substr(0, kPayloadBytesMax))});
}

void Mux::end(std::uint32_t number) {
  Stream* stream = find(number);
  if (stream == nullptr || stream->ending) return;
  stream->ending = true;
  give_turn(number, *stream);
}

void Mux::reset(std::uint32_t number, std::string_view reason) {
  if (find(number) == nullptr) return;
  std::erase(ready_, number);
  streams_.erase(number);
  put_frame(control_, FrameKind::kReset, 0, number, reason.substr(0, kReasonBytesMax));
}

void Mux::consumed(std::uint32_t number, std::size_t bytes) {
  Stream* stream = find(number);
  if (stream == nullptr) return;
  stream->owed += static_cast<std::uint32_t>(bytes);
  if (stream->owed < kGrantBytesMin) return;
  std::string more;
  put_u32(more, stream->owed);
  put_frame(control_, FrameKind::kWindow, 0, number, more);
  stream->granted += stream->owed;
  stream->owed = 0;
}

void Mux::say_goodbye(std::string_view reason) {
  if (over_) return;
  over_ = true;
  // Nothing else is worth saying any more.
  ready_.clear();
  put_frame(control_, FrameKind::kGoodbye, 0, 0, reason.substr(0, kReasonBytesMax));
}

void Mux::give_turn(std::uint32_t number, Stream& stream) {
  const bool may_end = stream.ending && !stream.ended && stream.pieces.empty();
  const bool may_send = !stream.pieces.empty() && stream.credit > 0;
  // A note goes whole or not at all.
  const bool fits = !may_send || stream.pieces.front().kind != FrameKind::kNote ||
                    stream.pieces.front().bytes.size() <= stream.credit;
  if (stream.in_turn || over_ || !(may_end || (may_send && fits))) return;
  stream.in_turn = true;
  ready_.push_back(number);
}

void Mux::send_one(std::uint32_t number, Stream& stream, std::string& out) {
  stream.in_turn = false;
  if (!stream.pieces.empty()) {
    Piece& piece = stream.pieces.front();
    const std::size_t left = piece.bytes.size() - stream.front_sent;
    const std::size_t count = std::min({left, kPayloadBytesMax, std::size_t{stream.credit}});
    put_frame(out, piece.kind, piece.channel, number,
              std::string_view(piece.bytes).substr(stream.front_sent, count));
    stream.credit -= static_cast<std::uint32_t>(count);
    stream.queued_bytes -= count;
    stream.front_sent += count;
    if (count == left) {
      stream.pieces.pop_front();
      stream.front_sent = 0;
    }
  }
  if (stream.pieces.empty() && stream.ending && !stream.ended) {
    stream.ended = true;
    put_frame(out, FrameKind::kEnd, 0, number, {});
    forget_if_over(number);
    return;
  }
  give_turn(number, stream);
}

void Mux::take_output(std::string& out, std::size_t bytes_max) {
  out.append(control_);
  control_.clear();
  while (out.size() < bytes_max && !ready_.empty()) {
    const std::uint32_t number = ready_.front();
    ready_.pop_front();
    if (Stream* stream = find(number)) send_one(number, *stream, out);
  }
}

void Mux::forget_if_over(std::uint32_t number) {
  const Stream* stream = find(number);
  if (stream != nullptr && stream->ended && stream->peer_ended) streams_.erase(number);
}

}  // namespace fallow::tunnel
