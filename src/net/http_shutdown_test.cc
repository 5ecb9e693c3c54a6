// How a server ends: what is in flight, what is idle, what outstays its welcome.
#include <atomic>
#include <mutex>
#include <optional>

#include "net/http_server.h"
#include "net/loopback_test_support.h"
#include "net/timer.h"

namespace fallow::net {
namespace {

class HttpShutdownTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(PlainAndTls, HttpShutdownTest, testing::Bool(), plain_or_tls);

TEST(HttpShutdown, AStreamIsWokenByAnotherThreadAndByTheShutdown) {
  std::mutex mutex;
  std::optional<Notifier> shared;
  std::atomic<bool> told{false};
  LoopbackServer loopback([&](Exchange& exchange) -> Task<void> {
    const Notifier notifier(exchange.executor());
    {
      const std::lock_guard lock(mutex);
      shared = notifier;
    }
    const Status started = co_await exchange.start_sse();
    while (started) {
      const auto wake = co_await exchange.wait(notifier, seconds(30));
      if (wake == Exchange::Wake::kStopping) break;
      co_await exchange.write("data: woken\n\n");
    }
    told = true;
    co_await exchange.finish();
  });
  RawClient client(loopback.server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  client.read_until("event-stream");
  {
    const std::lock_guard lock(mutex);
    shared->notify();
  }
  EXPECT_NE(client.read_until("woken").find("woken"), std::string::npos);
  EXPECT_TRUE(loopback.server->stop(seconds(5)));
  EXPECT_TRUE(told);
  EXPECT_NE(client.read_all().find("0\r\n\r\n"), std::string::npos);
}

TEST_P(HttpShutdownTest, AShutdownFinishesWhatIsInFlightAndEndsTheIdle) {
  std::atomic<bool> entered{false};
  LoopbackServer loopback(
      [&](Exchange& exchange) -> Task<void> {
        if (exchange.request().parts.path == "/slow") {
          entered = true;
          co_await sleep_for(milliseconds(300));
        }
        Response response;
        response.body = "done";
        co_await exchange.respond(std::move(response));
      },
      GetParam());
  BlockingHttpClient idle(loopback.client_options());
  EXPECT_EQ(idle.get("/")->body, "done");
  BlockingHttpClient busy(loopback.client_options());
  Result<Response> answer = Response();
  std::thread asking([&] { answer = busy.get("/slow"); });
  EXPECT_TRUE(eventually([&] { return entered.load(); }));
  EXPECT_TRUE(loopback.server->stop(seconds(5)));
  asking.join();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "done");
  const auto late = idle.get("/");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kUnreachable);
}

TEST(HttpShutdown, AShutdownCutsOffWhatOutstaysItsGrace) {
  LoopbackServer loopback(
      [](Exchange& exchange) -> Task<void> { (void)co_await exchange.read_body(1000); });
  RawClient client(loopback.server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return loopback.server->connection_count() == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(loopback.server->stop(milliseconds(100)));
  EXPECT_EQ(loopback.server->connection_count(), 0u);
}

TEST(HttpShutdown, CoroutinesLeftWaitingAreFreedWithThePool) {
  auto pool = std::make_unique<IoPool>(2);
  for (std::size_t i = 0; i < 4; ++i) {
    auto wait_for_ever = [](Notifier notifier, std::shared_ptr<int> held) -> Task<void> {
      co_await notifier.wait(kForever);
      ++*held;
    };
    const Executor executor = pool->next();
    spawn(executor, wait_for_ever(Notifier(executor), std::make_shared<int>(0)));
  }
  pool.reset();
}

}  // namespace
}  // namespace fallow::net
