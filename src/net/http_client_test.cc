#include "net/http_client.h"

#include <atomic>
#include <vector>

#include "net/dial.h"
#include "net/loopback_test_support.h"
#include "net/notifier.h"

namespace fallow::net {
namespace {

class HttpClientTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(PlainAndTls, HttpClientTest, testing::Bool(), plain_or_tls);

Task<void> answer_ok(Exchange& exchange) {
  Response response;
  response.body = "ok";
  co_await exchange.respond(std::move(response));
}

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 256);
  return bytes;
}

TEST_P(HttpClientTest, BigBodiesGoBothWaysPieceByPiece) {
  std::string uploaded;
  const std::string artifact = pattern(5'000'000);
  LoopbackServer loopback(
      [&](Exchange& exchange) -> Task<void> {
        if (exchange.request().method == "PUT") {
          for (;;) {
            const auto piece = co_await exchange.read_body_some();
            if (!piece) co_return;
            if (piece->empty()) break;
            uploaded += *piece;
          }
          Response created;
          created.status = 201;
          co_await exchange.respond(std::move(created));
          co_return;
        }
        Status sent = co_await exchange.start(200, Headers(), artifact.size());
        for (std::size_t at = 0; sent && at < artifact.size(); at += 100'000) {
          sent = co_await exchange.write(std::string_view(artifact).substr(at, 100'000));
        }
        if (sent) co_await exchange.finish();
      },
      GetParam());
  BlockingHttpClient client(loopback.client_options());

  std::size_t read = 0;
  ClientRequest upload;
  upload.method = "PUT";
  upload.source_bytes = artifact.size();
  upload.source = [&](std::span<char> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min(buffer.size(), artifact.size() - read);
    std::copy_n(artifact.begin() + static_cast<std::ptrdiff_t>(read), count, buffer.begin());
    read += count;
    return count;
  };
  const auto stored = client.send(upload);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->status, 201);
  EXPECT_TRUE(uploaded == artifact);

  std::string downloaded;
  std::optional<int> head_status;
  ClientRequest download;
  download.on_head = [&](const Response& head) -> Status {
    head_status = head.status;
    return {};
  };
  download.sink = [&](std::string_view bytes) -> Status {
    downloaded += bytes;
    return {};
  };
  const auto loaded = client.send(download);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(head_status, 200);
  EXPECT_TRUE(downloaded == artifact);
  EXPECT_EQ(loopback.server->connection_count(), 1u);

  ClientRequest bounded;
  bounded.body_bytes_max = 1000;
  const auto too_large = client.send(bounded);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, ErrorCode::kTooLarge);
}

TEST(HttpClient, AnUploadThatIsRefusedGetsTheReason) {
  LoopbackServer loopback([](Exchange& exchange) -> Task<void> {
    co_await exchange.respond_problem(403, "not for you");
  });
  BlockingHttpClient client(loopback.client_options());
  ClientRequest upload;
  upload.method = "PUT";
  upload.source_bytes = 50'000'000;
  upload.source = [](std::span<char> buffer) -> Result<std::size_t> { return buffer.size(); };
  const auto response = client.send(upload);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 403);
}

TEST(HttpClient, ASourceThatFailsEndsTheUploadWithItsError) {
  LoopbackServer loopback(
      [](Exchange& exchange) -> Task<void> { (void)co_await exchange.read_body(1000); });
  BlockingHttpClient client(loopback.client_options());
  ClientRequest upload;
  upload.method = "PUT";
  upload.source_bytes = 10;
  upload.source = [](std::span<char>) -> Result<std::size_t> {
    return fail(ErrorCode::kNotFound, "the file is gone");
  };
  const auto response = client.send(upload);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, "the file is gone");
}

TEST(HttpClient, ReconnectsWhenTheServerClosedTheKeptConnection) {
  HttpServerOptions options;
  options.idle_timeout = milliseconds(50);
  LoopbackServer loopback(answer_ok, false, options);
  BlockingHttpClient client(loopback.client_options());
  for (int i = 0; i < 3; ++i) {
    const auto response = client.post("/", "text/plain", "x");
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_TRUE(eventually([&] { return loopback.server->connection_count() == 0; }));
  }
}

TEST(HttpClient, SaysWhomItCouldNotReachAndWhy) {
  HttpClientOptions options;
  {
    const LoopbackServer gone([](Exchange&) -> Task<void> { co_return; });
    options.url = gone.url();
  }
  BlockingHttpClient client(options);
  const auto refused = client.get("/");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnreachable);
  EXPECT_NE(refused.error().message.find(options.url.authority()), std::string::npos);
  EXPECT_NE(refused.error().message.find("refused"), std::string::npos);

  options.url.host = "no-such-host.invalid";
  BlockingHttpClient lost(options);
  const auto unknown = lost.get("/");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kUnreachable);
  EXPECT_NE(unknown.error().message.find("no-such-host.invalid"), std::string::npos);
}

TEST(HttpClient, AnotherCertificateIsDenied) {
  LoopbackServer loopback(answer_ok, true);
  HttpClientOptions options = loopback.client_options();
  Digest other = test_tls_server()->fingerprint();
  other[0] ^= 1;
  options.tls = TlsClient::pinned(other).value();
  BlockingHttpClient pinned(options);
  const auto mismatch = pinned.get("/");
  ASSERT_FALSE(mismatch);
  EXPECT_EQ(mismatch.error().code, ErrorCode::kDenied);
  EXPECT_NE(mismatch.error().message.find(to_hex(test_tls_server()->fingerprint())),
            std::string::npos);

  options.tls = TlsClient::system_trust().value();
  BlockingHttpClient trusting(options);
  const auto untrusted = trusting.get("/");
  ASSERT_FALSE(untrusted);
  EXPECT_EQ(untrusted.error().code, ErrorCode::kDenied);

  options.tls = nullptr;
  BlockingHttpClient careless(options);
  EXPECT_EQ(careless.get("/").error().code, ErrorCode::kInvalid);
}

TEST(HttpClient, TlsAgainstAPlainPortFailsCleanly) {
  // What it takes for a header that does not end.
  HttpServerOptions impatient;
  impatient.header_timeout = milliseconds(200);
  LoopbackServer loopback([](Exchange&) -> Task<void> { co_return; }, false, impatient);
  HttpClientOptions options = loopback.client_options();
  options.url.is_tls = true;
  options.tls = test_tls_client();
  BlockingHttpClient client(options);
  const auto response = client.get("/");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnreachable);
}

TEST(HttpClient, ASilentServerTimesOut) {
  std::optional<OneShot<int>> never;
  LoopbackServer loopback([&](Exchange& exchange) -> Task<void> {
    const OneShot<int> answer(exchange.executor());
    (void)co_await answer.wait(milliseconds(400));
  });
  BlockingHttpClient client(loopback.client_options());
  ClientRequest request;
  request.response_timeout = milliseconds(100);
  const auto response = client.send(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kTimedOut);
}

TEST(HttpClient, CancelEndsARequestFromAnotherThread) {
  LoopbackServer loopback([](Exchange& exchange) -> Task<void> {
    const Notifier notifier(exchange.executor());
    const Status started = co_await exchange.start_sse();
    if (started) co_await exchange.wait(notifier, seconds(30));
  });
  BlockingHttpClient client(loopback.client_options());
  std::atomic<bool> begun{false};
  ClientRequest request;
  request.on_head = [&](const Response&) -> Status {
    begun = true;
    return {};
  };
  request.sink = [](std::string_view) -> Status { return {}; };
  std::thread canceller([&] {
    EXPECT_TRUE(eventually([&] { return begun.load(); }));
    client.cancel();
  });
  const auto response = client.send(request);
  canceller.join();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kClosed) << response.error().message;
}

TEST(HttpClient, WhatIsCancelledWhileItConnectsIsNotSent) {
  std::atomic<int> requests = 0;
  LoopbackServer server([&requests](Exchange& exchange) -> Task<void> {
    ++requests;
    co_await answer_ok(exchange);
  });
  bool cancels = true;
  BlockingHttpClient* cancelled = nullptr;
  HttpClientOptions options = server.client_options();
  options.allowed = [&](std::string_view) {
    if (cancels) cancelled->cancel();
    return true;
  };
  BlockingHttpClient client(std::move(options));
  cancelled = &client;
  const auto ended = client.get("/");
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kClosed) << ended.error().message;
  // It was of that request alone.
  cancels = false;
  EXPECT_EQ(client.get("/")->body, "ok");
  EXPECT_EQ(requests.load(), 1);
}

// A task may begin long after send() was called: on another thread, whenever that has time.
TEST(HttpClient, WhatIsCancelledBeforeItsTaskBeginsIsNotSent) {
  std::atomic<int> requests = 0;
  LoopbackServer server([&requests](Exchange& exchange) -> Task<void> {
    ++requests;
    co_await answer_ok(exchange);
  });
  IoPool pool(1);
  HttpClient client(server.client_options());
  // Without a connection, then with a kept one.
  for (int round = 0; round < 2; ++round) {
    Task<Result<Response>> task = client.send(ClientRequest());
    client.cancel();
    const auto ended = block_on(pool.executor(0), std::move(task));
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, ErrorCode::kClosed) << ended.error().message;
    EXPECT_EQ(requests.load(), round);
    EXPECT_EQ(block_on(pool.executor(0), client.send(ClientRequest()))->body, "ok");
  }
  pool.stop();
}

TEST(OneShot, ReachesACoroutineFromAnotherThread) {
  IoPool pool(1);
  for (int i = 0; i < 200; ++i) {
    const OneShot<int> answer(pool.executor(0));
    std::thread setter([&] { answer.set(i); });
    const auto got = block_on(pool.executor(0), answer.wait(seconds(10)));
    setter.join();
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, i);
  }
  const OneShot<int> never(pool.executor(0));
  EXPECT_EQ(block_on(pool.executor(0), never.wait(milliseconds(10))).error().code,
            ErrorCode::kTimedOut);
}

// The rule is asked of addresses, and what it does not let pass is not connected to.
TEST(HttpClient, OnlyAllowedAddressesAreConnectedTo) {
  std::atomic<int> requests = 0;
  LoopbackServer server([&requests](Exchange& exchange) -> Task<void> {
    ++requests;
    co_await answer_ok(exchange);
  });
  // The second is no address: what it leads to is asked of the system, as of any name.
  for (const char* host : {"127.0.0.1", "127.1"}) {
    std::vector<std::string> asked;
    HttpClientOptions options = server.client_options();
    options.url.host = host;
    bool allowed = false;
    options.allowed = [&](std::string_view address) {
      asked.emplace_back(address);
      return allowed && address == "127.0.0.1";
    };
    BlockingHttpClient client(std::move(options));
    const auto refused = client.get("/");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kDenied) << refused.error().message;
    EXPECT_EQ(requests.load(), host == std::string_view("127.1") ? 1 : 0);
    EXPECT_FALSE(asked.empty());
    allowed = true;
    EXPECT_EQ(client.get("/")->body, "ok");
  }
  EXPECT_EQ(requests.load(), 2);
}

}  // namespace
}  // namespace fallow::net
