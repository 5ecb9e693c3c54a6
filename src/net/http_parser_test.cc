#include "net/http_parser.h"

#include <gtest/gtest.h>

namespace fallow::net {
namespace {

using State = HttpParser::State;
using Role = HttpParser::Role;

// The status a request is refused with; 0 when it is not.
int status_of(std::string_view bytes) {
  HttpParser parser(Role::kServer, HttpLimits());
  return parser.feed(bytes) == State::kFailed ? parser.failure().status : 0;
}

int status_with_fields(const std::string& fields) {
  return status_of("POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
}

TEST(HttpParser, ReadsARequestWhereverItIsTorn) {
  const std::string bytes =
      "\r\nPOST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Y:  z \r\n\r\nhelloGET / ";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    HttpParser parser(Role::kServer, HttpLimits());
    parser.feed(std::string_view(bytes).substr(0, cut));
    parser.feed(std::string_view(bytes).substr(cut));
    ASSERT_EQ(parser.state(), State::kDone) << cut << parser.failure().message;
    const Request request = parser.take_request();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/a?b=c");
    EXPECT_EQ(*request.headers.find("x-y"), "z");
    EXPECT_EQ(request.content_length, 5u);
    EXPECT_TRUE(request.keep_alive);
    EXPECT_EQ(parser.take_body(), "hello");
    EXPECT_EQ(parser.next(), State::kHead);
    EXPECT_TRUE(parser.has_begun());
  }
}

TEST(HttpParser, ReadsChunksByteByByte) {
  const std::string bytes =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5;ext=\"v\"\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n";
  HttpParser parser(Role::kServer, HttpLimits());
  std::string body;
  for (const char c : bytes) {
    ASSERT_NE(parser.state(), State::kDone);
    parser.feed(std::string_view(&c, 1));
    body += parser.take_body();
    ASSERT_NE(parser.state(), State::kFailed) << parser.failure().message;
  }
  EXPECT_EQ(parser.state(), State::kDone);
  EXPECT_EQ(body, "hello!");
  EXPECT_EQ(parser.take_request().headers.find("Trailer"), nullptr);
}

// The last chunk arriving in single bytes trips an assertion in the library when fed as it comes.
TEST(HttpParser, AnEmptyChunkedBodyByteByByte) {
  HttpParser parser(Role::kServer, HttpLimits());
  parser.feed("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char c : std::string_view("0\r\n\r\n")) parser.feed(std::string_view(&c, 1));
  EXPECT_EQ(parser.state(), State::kDone);
}

TEST(HttpParser, RefusesWhatTwoPartiesCouldReadDifferently) {
  EXPECT_EQ(status_with_fields("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(status_with_fields("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400);
  EXPECT_EQ(status_with_fields("Content-Length: 3\r\nContent-Length: 4\r\n"), 400);
  EXPECT_EQ(status_with_fields("Content-Length: 3\r\nContent-Length: 3\r\n"), 400);
  EXPECT_EQ(status_with_fields("Content-Length: 3, 3\r\n"), 400);
  EXPECT_EQ(status_with_fields("Content-Length: +3\r\n"), 400);
  EXPECT_EQ(status_with_fields("Content-Length: -3\r\n"), 400);
  EXPECT_EQ(status_with_fields("Content-Length: 0x3\r\n"), 400);
  EXPECT_EQ(status_with_fields("Content-Length: 99999999999999999999\r\n"), 400);
  EXPECT_EQ(status_with_fields("Content-Length:\r\n"), 400);
  EXPECT_EQ(status_with_fields("X: a\r\n b\r\n"), 400);
  EXPECT_EQ(status_with_fields("X: a\r\n\tb\r\n"), 400);
  EXPECT_EQ(status_with_fields("X: a\nY: b\r\n"), 400);
  EXPECT_EQ(status_with_fields("X : a\r\n"), 400);
  EXPECT_EQ(status_with_fields(" X: a\r\n"), 400);
  EXPECT_EQ(status_with_fields("X\r\n"), 400);
  EXPECT_EQ(status_with_fields(": a\r\n"), 400);
  EXPECT_EQ(status_with_fields("X(): a\r\n"), 400);
  EXPECT_EQ(status_with_fields("X: a\rb\r\n"), 400);
  EXPECT_EQ(status_with_fields(std::string("X: a\0b\r\n", 8)), 400);
  EXPECT_EQ(status_with_fields("Transfer-Encoding: gzip\r\n"), 501);
  EXPECT_EQ(status_with_fields("Transfer-Encoding: gzip, chunked\r\n"), 501);
  EXPECT_EQ(status_with_fields("Transfer-Encoding: chunked, gzip\r\n"), 501);
  EXPECT_EQ(status_with_fields("Transfer-Encoding: xchunked\r\n"), 501);
  EXPECT_EQ(status_with_fields("Host: b\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(HttpParser, RefusesWithTheRightStatus) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status_of("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n"), 417);
  EXPECT_EQ(status_of("GET\r\n\r\n"), 400);
  EXPECT_EQ(status_of(std::string_view("\x16\x03\x01\x02\x00\x01\r\n\r\n", 10)), 400);
  EXPECT_EQ(status_of("GET /" + std::string(9'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"), 414);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(17'000, 'a')), 431);
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 101; ++i) many += "X: y\r\n";
  EXPECT_EQ(status_of(many + "\r\n"), 431);
}

TEST(HttpParser, RefusesBrokenChunks) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(status_of(head + "xyz\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "-1\r\nabc\r\n"), 400);
  EXPECT_EQ(status_of(head + "ffffffffffffffffff\r\nabc\r\n"), 400);
  EXPECT_EQ(status_of(head + "3\r\nabcdef\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "3 \x01\r\nabc\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "3;" + std::string(20'000, 'a')), 400);
  EXPECT_EQ(status_of(head + "0\r\nContent-Length: 5\r\n\r\n"), 400);
}

TEST(HttpParser, ReadsResponses) {
  HttpParser parser(Role::kClient, HttpLimits());
  EXPECT_EQ(parser.feed("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end"),
            State::kDone);
  EXPECT_EQ(parser.take_response_head().status, 204);
  EXPECT_EQ(parser.next(), State::kBody);
  EXPECT_EQ(parser.take_response_head().status, 200);
  EXPECT_EQ(parser.feed_end(), State::kDone);
  EXPECT_EQ(parser.take_body(), "until the end");
  EXPECT_FALSE(parser.keep_alive());
}

TEST(HttpParser, ACutResponseIsNotAWholeOne) {
  HttpParser counted(Role::kClient, HttpLimits());
  counted.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
  EXPECT_EQ(counted.feed_end(), State::kFailed);
  HttpParser chunked(Role::kClient, HttpLimits());
  chunked.feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n");
  EXPECT_EQ(chunked.feed_end(), State::kFailed);
}

TEST(HttpHeads, NoValueCanForgeAField) {
  const std::string head = write_response_head(200, {{"A\nX", "b\r\nSet-Cookie: c"}});
  EXPECT_EQ(head, "HTTP/1.1 200 OK\r\nA X: b  Set-Cookie: c\r\n\r\n");
  EXPECT_EQ(write_request_head("GET", "/a b\r\nX: y", {}),
            "GET /a%20b%0D%0AX:%20y HTTP/1.1\r\n\r\n");
}

TEST(HttpHeads, TokensAreFoundInLists) {
  const Headers headers{{"Connection", "keep-alive, Upgrade"}, {"connection", "x"}};
  EXPECT_TRUE(headers.has_token("Connection", "upgrade"));
  EXPECT_TRUE(headers.has_token("CONNECTION", "X"));
  EXPECT_FALSE(headers.has_token("Connection", "grade"));
}

}  // namespace
}  // namespace fallow::net
