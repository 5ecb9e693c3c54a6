// Frames of a tunnel: bytes in, frames out, and back. docs/formats/tunnel.md is the format.
//
// A frame is 8 bytes of header and its payload:
//
//     kind u8 | channel u8 | payload length u16 | stream u32 | payload      all little-endian
//
// No I/O, and nothing of the rest of Fallow: the same code runs in the command line and as process
// 1 of sandboxes. A decoder is a value of one connection and holds at most one frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fallow::tunnel {

enum class FrameKind : std::uint8_t {
  kHello = 1,    // stream 0, once and first, from both sides; channel: the version
  kOpen = 2,     // payload: a Request; streams are numbered 1, 2, 3 ... by the side that opens them
  kData = 3,     // payload: bytes of the channel
  kNote = 4,     // payload: a Note, in order with the data
  kWindow = 5,   // payload: u32, so many bytes more may be sent
  kEnd = 6,      // no more data comes from this side; notes may
  kReset = 7,    // the stream is over at once; payload: why, in a sentence
  kGoodbye = 8,  // stream 0: the whole tunnel is over; payload: why, in a sentence
};

inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::size_t kHeaderBytes = 8;
inline constexpr std::size_t kPayloadBytesMax = 32 * 1024;
inline constexpr std::size_t kReasonBytesMax = 500;

struct Frame {
  FrameKind kind = FrameKind::kData;
  std::uint8_t channel = 0;
  std::uint32_t stream = 0;
  std::string_view payload;  // valid until the next call of the decoder, or the input's end
};

// Appends the frame. The payload has at most kPayloadBytesMax bytes.
void put_frame(std::string& to, FrameKind kind, std::uint8_t channel, std::uint32_t stream,
               std::string_view payload);

void put_u32(std::string& to, std::uint32_t value);
std::uint32_t get_u32(const char* from);

class FrameDecoder {
 public:
  // Takes bytes off the front of `input` until one frame is whole. False: there is none yet, or,
  // when is_broken(), there will never be one.
  bool take(std::string_view& input, Frame& frame);
  bool is_broken() const { return broken_; }

 private:
  bool read_header(std::string_view header, Frame& frame);

  std::string held_;    // the beginning of a frame that came in pieces
  bool given_ = false;  // held_ was handed out as a frame
  bool broken_ = false;
};

}  // namespace fallow::tunnel
