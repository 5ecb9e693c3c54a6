// One message to one receiver: where it may lead, and for how long it may last.
#include "server/webhook_sender.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>

#include "net/name_lookups.h"
#include "net/timer.h"
#include "server/webhook_receiver_test.h"

namespace fallow::server {
namespace {

WebhookMessage message() { return {"msg_1_2_3", "v1,signature", 17, "{}"}; }

class WebhookSenderTest : public testing::Test {
 protected:
  WebhookAnswer send(const std::string& url, WebhookTimes times = {}) {
    WebhookSender sender(targets_, nullptr, {}, url, times);
    return net::block_on(pool_.executor(0), sender.send(message()));
  }

  net::IoPool pool_{1};
  WebhookTargets targets_ = WebhookTargets::of({"127.0.0.0/8"}).value();
};

TEST_F(WebhookSenderTest, SendsTheHeadersThatReceiversVerify) {
  const Receiver receiver(204);
  const WebhookAnswer answer = send(receiver.url());
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.trouble, "");
  const Receiver::Sent sent = receiver.sent().at(0);
  EXPECT_EQ(sent.body, "{}");
  EXPECT_EQ(sent.header("webhook-id"), "msg_1_2_3");
  EXPECT_EQ(sent.header("webhook-timestamp"), "17");
  EXPECT_EQ(sent.header("webhook-signature"), "v1,signature");
  EXPECT_EQ(sent.header("Content-Type"), "application/json");
}

TEST_F(WebhookSenderTest, EverythingButSuccessIsTrouble) {
  EXPECT_EQ(send(Receiver(500).url()).trouble, "it answered 500");
  EXPECT_EQ(send(Receiver(410).url()).status, 410);
  const WebhookAnswer busy = send(Receiver(503, {{"Retry-After", "120"}}).url());
  EXPECT_EQ(busy.wait, seconds(120));
  EXPECT_EQ(send(Receiver(429, {{"Retry-After", "999999999"}}).url()).wait, hours(1));
  EXPECT_EQ(send(Receiver(429, {{"Retry-After", "Fri, 31 Dec 1999"}}).url()).wait, std::nullopt);
  std::string closed;
  {
    const Receiver gone(200);
    closed = gone.url();
  }
  const WebhookAnswer nobody = send(closed);
  EXPECT_EQ(nobody.status, 0);
  EXPECT_NE(nobody.trouble, "");
}

// Of an answer only its status is kept: nothing that stands inside gets out.
TEST_F(WebhookSenderTest, FollowsNoRedirectAndTellsNothingOfTheAnswer) {
  const Receiver inside(200);
  const Receiver outside(302, {{"Location", inside.url()}});
  const WebhookAnswer answer = send(outside.url());
  EXPECT_EQ(answer.status, 302);
  EXPECT_EQ(answer.trouble.find("stands"), answer.trouble.npos);
  EXPECT_EQ(outside.sent().size(), 1U);
  EXPECT_TRUE(inside.sent().empty());
}

TEST_F(WebhookSenderTest, OnlyThePublicInternetAndWhatTheOperatorAllows) {
  const Receiver receiver(200);
  targets_ = WebhookTargets();
  for (const std::string& host :
       {std::string("127.0.0.1"), std::string("2130706433"), std::string("127.1")}) {
    const WebhookAnswer answer = send(receiver.url(host));
    EXPECT_EQ(answer.status, 0) << host;
    EXPECT_NE(answer.trouble, "") << host;
  }
  // Names are judged by what they lead to, in the moment when they are used.
  targets_ = WebhookTargets::of({"10.0.0.0/8"}).value();
  for (const char* host : {"2130706433", "127.1"}) {
    const WebhookAnswer answer = send(receiver.url(host));
    EXPECT_NE(answer.trouble.find("at no address that may be reached"), answer.trouble.npos)
        << host << ": " << answer.trouble;
  }
  EXPECT_TRUE(receiver.sent().empty());
  targets_ = WebhookTargets::of({"127.0.0.1"}).value();
  EXPECT_EQ(send(receiver.url("127.1")).status, 200);
}

// One thread sends for all. A name that nobody answers for is its own account's affair, and what
// is found out about another is judged as ever.
TEST_F(WebhookSenderTest, ANameWithoutAnAnswerHoldsNobodyElseUp) {
  const Receiver receiver(200);
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  net::NameLookups names(
      {}, [released](const std::string& host) -> Result<std::vector<std::string>> {
        if (host == "slow.test") released.wait();
        // The first may not be reached: the second is connected to.
        if (host == "mixed.test") return std::vector<std::string>{"10.0.0.1", "127.0.0.1"};
        return std::vector<std::string>{host == "inside.test" ? "10.0.0.1" : "127.0.0.1"};
      });
  const WebhookTimes brief{milliseconds(100), seconds(5), seconds(5)};
  const auto send_by = [&](std::uint64_t account, const std::string& host, WebhookTimes times) {
    WebhookSender sender(targets_, nullptr, names.of(account), receiver.url(host), times);
    return net::block_on(pool_.executor(0), sender.send(message()));
  };
  const WebhookAnswer late = send_by(1, "slow.test", brief);
  EXPECT_EQ(late.status, 0);
  EXPECT_NE(late.trouble.find("slow.test could not be looked up in time"), late.trouble.npos)
      << late.trouble;
  EXPECT_EQ(names.counts().written_off, 1U);
  EXPECT_EQ(send_by(2, "quick.test", {}).status, 200);
  EXPECT_EQ(send_by(2, "mixed.test", {}).status, 200);
  const WebhookAnswer inside = send_by(2, "inside.test", {});
  EXPECT_NE(inside.trouble.find("at no address that may be reached"), inside.trouble.npos)
      << inside.trouble;
  EXPECT_EQ(receiver.sent().size(), 2U);
  release.set_value();
  for (int i = 0; i < 2'000 && names.counts().running > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(names.counts().running, 0U);
}

TEST_F(WebhookSenderTest, WhatCanNeverBeSentIsSaidAtOnce) {
  const WebhookTargets nowhere;
  for (const char* url :
       {"https://10.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://[::1]/",
        "https://[fe80::1]/", "https://[::ffff:127.0.0.1]/", "https://[fd00::1]/",
        "https://0.0.0.0/", "http://example.org/", "https://user:secret@example.org/",
        "ftp://example.org/", "", "nonsense"}) {
    EXPECT_NE(nowhere.why_not(url), std::nullopt) << url;
  }
  EXPECT_EQ(nowhere.why_not("https://example.org:8443/in?a=1"), std::nullopt);
  EXPECT_EQ(nowhere.why_not("https://8.8.8.8/"), std::nullopt);
  EXPECT_EQ(targets_.why_not("http://127.0.0.1:80/"), std::nullopt);
  // What is allowed without TLS is what was named, not all the internet.
  EXPECT_FALSE(targets_.allows("8.8.8.8", false));
  EXPECT_TRUE(targets_.allows("8.8.8.8", true));
  EXPECT_EQ(WebhookTargets::of({"::1"}).error().code, ErrorCode::kInvalid);
}

TEST_F(WebhookSenderTest, ASlowReceiverIsLeft) {
  const WebhookTimes brief{seconds(1), milliseconds(200), milliseconds(400)};
  {
    std::atomic<bool> let_go = false;
    const Receiver silent([&let_go](net::Exchange&) -> net::Task<void> {
      while (!let_go) co_await net::sleep_for(milliseconds(10));
    });
    EXPECT_NE(send(silent.url(), brief).trouble, "");
    let_go = true;
  }
  // One that sends its answer drop by drop has said what counts with the head.
  const Receiver trickling([](net::Exchange& exchange) -> net::Task<void> {
    const Status begun = co_await exchange.start_sse();
    for (int i = 0; begun && i < 200; ++i) {
      const Status written = co_await exchange.write(":\n");
      if (!written) co_return;
      co_await net::sleep_for(milliseconds(100));
    }
  });
  // On a machine that is busy the head alone may take longer than that: then with more patience.
  WebhookTimes times = brief;
  WebhookAnswer answer;
  std::chrono::steady_clock::duration took{};
  while (answer.status == 0 && times.answer < seconds(4)) {
    const auto start = std::chrono::steady_clock::now();
    answer = send(trickling.url(), times);
    took = std::chrono::steady_clock::now() - start;
    times = {times.connect, times.answer + times.answer, times.total + times.total};
  }
  EXPECT_EQ(answer.status, 200) << answer.trouble;
  EXPECT_LT(took, std::chrono::seconds(10));
}

}  // namespace
}  // namespace fallow::server
