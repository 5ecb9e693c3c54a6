// What the keeper of a job's ports says where there is no way in.
#include "cli/port_keeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "base/env.h"
#include "net/loopback_test_support.h"

namespace fallow::cli {
namespace {

TEST(PortKeeper, SaysOnceOnStderrWhyThereIsNoWayIn) {
  std::atomic<int> asked = 0;
  const net::LoopbackServer market([&asked](net::Exchange& exchange) -> net::Task<void> {
    const std::string& path = exchange.request().target;
    net::Response response;
    if (path.find("/tunnel") != std::string::npos) {
      ++asked;
      response.status = 409;
      response.body = R"({"status": 409, "code": "not_running", "detail": "not yet"})";
    } else if (path.find("/tasks") != std::string::npos) {
      response.body = R"({"tasks": [{"state": "LEASED", "lease": "7"}]})";
    } else {
      response.body = R"({"id": "7", "state": "RUNNING"})";
    }
    co_await exchange.respond(std::move(response));
  });
  const auto random = system_random();
  Context context;
  context.json = true;
  context.random = random.get();
  context.url = "http://127.0.0.1:" + std::to_string(market.server->port());
  auto ports = LocalPorts::listen({"8888:0"}, "127.0.0.1");
  ASSERT_TRUE(ports) << ports.error().message;

  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  {
    const PortKeeper keeper(context, context.connect(), 1, std::move(*ports));
    EXPECT_TRUE(net::eventually([&asked] { return asked >= 3; }));
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "") << "it is the command's";
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "fallow: not yet\n");
}

}  // namespace
}  // namespace fallow::cli
