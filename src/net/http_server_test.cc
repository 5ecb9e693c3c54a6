#include "net/http_server.h"

#include <sys/resource.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include "net/loopback_test_support.h"

namespace fallow::net {
namespace {

constexpr std::size_t kBodyBytesMax = 1000;

// Answers "METHOD path body" and offers one path for every way to answer.
Task<void> echo(Exchange& exchange) {
  const std::string& path = exchange.request().parts.path;
  if (path == "/throw") throw std::runtime_error("on purpose");
  if (path == "/silent") co_return;
  if (path == "/unread") {
    Response response;
    response.body = "not looked at";
    co_await exchange.respond(std::move(response));
    co_return;
  }
  if (path == "/stream") {
    const Status started = co_await exchange.start(200, Headers(), std::nullopt);
    for (int i = 0; started && i < 3; ++i) co_await exchange.write("part");
    if (started) co_await exchange.finish();
    co_return;
  }
  if (path == "/short") {
    co_await exchange.start(200, Headers(), 10);
    co_await exchange.write("part");
    co_await exchange.finish();
    co_return;
  }
  const auto body = co_await exchange.read_body(kBodyBytesMax);
  if (!body) co_return;
  Response response;
  response.headers.add("Content-Type", "text/plain");
  response.body = exchange.request().method + " " + path + " " + *body;
  co_await exchange.respond(std::move(response));
}

std::string exchange_raw(std::uint16_t port, const std::string& bytes) {
  RawClient client(port);
  client.send(bytes);
  return client.read_all();
}

class HttpServerTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(PlainAndTls, HttpServerTest, testing::Bool(), plain_or_tls);

TEST_P(HttpServerTest, AnswersOverOneKeptConnection) {
  LoopbackServer loopback(echo, GetParam());
  BlockingHttpClient client(loopback.client_options());
  for (int i = 0; i < 20; ++i) {
    const auto response = client.post("/a%20b", "text/plain", std::to_string(i));
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "POST /a b " + std::to_string(i));
    EXPECT_EQ(loopback.server->connection_count(), 1u);
  }
}

TEST_P(HttpServerTest, BodiesBeyondTheMaximumAre413) {
  LoopbackServer loopback(echo, GetParam());
  BlockingHttpClient client(loopback.client_options());
  const auto exact = client.post("/", "text/plain", std::string(kBodyBytesMax, 'x'));
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->status, 200);
  const auto over = client.post("/", "text/plain", std::string(kBodyBytesMax + 1, 'x'));
  ASSERT_TRUE(over) << over.error().message;
  EXPECT_EQ(over->status, 413);
  const auto far_over = client.post("/", "text/plain", std::string(8'000'000, 'x'));
  ASSERT_TRUE(far_over) << far_over.error().message;
  EXPECT_EQ(far_over->status, 413);
  EXPECT_EQ(*far_over->headers.find("Content-Type"), "application/problem+json");
}

TEST_P(HttpServerTest, StreamsAndTellsAnUnfinishedAnswer) {
  LoopbackServer loopback(echo, GetParam());
  BlockingHttpClient client(loopback.client_options());
  EXPECT_EQ(client.get("/stream")->body, "partpartpart");
  const auto broken = client.get("/short");
  ASSERT_FALSE(broken);
  EXPECT_EQ(client.get("/stream")->body, "partpartpart");
}

TEST_P(HttpServerTest, AHandlerThatFailsIs500) {
  std::atomic<int> lines{0};
  HttpServerOptions options;
  options.log = [&](const std::string&) { ++lines; };
  LoopbackServer loopback(echo, GetParam(), options);
  BlockingHttpClient client(loopback.client_options());
  EXPECT_EQ(client.get("/throw")->status, 500);
  EXPECT_EQ(client.get("/silent")->status, 500);
  EXPECT_EQ(client.get("/fine")->status, 200);
  EXPECT_EQ(lines, 1);
}

TEST(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  LoopbackServer loopback(echo);
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes += fmt::format("POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", i);
  }
  bytes += "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const std::string answers = exchange_raw(loopback.server->port(), bytes);
  std::size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    at = answers.find(fmt::format("POST /{} x", i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_NE(answers.find("GET /last ", at), std::string::npos);
}

TEST(HttpServer, HeadHasNoBody) {
  LoopbackServer loopback(echo);
  const std::string answer = exchange_raw(
      loopback.server->port(), "HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 8\r\n"), std::string::npos);
  EXPECT_NE(answer.find("Date: "), std::string::npos);
  EXPECT_EQ(answer.substr(answer.size() - 4), "\r\n\r\n");
  BlockingHttpClient client(loopback.client_options());
  for (const char* target : {"/x", "/stream"}) {
    ClientRequest request;
    request.method = "HEAD";
    request.target = target;
    const auto response = client.send(request);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "");
  }
}

TEST(HttpServer, RefusesWithTheRightStatusAndCloses) {
  LoopbackServer loopback(echo);
  const auto status = [&](const std::string& bytes) {
    return exchange_raw(loopback.server->port(), bytes).substr(0, 12);
  };
  EXPECT_EQ(status("nonsense\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("GET /.. HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), "HTTP/1.1 505");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"),
            "HTTP/1.1 400");
  EXPECT_EQ(status("GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 200");
}

TEST(HttpServer, ATenMegabyteHeaderIs431) {
  LoopbackServer loopback(echo);
  const std::string answer =
      exchange_raw(loopback.server->port(),
                   "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(10'000'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 431");
  EXPECT_TRUE(eventually([&] { return loopback.server->connection_count() == 0; }));
}

TEST(HttpServer, OneHundredContinueOnlyWhenTheBodyIsWanted) {
  LoopbackServer loopback(echo);
  const std::string head =
      " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\nExpect: "
      "100-continue\r\n\r\n";
  RawClient wanted(loopback.server->port());
  wanted.send("POST /x" + head);
  EXPECT_EQ(wanted.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  wanted.send("ok");
  EXPECT_NE(wanted.read_all().find("POST /x ok"), std::string::npos);
  RawClient unwanted(loopback.server->port());
  unwanted.send("POST /unread" + head);
  EXPECT_EQ(unwanted.read_until("not looked at").substr(0, 12), "HTTP/1.1 200");
}

TEST(HttpServer, AnUnreadBodyDoesNotSpoilTheNextRequest) {
  LoopbackServer loopback(echo);
  const std::string answers =
      exchange_raw(loopback.server->port(),
                   "POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nGET /fake "
                   "HTTP/1.1\r\nHost:a\r\n\r"
                   "GET /real HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answers.find("not looked at"), std::string::npos);
  EXPECT_EQ(answers.find("/fake"), std::string::npos);
}

TEST(HttpServer, SlowClientsAreCutOff) {
  HttpServerOptions options;
  options.header_timeout = milliseconds(200);
  options.idle_timeout = milliseconds(200);
  options.pace.grace = milliseconds(200);
  options.pace.stall_max = milliseconds(200);
  LoopbackServer loopback(echo, false, options);
  const std::uint16_t port = loopback.server->port();
  EXPECT_EQ(exchange_raw(port, ""), "");
  EXPECT_EQ(exchange_raw(port, "GET / HT").substr(0, 12), "HTTP/1.1 408");
  EXPECT_EQ(exchange_raw(port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
                .substr(0, 12),
            "HTTP/1.1 408");
  EXPECT_TRUE(eventually([&] { return loopback.server->connection_count() == 0; }));
}

TEST(HttpServer, ATrickleIsCutOffThoughItNeverStalls) {
  HttpServerOptions options;
  options.pace.grace = milliseconds(300);
  options.pace.bytes_per_second_min = 10'000;
  LoopbackServer loopback(echo, false, options);
  RawClient client(loopback.server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n");
  std::atomic<bool> done{false};
  std::thread trickle([&] {
    for (int i = 0; i < 500 && !done && client.send("x"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  const std::string answer = client.read_until("\r\n\r\n");
  done = true;
  trickle.join();
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 408");
}

TEST(HttpServer, AClientThatDoesNotReadIsCutOff) {
  HttpServerOptions options;
  options.pace.grace = milliseconds(200);
  options.pace.stall_max = milliseconds(200);
  std::atomic<bool> failed{false};
  LoopbackServer loopback(
      [&](Exchange& exchange) -> Task<void> {
        Response response;
        response.body.assign(50'000'000, 'x');
        const Status sent = co_await exchange.respond(std::move(response));
        failed = !sent && sent.error().code == ErrorCode::kTimedOut;
      },
      false, options);
  RawClient client(loopback.server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return failed.load(); }));
}

TEST(HttpServer, ATlsHandshakeThatStallsIsCutOff) {
  HttpServerOptions options;
  options.handshake_timeout = milliseconds(100);
  LoopbackServer loopback(echo, true, options);
  RawClient silent(loopback.server->port());
  EXPECT_EQ(silent.read_all(), "");
  RawClient wrong(loopback.server->port());
  wrong.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(wrong.read_all().find("HTTP"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return loopback.server->connection_count() == 0; }));
}

TEST(HttpServer, ConnectionsBeyondTheMaximumAreTurnedAway) {
  HttpServerOptions options;
  options.connections_max = 2;
  LoopbackServer loopback(echo, false, options);
  RawClient one(loopback.server->port());
  RawClient two(loopback.server->port());
  ASSERT_TRUE(eventually([&] { return loopback.server->connection_count() == 2; }));
  RawClient three(loopback.server->port());
  EXPECT_EQ(three.read_all().substr(0, 12), "HTTP/1.1 503");
  one.close();
  ASSERT_TRUE(eventually([&] { return loopback.server->connection_count() == 1; }));
  BlockingHttpClient client(loopback.client_options());
  EXPECT_EQ(client.get("/")->status, 200);
}

TEST(HttpServer, RunningOutOfDescriptorsNeitherSpinsNorKillsTheListener) {
  std::atomic<int> lines{0};
  HttpServerOptions options;
  options.log = [&](const std::string&) { ++lines; };
  LoopbackServer loopback(echo, false, options);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  RawClient probe(loopback.server->port());
  probe.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(probe.read_until("GET /").empty());
  const int next_fd = ::dup(0);
  ASSERT_GE(next_fd, 0);
  ::close(next_fd);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next_fd) + 1;  // one more: the client's own
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  RawClient starved(loopback.server->port());
  starved.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return lines > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(350));
  EXPECT_EQ(lines, 1);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_NE(starved.read_until("GET /late").find("200 OK"), std::string::npos);
}

TEST(HttpServer, APortInUseIsAClearError) {
  LoopbackServer loopback(echo);
  HttpServerOptions options;
  options.port = loopback.server->port();
  const auto second = HttpServer::start(loopback.pool, options, echo);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(std::to_string(options.port)), std::string::npos);
}

TEST_P(HttpServerTest, ServerSentEventsFlowAndADisconnectIsNoticed) {
  std::atomic<int> gone{0};
  LoopbackServer loopback(
      [&](Exchange& exchange) -> Task<void> {
        const Notifier notifier(exchange.executor());
        const Status started = co_await exchange.start_sse();
        const std::string event = format_sse({"tick", "1\n2", "9"});
        if (started) co_await exchange.write(event);
        const auto wake = co_await exchange.wait(notifier, seconds(20));
        if (wake == Exchange::Wake::kPeerGone) ++gone;
      },
      GetParam());
  BlockingHttpClient client(loopback.client_options());
  SseParser parser;
  SseEvent seen;
  ClientRequest request;
  request.sink = [&](std::string_view bytes) -> Status {
    parser.feed(bytes);
    const auto event = parser.next();
    if (!event || !*event) return {};
    seen = **event;
    return fail(ErrorCode::kClosed, "seen enough");
  };
  const auto ended = client.send(request);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().message, "seen enough");
  EXPECT_EQ(seen.data, "1\n2");
  EXPECT_TRUE(eventually([&] { return gone == 1; }));
}

}  // namespace
}  // namespace fallow::net
