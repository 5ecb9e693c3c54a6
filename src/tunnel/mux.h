// Mux: one side of a tunnel: many streams over one connection, with credit for each and a fair
// turn. A state machine without I/O: bytes and wishes in, events and bytes out.
//
// A side may send as many bytes of data and notes on a stream as the other has granted: at first
// kWindowBytes, then what is granted for what the other's user has consumed(). So nothing that is
// held is without bound: what came and was not consumed is at most kWindowBytes a stream, what
// waits to be sent at most kSendBytesMax a stream and kControlBytesMax for the connection.
//
// Owned by one thread. Streams are known by their numbers; a stream that is over is forgotten, and
// what is done to one is without effect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tunnel/frame.h"

namespace fallow::tunnel {

inline constexpr std::uint32_t kWindowBytes = 512 * 1024;
inline constexpr std::size_t kStreamsMax = 64;  // open at once
inline constexpr std::size_t kSendBytesMax = 128 * 1024;
inline constexpr std::size_t kControlBytesMax = 256 * 1024;

enum class Side : std::uint8_t {
  kRenter,   // opens streams
  kSandbox,  // answers them
};

struct MuxEvent {
  enum class Kind : std::uint8_t {
    kReady,    // the other side is there
    kOpened,   // bytes: the request; on the sandbox's side only
    kData,     // bytes, of the channel; to be consumed()
    kNote,     // bytes: a note; consumed at once
    kEnded,    // the other side sends no more data on the stream
    kReset,    // the stream is over; bytes: why
    kGoodbye,  // the tunnel is over; bytes: why
  };
  Kind kind = Kind::kReady;
  std::uint32_t stream = 0;
  std::uint8_t channel = 0;
  std::string bytes;
};

class Mux {
 public:
  explicit Mux(Side side);

  // Appends what follows from the bytes. False: the other side broke the protocol; error() says
  // how, a goodbye is queued, and nothing more may be received.
  bool receive(std::string_view bytes, std::vector<MuxEvent>& events);
  const std::string& error() const { return error_; }

  // The new stream's number; 0: as many as there may be are open, or the request is larger than a
  // frame.
  std::uint32_t open(std::string_view request);
  bool is_open(std::uint32_t stream) const { return streams_.contains(stream); }
  std::size_t open_count() const { return streams_.size(); }
  // How many bytes the stream takes now; 0 also for a stream that is over.
  std::size_t room(std::uint32_t stream) const;
  // At most room() bytes.
  void send(std::uint32_t stream, std::uint8_t channel, std::string_view bytes);
  // Small, and few: not held back by room(), and taken behind end(), too, as long as the stream is
  // open.
  void send_note(std::uint32_t stream, std::string_view note);
  // No more data is sent; what is queued still is.
  void end(std::uint32_t stream);
  // Over at once, on both sides.
  void reset(std::uint32_t stream, std::string_view reason);
  // So many bytes of kData events are used up.
  void consumed(std::uint32_t stream, std::size_t bytes);
  void say_goodbye(std::string_view reason);

  bool has_output() const { return !control_.empty() || !ready_.empty(); }
  // Appends whole frames until `out` has bytes_max or more, or there is nothing more: control
  // first, then one frame of each stream in turn.
  void take_output(std::string& out, std::size_t bytes_max);

 private:
  struct Piece {
    FrameKind kind = FrameKind::kData;
    std::uint8_t channel = 0;
    std::string bytes;
  };
  struct Stream {
    // What goes out.
    std::deque<Piece> pieces;
    std::size_t front_sent = 0;  // of pieces.front()
    std::size_t queued_bytes = 0;
    std::uint32_t credit = kWindowBytes;
    bool ending = false;  // kEnd follows the pieces
    bool ended = false;   // and was sent
    bool in_turn = false;
    // What comes in.
    std::uint32_t granted = kWindowBytes;  // that the other side may still send
    std::uint32_t owed = 0;                // consumed, not yet granted anew
    bool peer_ended = false;
  };

  bool take(const Frame& frame, std::vector<MuxEvent>& events);
  bool take_stream_frame(const Frame& frame, Stream& stream, std::vector<MuxEvent>& events);
  bool take_open(const Frame& frame, std::vector<MuxEvent>& events);
  bool broken(std::string why);
  void queue(std::uint32_t number, Stream& stream, Piece piece);
  void give_turn(std::uint32_t number, Stream& stream);
  void send_one(std::uint32_t number, Stream& stream, std::string& out);
  void forget_if_over(std::uint32_t number);
  Stream* find(std::uint32_t number);

  const Side side_;
  FrameDecoder decoder_;
  std::map<std::uint32_t, Stream> streams_;  // at most kStreamsMax
  std::deque<std::uint32_t> ready_;          // streams with something that may go, in turn
  std::string control_;                      // frames; at most kControlBytesMax
  std::uint32_t last_stream_ = 0;            // that was ever opened
  bool greeted_ = false;
  bool over_ = false;
  std::string error_;
};

}  // namespace fallow::tunnel
