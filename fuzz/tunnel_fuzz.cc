// The tunnel's frames, requests and notes on arbitrary bytes, as the sandbox's end meets them.
//
// Beside "no crash": where the bytes are torn must not matter; what came and was not consumed never
// passes a window; what is decoded means the same once it is encoded and decoded again.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tunnel/mux.h"
#include "tunnel/request.h"

namespace {

using fallow::tunnel::Mux;
using fallow::tunnel::MuxEvent;
using fallow::tunnel::Side;
using Kind = MuxEvent::Kind;

std::vector<MuxEvent> hear(Side side, std::string_view bytes, std::size_t piece, bool consumes) {
  Mux mux(side);
  if (side == Side::kRenter) mux.open("request");
  std::vector<MuxEvent> events;
  std::string out;
  for (bool goes_on = true; goes_on && !bytes.empty();) {
    const std::string_view input = bytes.substr(0, piece);
    bytes.remove_prefix(input.size());
    const std::size_t before = events.size();
    goes_on = mux.receive(input, events);
    for (std::size_t i = before; consumes && i < events.size(); ++i) {
      if (events[i].kind == Kind::kData) mux.consumed(events[i].stream, events[i].bytes.size());
    }
    out.clear();
    mux.take_output(out, 1 << 20);
  }
  return events;
}

void check_payload(std::string_view bytes) {
  fallow::tunnel::Request request;
  if (decode_request(bytes, request)) {
    const std::string again = encode_request(request);
    fallow::tunnel::Request back;
    FALLOW_CHECK(decode_request(again, back) && encode_request(back) == again,
                 "a request changed on the way");
  }
  fallow::tunnel::Note note;
  if (decode_note(bytes, note)) {
    const std::string again = encode_note(note);
    fallow::tunnel::Note back;
    FALLOW_CHECK(decode_note(again, back) && encode_note(back) == again,
                 "a note changed on the way");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Side side = (data[0] & 1) != 0 ? Side::kRenter : Side::kSandbox;
  const std::size_t piece = 1 + (data[0] >> 1);
  // A greeting first, so that most inputs get beyond it.
  std::string bytes;
  put_frame(bytes, fallow::tunnel::FrameKind::kHello, fallow::tunnel::kVersion, 0, {});
  bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = hear(side, bytes, bytes.size(), false);
  const auto torn = hear(side, bytes, piece, false);
  FALLOW_CHECK(whole.size() == torn.size(), "tearing changed the number of events");
  std::map<std::uint32_t, std::size_t> held;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    FALLOW_CHECK(whole[i].kind == torn[i].kind && whole[i].stream == torn[i].stream &&
                     whole[i].channel == torn[i].channel && whole[i].bytes == torn[i].bytes,
                 "tearing changed an event");
    if (whole[i].kind == Kind::kData) held[whole[i].stream] += whole[i].bytes.size();
    FALLOW_CHECK(held[whole[i].stream] <= fallow::tunnel::kWindowBytes, "a window was passed");
    check_payload(whole[i].bytes);
  }
  hear(side, bytes, piece, true);
  check_payload({reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
