#include "net/websocket_codec.h"

#include <gtest/gtest.h>

#include <vector>

namespace fallow::net {
namespace {

using Kind = WebSocketEvent::Kind;
using namespace std::string_literals;

std::vector<WebSocketEvent> decode(WebSocketRole role, const std::string& bytes, std::size_t piece,
                                   std::size_t message_bytes_max = 1'000'000) {
  WebSocketDecoder decoder(role, message_bytes_max);
  std::vector<WebSocketEvent> events;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string_view input = std::string_view(bytes).substr(at, piece);
    for (;;) {
      WebSocketEvent event = decoder.decode(input);
      if (event.kind == Kind::kNeedMore) break;
      events.push_back(event);
      if (event.kind == Kind::kError || event.kind == Kind::kClose) return events;
    }
    EXPECT_TRUE(input.empty());
  }
  return events;
}

WebSocketEvent only(WebSocketRole role, const std::string& bytes) {
  for (const std::size_t piece : {std::size_t{1}, bytes.size()}) {
    const auto events = decode(role, bytes, piece);
    EXPECT_EQ(events.size(), 1u);
    if (piece == bytes.size() && events.size() == 1) return events[0];
  }
  return {};
}

// The examples of RFC 6455 section 5.7.
TEST(WebSocketCodec, ReadsTheExamplesOfTheRfc) {
  auto event = only(WebSocketRole::kClient, "\x81\x05Hello"s);
  EXPECT_EQ(event.kind, Kind::kMessage);
  EXPECT_TRUE(event.is_text);
  EXPECT_EQ(event.data, "Hello");

  event = only(WebSocketRole::kServer, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"s);
  EXPECT_EQ(event.kind, Kind::kMessage);
  EXPECT_EQ(event.data, "Hello");

  event = only(WebSocketRole::kClient, "\x01\x03Hel\x80\x02lo"s);
  EXPECT_EQ(event.data, "Hello");

  event = only(WebSocketRole::kClient, "\x89\x05Hello"s);
  EXPECT_EQ(event.kind, Kind::kPing);
  EXPECT_EQ(event.data, "Hello");
  event = only(WebSocketRole::kServer, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"s);
  EXPECT_EQ(event.kind, Kind::kPong);

  event = only(WebSocketRole::kClient, "\x82\x7e\x01\x00"s + std::string(256, 'x'));
  EXPECT_EQ(event.data.size(), 256u);
  EXPECT_FALSE(event.is_text);
  event = only(WebSocketRole::kClient,
               "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s + std::string(65536, 'x'));
  EXPECT_EQ(event.data.size(), 65536u);
}

TEST(WebSocketCodec, WritesTheExamplesOfTheRfc) {
  EXPECT_EQ(encode_frame(WebSocketRole::kServer, kOpcodeText, "Hello", 0), "\x81\x05Hello"s);
  EXPECT_EQ(encode_frame(WebSocketRole::kClient, kOpcodeText, "Hello", 0x37fa213d),
            "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"s);
  EXPECT_EQ(encode_frame(WebSocketRole::kServer, kOpcodeText, "Hel", 0, false), "\x01\x03Hel"s);
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_TRUE(is_valid_websocket_key("dGhlIHNhbXBsZSBub25jZQ=="));
  EXPECT_FALSE(is_valid_websocket_key("dGhlIHNhbXBsZSBub25jZQ="));
  EXPECT_TRUE(is_valid_websocket_key(websocket_key()));
}

TEST(WebSocketCodec, EverySizeSurvivesTheRoundTrip) {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 65'535U, 65'536U, 100'000U}) {
    std::string data;
    for (std::size_t i = 0; i < size; ++i) data.push_back(static_cast<char>(i * 7));
    const auto client = encode_frame(WebSocketRole::kClient, kOpcodeBinary, data, 0x01020304);
    EXPECT_EQ(only(WebSocketRole::kServer, client).data, data);
    const auto server = encode_frame(WebSocketRole::kServer, kOpcodeBinary, data, 0);
    EXPECT_EQ(only(WebSocketRole::kClient, server).data, data);
  }
}

TEST(WebSocketCodec, ControlFramesComeBetweenFragments) {
  const auto events =
      decode(WebSocketRole::kClient, "\x01\x03Hel\x89\x01p\x00\x00\x80\x02lo\x82\x01z"s, 1);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].kind, Kind::kPing);
  EXPECT_EQ(events[1].data, "Hello");
  EXPECT_EQ(events[2].data, "z");
}

CloseCode error_of(const std::string& bytes, WebSocketRole role = WebSocketRole::kClient) {
  for (const std::size_t piece : {std::size_t{1}, bytes.size()}) {
    const auto events = decode(role, bytes, piece, 1000);
    if (events.empty() || events.back().kind != Kind::kError) return CloseCode::kNormal;
    if (piece == bytes.size()) return events.back().close_code;
  }
  return CloseCode::kNormal;
}

TEST(WebSocketCodec, RefusesWhatTheRfcForbids) {
  const auto kProtocolError = CloseCode::kProtocolError;
  EXPECT_EQ(error_of("\xc1\x00"s), kProtocolError);                           // reserved bit
  EXPECT_EQ(error_of("\x83\x00"s), kProtocolError);                           // unknown opcode
  EXPECT_EQ(error_of("\x8b\x00"s), kProtocolError);                           // unknown control
  EXPECT_EQ(error_of("\x80\x00"s), kProtocolError);                           // nothing to continue
  EXPECT_EQ(error_of("\x01\x00\x81\x00"s), kProtocolError);                   // inside another
  EXPECT_EQ(error_of("\x09\x00"s), kProtocolError);                           // fragmented ping
  EXPECT_EQ(error_of("\x89\x7e\x00\x7e"s), kProtocolError);                   // long ping
  EXPECT_EQ(error_of("\x81\x85\x00\x00\x00\x00hello"s), kProtocolError);      // server masked
  EXPECT_EQ(error_of("\x81\x01x"s, WebSocketRole::kServer), kProtocolError);  // client did not
  EXPECT_EQ(error_of("\x82\x7e\x00\x7d"s), kProtocolError);                   // not the shortest
  EXPECT_EQ(error_of("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"s), kProtocolError);
  EXPECT_EQ(error_of("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"s), kProtocolError);
  EXPECT_EQ(error_of("\x82\x7e\x03\xe9"s), CloseCode::kTooBig);
  EXPECT_EQ(error_of("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"s), CloseCode::kTooBig);
  EXPECT_EQ(error_of("\x02\x7e\x03\xe8"s + std::string(1000, 'x') + "\x80\x01x"s),
            CloseCode::kTooBig);
}

TEST(WebSocketCodec, TextMustBeUtf8) {
  for (const std::string& good : {"\x00"s, "\x7f"s, "\xc2\x80"s, "\xe0\xa0\x80"s, "\xed\x9f\xbf"s,
                                  "\xee\x80\x80"s, "\xf0\x90\x80\x80"s, "\xf4\x8f\xbf\xbf"s}) {
    const auto frame = encode_frame(WebSocketRole::kServer, kOpcodeText, good, 0);
    EXPECT_EQ(only(WebSocketRole::kClient, frame).data, good);
  }
  for (const std::string& bad :
       {"\x80"s, "\xc0\x80"s, "\xc1\xbf"s, "\xe0\x9f\xbf"s, "\xed\xa0\x80"s, "\xf0\x8f\xbf\xbf"s,
        "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xff"s, "\xc2"s, "\xe2\x82"s, "\xc2x"s}) {
    const auto frame = encode_frame(WebSocketRole::kServer, kOpcodeText, bad, 0);
    EXPECT_EQ(error_of(frame), CloseCode::kInvalidText);
  }
  // A character torn between fragments is right; the bad byte is seen before the message ends.
  EXPECT_EQ(only(WebSocketRole::kClient, "\x01\x01\xc3\x80\x01\xa9"s).data, "\xc3\xa9");
  EXPECT_EQ(error_of("\x01\x01\xff"s), CloseCode::kInvalidText);
}

TEST(WebSocketCodec, ReadsCloseFrames) {
  auto event = only(WebSocketRole::kClient, "\x88\x00"s);
  EXPECT_EQ(event.kind, Kind::kClose);
  EXPECT_EQ(event.close_code, CloseCode::kNoStatus);
  event =
      only(WebSocketRole::kClient, encode_frame(WebSocketRole::kServer, kOpcodeClose,
                                                close_payload(CloseCode::kGoingAway, "bye"), 0));
  EXPECT_EQ(event.close_code, CloseCode::kGoingAway);
  EXPECT_EQ(event.data, "bye");
  EXPECT_EQ(error_of("\x88\x01x"s), CloseCode::kProtocolError);
  EXPECT_EQ(error_of("\x88\x02\x03\xed"s), CloseCode::kProtocolError);  // 1005
  EXPECT_EQ(error_of("\x88\x02\x00\x00"s), CloseCode::kProtocolError);
  EXPECT_EQ(error_of("\x88\x03\x03\xe8\xff"s), CloseCode::kInvalidText);
}

TEST(WebSocketCodec, ALongReasonIsCutBetweenCharacters) {
  std::string reason;
  for (int i = 0; i < 100; ++i) reason += "\xc3\xa9";
  const std::string payload = close_payload(CloseCode::kNormal, reason);
  EXPECT_EQ(payload.size(), 2u + 122u);
  Utf8Checker checker;
  EXPECT_TRUE(checker.feed(std::string_view(payload).substr(2)) && checker.is_complete());
}

}  // namespace
}  // namespace fallow::net
