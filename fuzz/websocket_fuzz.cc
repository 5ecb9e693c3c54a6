// The WebSocket decoder on arbitrary bytes in arbitrary pieces.
//
// Beside "no crash": where the bytes are torn must not matter, no message passes the maximum, text
// is UTF-8, and every message survives being encoded and decoded again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "net/websocket_codec.h"

namespace {

using fallow::net::WebSocketDecoder;
using fallow::net::WebSocketEvent;
using fallow::net::WebSocketRole;
using Kind = WebSocketEvent::Kind;

constexpr std::size_t kMessageBytesMax = 4096;

std::vector<WebSocketEvent> decode(WebSocketRole role, std::string_view bytes, std::size_t piece) {
  WebSocketDecoder decoder(role, kMessageBytesMax);
  std::vector<WebSocketEvent> events;
  while (!bytes.empty()) {
    std::string_view input = bytes.substr(0, piece);
    bytes.remove_prefix(input.size());
    for (;;) {
      const WebSocketEvent event = decoder.decode(input);
      if (event.kind == Kind::kNeedMore) break;
      events.push_back(event);
      if (event.kind == Kind::kError || event.kind == Kind::kClose) return events;
    }
    FALLOW_CHECK(input.empty(), "bytes were left over");
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto role = (data[0] & 1) != 0 ? WebSocketRole::kServer : WebSocketRole::kClient;
  const auto peer = (data[0] & 1) != 0 ? WebSocketRole::kClient : WebSocketRole::kServer;
  const std::size_t piece = 1 + (data[0] >> 1);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = decode(role, bytes, bytes.size());
  const auto torn = decode(role, bytes, piece);
  FALLOW_CHECK(whole.size() == torn.size(), "tearing changed the number of events");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const WebSocketEvent& event = whole[i];
    FALLOW_CHECK(event.kind == torn[i].kind && event.close_code == torn[i].close_code,
                 "tearing changed an event");
    if (event.kind != Kind::kMessage) continue;
    FALLOW_CHECK(event.data == torn[i].data && event.is_text == torn[i].is_text,
                 "tearing changed a message");
    FALLOW_CHECK(event.data.size() <= kMessageBytesMax, "a message passed the maximum");
    fallow::net::Utf8Checker utf8;
    FALLOW_CHECK(!event.is_text || (utf8.feed(event.data) && utf8.is_complete()),
                 "bad text passed");
    const auto opcode = event.is_text ? fallow::net::kOpcodeText : fallow::net::kOpcodeBinary;
    const std::string frame = fallow::net::encode_frame(peer, opcode, event.data, 0x01020304);
    const auto back = decode(role, frame, 3);
    FALLOW_CHECK(back.size() == 1 && back[0].data == event.data, "a message changed on the way");
  }
  return 0;
}
