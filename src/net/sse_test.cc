#include "net/sse.h"

#include <gtest/gtest.h>

#include <vector>

namespace fallow::net {
namespace {

std::vector<SseEvent> read(std::string_view bytes, std::size_t piece) {
  SseParser parser;
  std::vector<SseEvent> events;
  while (!bytes.empty()) {
    parser.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (auto event = parser.next(); event && *event; event = parser.next()) {
      events.push_back(**event);
    }
  }
  return events;
}

TEST(Sse, WhatIsWrittenIsReadBackWhereverItIsTorn) {
  const std::string bytes = format_sse({"log", "one\ntwo\r\n\nfour", "7"}) +
                            std::string(kSseKeepAlive) + format_sse({"", "", ""}) +
                            format_sse({"", "data: x", ""});
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const auto events = read(bytes, piece);
    ASSERT_EQ(events.size(), 3u) << piece;
    EXPECT_EQ(events[0].event, "log");
    EXPECT_EQ(events[0].data, "one\ntwo\n\nfour");
    EXPECT_EQ(events[0].id, "7");
    EXPECT_EQ(events[1].data, "");
    EXPECT_EQ(events[2].data, "data: x");
  }
}

TEST(Sse, ReadsEveryLineEndingAndIgnoresTheUnknown) {
  const auto events = read(
      "\xef\xbb\xbf: note\rdata:a\r\rid: 1\r\nretry: 5\r\nwhat: b\r\ndata\r\n\r\nevent: z\n\n"
      "data: unfinished",
      1);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].data, "a");
  EXPECT_EQ(events[1].data, "");
  EXPECT_EQ(events[1].id, "1");
}

TEST(Sse, AnIdNeedsNoEvent) {
  SseParser parser;
  parser.feed(format_sse_id("7\n8"));
  EXPECT_FALSE(*parser.next());
  EXPECT_EQ(parser.last_id(), "7 8");
  parser.feed(format_sse({"", "a", ""}) + format_sse({"", "b", "9"}));
  EXPECT_EQ((*parser.next())->data, "a");
  EXPECT_EQ(parser.last_id(), "7 8") << "what has not been given out yet is not behind us";
  EXPECT_EQ((*parser.next())->data, "b");
  EXPECT_EQ(parser.last_id(), "9");
}

TEST(Sse, AFieldCannotForgeAnother) {
  EXPECT_EQ(format_sse({"a\ndata: b", "c", "d\r\ne"}), "event: a data: b\nid: d  e\ndata: c\n\n");
}

TEST(Sse, AnEventWithoutEndIsRefused) {
  SseParser parser(100);
  parser.feed("data: " + std::string(60, 'x') + "\n");
  EXPECT_TRUE(parser.next());
  parser.feed("data: " + std::string(60, 'x') + "\n");
  const auto event = parser.next();
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace fallow::net
