#include "net/websocket.h"

#include <atomic>
#include <vector>

#include "net/dial.h"
#include "net/loopback_test_support.h"
#include "net/timer.h"

namespace fallow::net {
namespace {

using namespace std::string_literals;

HttpHandler echo_with(WebSocketOptions options) {
  return [options](Exchange& exchange) -> Task<void> {
    const auto socket = co_await exchange.upgrade(options);
    if (!socket) co_return;
    for (;;) {
      auto message = co_await (*socket)->receive();
      if (!message) co_return;
      const Status sent = co_await (*socket)->send(message->data, message->is_text);
      if (!sent) co_return;
    }
  };
}

Task<Result<std::shared_ptr<WebSocket>>> open(const LoopbackServer& loopback,
                                              WebSocketOptions options = {}) {
  const auto client = loopback.client_options();
  return connect_websocket(client.url, client.tls, Headers(), options, seconds(20));
}

// Runs a client's coroutine on the server's own pool and waits for it.
template <class Function>
void run_client(LoopbackServer& loopback, Function function) {
  auto task = [](Function inner) -> Task<bool> {
    co_await inner();
    co_return true;
  };
  EXPECT_TRUE(block_on(loopback.pool.executor(1), task(std::move(function))));
}

class WebSocketTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(PlainAndTls, WebSocketTest, testing::Bool(), plain_or_tls);

TEST_P(WebSocketTest, EchoesMessagesOfEverySizeInOrder) {
  LoopbackServer loopback(echo_with({}), GetParam());
  run_client(loopback, [&]() -> Task<void> {
    const auto socket = co_await open(loopback);
    EXPECT_TRUE(socket);
    if (!socket) co_return;
    for (const std::size_t size : {0U, 1U, 125U, 126U, 65'535U, 65'536U, 900'000U}) {
      const std::string data(size, static_cast<char>('a' + size % 26));
      const Status sent = co_await (*socket)->send(data, size % 2 == 0);
      EXPECT_TRUE(sent);
      const auto back = co_await (*socket)->receive();
      EXPECT_TRUE(back);
      if (!back) co_return;
      EXPECT_TRUE(back->data == data);
      EXPECT_EQ(back->is_text, size % 2 == 0);
    }
    for (int i = 0; i < 100; ++i) EXPECT_TRUE((*socket)->try_send(std::to_string(i)));
    for (int i = 0; i < 100; ++i) {
      const auto back = co_await (*socket)->receive();
      EXPECT_TRUE(back && back->data == std::to_string(i));
    }
    (*socket)->close(CloseCode::kNormal, "bye");
    const auto end = co_await (*socket)->receive();
    EXPECT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::kClosed);
    EXPECT_EQ((*socket)->close_code(), CloseCode::kNormal);
    EXPECT_FALSE((*socket)->try_send("too late"));
  });
  EXPECT_TRUE(eventually([&] { return loopback.server->connection_count() == 0; }));
}

TEST_P(WebSocketTest, TrySendFromManyThreadsLosesNothing) {
  constexpr int kThreads = 4;
  constexpr int kMessages = 500;
  LoopbackServer loopback(echo_with({}), GetParam());
  run_client(loopback, [&]() -> Task<void> {
    auto opened = co_await open(loopback);
    EXPECT_TRUE(opened);
    if (!opened) co_return;
    const std::shared_ptr<WebSocket> socket = *opened;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([socket] {
        for (int i = 0; i < kMessages; ++i) {
          while (!socket->try_send("x")) std::this_thread::yield();
        }
      });
    }
    for (int i = 0; i < kThreads * kMessages; ++i) {
      const auto back = co_await socket->receive();
      EXPECT_TRUE(back);
      if (!back) break;
    }
    for (auto& thread : threads) thread.join();
    socket->cancel();
  });
}

TEST(WebSocket, AFullQueueSaysSo) {
  std::atomic<int> queued{0};
  std::atomic<bool> refused{false};
  WebSocketOptions options;
  options.send_queue_messages_max = 8;
  LoopbackServer loopback([&](Exchange& exchange) -> Task<void> {
    const auto socket = co_await exchange.upgrade(options);
    if (!socket) co_return;
    const std::string data(500'000, 'x');
    for (int i = 0; i < 1000 && !refused; ++i) {
      if ((*socket)->try_send(data))
        ++queued;
      else
        refused = true;
    }
    (*socket)->cancel();
  });
  RawClient client(loopback.server->port());
  client.send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return refused.load(); }));
  EXPECT_EQ(queued, 8);
}

// What the server's answers are after a handshake and these client frames.
std::string raw_talk(std::uint16_t port, const std::string& frames) {
  RawClient client(port);
  client.send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
      frames);
  std::string answer = client.read_until("\r\n\r\n");
  EXPECT_NE(answer.find("HTTP/1.1 101 "), std::string::npos);
  EXPECT_NE(answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            std::string::npos);
  answer.erase(0, answer.find("\r\n\r\n") + 4);
  return answer + client.read_all();
}

std::string masked(std::uint8_t opcode, std::string_view payload, bool is_final = true) {
  return encode_frame(WebSocketRole::kClient, opcode, payload, 0x12345678, is_final);
}

TEST(WebSocket, AnswersFragmentsPingsAndCloses) {
  LoopbackServer loopback(echo_with({}));
  const std::string frames = masked(kOpcodeText, "Hel", false) + masked(kOpcodePing, "p") +
                             masked(kOpcodeContinuation, "lo") +
                             masked(kOpcodeClose, close_payload(CloseCode::kGoingAway, "x"));
  EXPECT_EQ(raw_talk(loopback.server->port(), frames), "\x8a\x01p\x81\x05Hello\x88\x02\x03\xe9"s);
}

TEST(WebSocket, AnswersBrokenProtocolWithTheRightCode) {
  WebSocketOptions options;
  options.message_bytes_max = 100;
  LoopbackServer loopback(echo_with(options));
  const auto code_of = [&](const std::string& frames) {
    const std::string answer = raw_talk(loopback.server->port(), frames);
    if (answer.size() < 4 || answer[0] != '\x88') return 0;
    return static_cast<unsigned char>(answer[2]) << 8 | static_cast<unsigned char>(answer[3]);
  };
  EXPECT_EQ(code_of("\x81\x05Hello"s), 1002);
  EXPECT_EQ(code_of(masked(kOpcodeText, "\xff")), 1007);
  EXPECT_EQ(code_of(masked(kOpcodeBinary, std::string(101, 'x'))), 1009);
  EXPECT_EQ(code_of(masked(kOpcodeBinary, std::string(60, 'x'), false) +
                    masked(kOpcodeContinuation, std::string(60, 'x'))),
            1009);
  EXPECT_EQ(code_of(masked(kOpcodeBinary, std::string(5'000'000, 'x'))), 1009);
  EXPECT_TRUE(eventually([&] { return loopback.server->connection_count() == 0; }));
}

TEST(WebSocket, ImproperHandshakesAreRefused) {
  LoopbackServer loopback(echo_with({}));
  const auto status = [&](const std::string& fields) {
    RawClient client(loopback.server->port());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
    return client.read_until("\r\n\r\n").substr(9, 3);
  };
  EXPECT_EQ(status(""), "426");
  const std::string upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  EXPECT_EQ(status(upgrade), "426");
  EXPECT_EQ(status(upgrade + "Sec-WebSocket-Version: 8\r\n"), "426");
  EXPECT_EQ(status(upgrade + "Sec-WebSocket-Version: 13\r\n"), "400");
  EXPECT_EQ(status(upgrade + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n"), "400");
}

TEST(WebSocket, AServerThatRefusesIsQuoted) {
  LoopbackServer loopback([](Exchange& exchange) -> Task<void> {
    co_await exchange.respond_problem(401, "who are you?");
  });
  run_client(loopback, [&]() -> Task<void> {
    const auto socket = co_await open(loopback);
    EXPECT_FALSE(socket);
    EXPECT_EQ(socket.error().code, ErrorCode::kDenied);
    EXPECT_NE(socket.error().message.find("who are you?"), std::string::npos);
  });
}

TEST(WebSocket, ASilentPeerIsPingedThenGivenUp) {
  std::atomic<int> timed_out{0};
  WebSocketOptions options;
  options.ping_interval = milliseconds(50);
  options.pong_timeout = milliseconds(50);
  LoopbackServer loopback([&](Exchange& exchange) -> Task<void> {
    const auto socket = co_await exchange.upgrade(options);
    if (!socket) co_return;
    const auto message = co_await (*socket)->receive();
    if (!message && message.error().code == ErrorCode::kTimedOut) ++timed_out;
  });
  EXPECT_EQ(raw_talk(loopback.server->port(), ""), "\x89\x00"s);
  EXPECT_TRUE(eventually([&] { return timed_out == 1; }));
}

TEST(WebSocket, APeerThatAnswersPingsStays) {
  WebSocketOptions options;
  options.ping_interval = milliseconds(20);
  options.pong_timeout = milliseconds(2000);
  LoopbackServer loopback(echo_with(options));
  run_client(loopback, [&]() -> Task<void> {
    const auto socket = co_await open(loopback);
    EXPECT_TRUE(socket);
    if (!socket) co_return;
    auto listen = [](std::shared_ptr<WebSocket> open_socket) -> Task<void> {
      const auto message = co_await open_socket->receive();
      EXPECT_TRUE(message && message->data == "still here");
      open_socket->cancel();
    };
    auto speak = [](std::shared_ptr<WebSocket> open_socket) -> Task<void> {
      co_await sleep_for(milliseconds(300));
      EXPECT_TRUE(open_socket->try_send("still here"));
    };
    spawn((*socket)->executor(), speak(*socket));
    co_await listen(*socket);
  });
}

TEST(WebSocket, TheShutdownOfTheServerIsAnnounced) {
  LoopbackServer loopback(echo_with({}), true);
  IoPool clients(1);
  auto talk = [](const LoopbackServer& server) -> Task<CloseCode> {
    const auto socket = co_await open(server);
    if (!socket) co_return CloseCode::kNormal;
    (void)(*socket)->try_send("hello");
    (void)co_await (*socket)->receive();
    (void)co_await (*socket)->receive();
    co_return (*socket)->close_code();
  };
  CloseCode code = CloseCode::kNormal;
  std::thread client([&] { code = block_on(clients.executor(0), talk(loopback)); });
  EXPECT_TRUE(eventually([&] { return loopback.server->connection_count() == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(loopback.server->stop(seconds(5)));
  client.join();
  EXPECT_EQ(code, CloseCode::kGoingAway);
}

TEST(WebSocket, ACloseThatIsNotAnsweredEndsAllTheSame) {
  WebSocketOptions options;
  options.close_timeout = milliseconds(50);
  std::atomic<bool> ended{false};
  LoopbackServer loopback([&](Exchange& exchange) -> Task<void> {
    const auto socket = co_await exchange.upgrade(options);
    if (!socket) co_return;
    (*socket)->close(CloseCode::kNormal, "done");
    (void)co_await (*socket)->receive();
    ended = true;
  });
  EXPECT_EQ(raw_talk(loopback.server->port(), ""),
            "\x88\x06\x03\xe8"
            "done"s);
  EXPECT_TRUE(eventually([&] { return ended.load(); }));
}

// The peer says goodbye and reads nothing: receive() finishes while a sender still waits for room.
TEST(WebSocket, AWaitingSenderHearsOfTheEnd) {
  WebSocketOptions options;
  options.close_timeout = milliseconds(100);
  options.send_queue_messages_max = 2;
  std::atomic<bool> received{false};
  std::atomic<bool> sent{false};
  auto send_on = [](std::shared_ptr<WebSocket> socket, std::atomic<bool>& ended) -> Task<void> {
    const std::string data(1'000'000, 'x');
    for (;;) {
      const Status queued = co_await socket->send(data);
      if (!queued) break;
    }
    ended = true;
  };
  LoopbackServer loopback([&](Exchange& exchange) -> Task<void> {
    const auto socket = co_await exchange.upgrade(options);
    if (!socket) co_return;
    spawn((*socket)->executor(), send_on(*socket, sent));
    co_await sleep_for(milliseconds(300));  // until the queue is full, and the sender waits
    (void)co_await (*socket)->receive();
    received = true;
  });
  RawClient client(loopback.server->port());
  client.send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
      masked(kOpcodeClose, close_payload(CloseCode::kNormal, "")));
  EXPECT_TRUE(eventually([&] { return received.load(); }));
  EXPECT_TRUE(eventually([&] { return sent.load(); }));
}

TEST(WebSocket, FiveHundredIdleTlsConnectionsAnswerAndEnd) {
  constexpr std::size_t kSockets = 500;
  // Nobody receives while the sockets are opened, which a slow machine may take long over: no
  // pings.
  WebSocketOptions options;
  options.ping_interval = minutes(30);
  LoopbackServer loopback(echo_with(options), true);
  std::vector<std::shared_ptr<WebSocket>> sockets;
  run_client(loopback, [&]() -> Task<void> {
    for (std::size_t i = 0; i < kSockets; ++i) {
      const auto socket = co_await open(loopback, options);
      EXPECT_TRUE(socket);
      if (!socket) co_return;
      sockets.push_back(*socket);
    }
  });
  EXPECT_EQ(loopback.server->connection_count(), kSockets);
  run_client(loopback, [&]() -> Task<void> {
    for (const auto& socket : sockets) EXPECT_TRUE(socket->try_send("ping"));
    for (const auto& socket : sockets) {
      const auto back = co_await socket->receive();
      EXPECT_TRUE(back && back->data == "ping");
    }
  });
  sockets.clear();
  EXPECT_TRUE(eventually([&] { return loopback.server->connection_count() == 0; }));
}

}  // namespace
}  // namespace fallow::net
