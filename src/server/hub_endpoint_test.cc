#include "server/hub_endpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <string>
#include <thread>

namespace fallow::server {
namespace {

TEST(HubEndpoint, WhenItIsStoppedNoCheckRunsAnyMore) {
  std::string folder = (std::filesystem::temp_directory_path() / "endpoint-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  auto logs = LogStore::open(folder);
  ASSERT_TRUE(logs);
  auto telemetry = TelemetryStore::open(folder + "/telemetry.db");
  ASSERT_TRUE(telemetry);
  const auto clock = system_clock();
  const auto random = seeded_random(1);
  HubEndpoint endpoint(**logs, **telemetry, *clock, *random);
  std::promise<void> begun;
  std::promise<void> go_on;
  std::atomic<bool> first_done = false;
  std::atomic<bool> second_ran = false;
  ASSERT_TRUE(endpoint.work([&] {
    begun.set_value();
    go_on.get_future().wait();
    first_done = true;
  }));
  begun.get_future().wait();
  ASSERT_TRUE(endpoint.work([&] { second_ran = true; }));
  std::thread releaser([&] {
    // Not before it is being stopped, which is when it takes no more.
    while (endpoint.work([] {})) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    go_on.set_value();
  });
  endpoint.stop();
  EXPECT_TRUE(first_done) << "what runs is waited for";
  EXPECT_FALSE(endpoint.work([&] { second_ran = true; }));
  endpoint.stop();
  releaser.join();
  EXPECT_FALSE(second_ran) << "what waits is dropped";
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fallow::server
