// RFC 6455 frames: bytes in, messages and control frames out, and back. No I/O, so it can be
// fuzzed.
//
// A decoder is a value of one connection. It holds nothing between messages, and never more than
// one message of the stated maximum.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fallow::net {

enum class WebSocketRole { kServer, kClient };  // clients mask what they send, servers do not

// Close codes of RFC 6455 7.4.1 that are used here.
enum class CloseCode : std::uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kNoStatus = 1005,  // never sent: the peer's close frame carried no code
  kInvalidText = 1007,
  kPolicy = 1008,
  kTooBig = 1009,
  kInternalError = 1011,
};

// Checks UTF-8 that arrives in pieces, failing at the first byte that cannot be right.
class Utf8Checker {
 public:
  bool feed(std::string_view bytes);
  // True when no character is unfinished.
  bool is_complete() const { return needed_ == 0; }

 private:
  unsigned needed_ = 0;                     // continuation bytes still to come
  unsigned char low_ = 0x80, high_ = 0xBF;  // what the next of them may be
};

struct WebSocketEvent {
  enum class Kind {
    kNeedMore,  // the input is used up
    kMessage,   // data: a whole message, is_text
    kPing,      // data: at most 125 bytes, to be returned in a pong
    kPong,
    kClose,  // close_code, data: the reason
    kError,  // the peer broke the protocol: send close_code, data says why, and end
  };
  Kind kind = Kind::kNeedMore;
  bool is_text = false;
  CloseCode close_code = CloseCode::kNormal;
  std::string data;
};

class WebSocketDecoder {
 public:
  // `role` is this side's: a server demands masked frames, a client unmasked ones.
  WebSocketDecoder(WebSocketRole role, std::size_t message_bytes_max)
      : role_(role), message_bytes_max_(message_bytes_max) {}

  // Takes bytes off the front of `input` until one event is complete. After kClose or kError
  // nothing more may be decoded.
  WebSocketEvent decode(std::string_view& input);

 private:
  enum class Stage : std::uint8_t { kHeader, kPayload };
  bool take_header(std::string_view& input, WebSocketEvent& error);
  bool check_header(WebSocketEvent& error);
  WebSocketEvent finish_frame();

  const WebSocketRole role_;
  const std::size_t message_bytes_max_;
  std::string message_;  // of the fragments so far
  std::string control_;  // of a control frame, which may come between fragments
  std::uint64_t payload_left_ = 0;
  std::array<std::uint8_t, 14> header_{};
  std::array<std::uint8_t, 4> mask_{};
  std::uint8_t header_bytes_ = 0;
  std::uint8_t mask_at_ = 0;
  Stage stage_ = Stage::kHeader;
  Utf8Checker utf8_;
  bool in_message_ = false;
  bool is_text_ = false;
};

// One frame. `mask` is used by clients only and must be unpredictable there.
std::string encode_frame(WebSocketRole role, std::uint8_t opcode, std::string_view payload,
                         std::uint32_t mask, bool is_final = true);
inline constexpr std::uint8_t kOpcodeContinuation = 0x0;
inline constexpr std::uint8_t kOpcodeText = 0x1;
inline constexpr std::uint8_t kOpcodeBinary = 0x2;
inline constexpr std::uint8_t kOpcodeClose = 0x8;
inline constexpr std::uint8_t kOpcodePing = 0x9;
inline constexpr std::uint8_t kOpcodePong = 0xA;
// The payload of a close frame; the reason is cut to 123 bytes at a character's border.
std::string close_payload(CloseCode code, std::string_view reason);
// Whether a peer may send this code (7.4.2).
bool is_valid_close_code(std::uint16_t code);

// base64(SHA-1(key + the RFC's GUID)): the proof that the server speaks WebSocket (4.2.2).
std::string websocket_accept(std::string_view key);
// 16 random bytes in base64, for Sec-WebSocket-Key.
std::string websocket_key();
bool is_valid_websocket_key(std::string_view key);
// Random bytes for a mask.
std::uint32_t websocket_mask();

}  // namespace fallow::net
