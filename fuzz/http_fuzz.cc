// The HTTP parser, URL and SSE readers on arbitrary bytes in arbitrary pieces.
//
// Beside "no crash": where the bytes are torn must not matter, and what was accepted must have one
// meaning (a stated length is the length that came).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "net/http_parser.h"
#include "net/sse.h"
#include "net/url.h"

namespace {

using fallow::net::HttpParser;
using State = HttpParser::State;

struct Meaning {
  std::string words;
  bool failed = false;
};

// Everything that a connection would act on, in words.
Meaning meaning_of(HttpParser::Role role, std::string_view bytes, std::size_t piece) {
  HttpParser parser(role, fallow::net::HttpLimits());
  std::string meaning;
  std::string body;
  bool has_head = false;
  const auto look = [&] {
    for (;;) {
      if (parser.state() == State::kFailed) return;
      if (parser.state() == State::kHead) return;
      if (!has_head) {
        has_head = true;
        if (role == HttpParser::Role::kServer) {
          const auto request = parser.take_request();
          FALLOW_CHECK(!(request.is_chunked && request.content_length), "two lengths accepted");
          meaning += request.method + " " + request.target + "\n";
          for (const auto& field : request.headers.fields()) {
            FALLOW_CHECK(field.value.find_first_of("\r\n") == std::string::npos,
                         "a line break in a value");
            meaning += field.name + ":" + field.value + "\n";
          }
          if (const auto target = fallow::net::parse_target(request.target)) {
            for (const auto& segment : target->segments) {
              FALLOW_CHECK(segment != "..", "a traversal was accepted");
            }
          }
        } else {
          meaning += std::to_string(parser.take_response_head().status) + "\n";
        }
      }
      body += parser.take_body();
      if (parser.state() != State::kDone) return;
      meaning += body + "\n";
      body.clear();
      has_head = false;
      parser.next();
    }
  };
  while (!bytes.empty()) {
    parser.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    look();
    if (parser.state() == State::kFailed) break;
  }
  return {meaning, parser.state() == State::kFailed};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto role = (data[0] & 1) != 0 ? HttpParser::Role::kServer : HttpParser::Role::kClient;
  const std::size_t piece = 1 + (data[0] >> 1);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Meaning whole = meaning_of(role, bytes, bytes.size());
  const Meaning torn = meaning_of(role, bytes, piece);
  FALLOW_CHECK(whole.failed == torn.failed, "tearing changed what is accepted");
  // Where a message fails, the pieces before were seen only if they came on their own.
  FALLOW_CHECK(torn.words.substr(0, whole.words.size()) == whole.words &&
                   (whole.failed || torn.words.size() == whole.words.size()),
               "tearing changed the meaning");

  if (const auto url = fallow::net::parse_url(bytes)) {
    FALLOW_CHECK(!url->host.empty() && url->port != 0 && url->target.front() == '/', "half a URL");
  }
  fallow::net::SseParser sse(4096);
  sse.feed(bytes);
  for (auto event = sse.next(); event && *event; event = sse.next()) {
    fallow::net::SseParser again;
    again.feed(fallow::net::format_sse(**event));
    const auto back = again.next();
    FALLOW_CHECK(back && *back && (*back)->data == (*event)->data, "an event changed on the way");
  }
  return 0;
}
