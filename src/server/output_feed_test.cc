// What workloads write, as the API gives it out.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "server/log_store.h"
#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

// The node's last words may come behind the report of the end: who asks then gets them, too.
TEST(OutputFeed, OfWhatHasJustEndedTheEndIsWaitedFor) {
  LoopbackMarket market;
  const People people(market);
  const std::string node = market.add_node(people.provider, "0.20");
  const Reply order = market.post("/v1/orders", people.renter,
                                  R"({"requirements": {}, "workload": {"command": ["true"]}})");
  ASSERT_EQ(order.status, 200) << order.body;
  const std::string lease = order.at("tasks.0.lease");
  market.report(node, lease, v1::RUNNING, 1'000);
  const auto words = [&] {
    return market.follow("/v1/leases/" + lease + "/logs", people.renter, 9);
  };
  EXPECT_EQ(words().size(), 1U) << "it runs, and has said nothing yet";
  market.report(node, lease, v1::ENDED, 0);
  std::thread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    for (const v1::LogStream stream : {v1::STDOUT, v1::STDERR}) {
      v1::LogChunk chunk;
      chunk.set_lease(std::stoull(lease));
      chunk.set_stream(stream);
      chunk.set_data("last words\n");
      chunk.set_last(true);
      (*LogStore::open(market.folder() + "/output"))->append(chunk);
    }
  });
  const auto events = words();
  late.join();
  ASSERT_EQ(events.size(), 3U);
  EXPECT_NE(events[0].data.find("bGFzdCB3b3Jkcwo="), std::string::npos) << events[0].data;
  EXPECT_EQ(events[2].event, "end");
}

// Words without a line break are a line once it is known that nothing follows them.
TEST(OutputFeed, TheEndIsToldOfWhatHasSpoken) {
  LoopbackMarket market;
  const People people(market);
  const std::string node = market.add_node(people.provider, "0.20");
  const Reply order = market.post("/v1/orders", people.renter,
                                  R"({"requirements": {}, "workload": {"command": ["true"]}})");
  ASSERT_EQ(order.status, 200) << order.body;
  const std::string lease = order.at("tasks.0.lease");
  const auto say = [&](v1::LogStream stream, std::uint64_t offset, const char* data, bool last) {
    v1::LogChunk chunk;
    chunk.set_lease(std::stoull(lease));
    chunk.set_stream(stream);
    chunk.set_offset(offset);
    chunk.set_data(data);
    chunk.set_last(last);
    (*LogStore::open(market.folder() + "/output"))->append(chunk);
  };
  market.report(node, lease, v1::RUNNING, 1'000);
  say(v1::STDOUT, 0, "42", false);
  market.report(node, lease, v1::ENDED, 0);
  const std::string path = "/v1/leases/" + lease + "/logs";
  const auto words = market.follow(path, people.renter, 1);
  ASSERT_EQ(words.size(), 1U);
  EXPECT_NE(words[0].data.find(R"("data":"NDI=")"), std::string::npos) << words[0].data;
  EXPECT_EQ(words[0].data.find(R"("last":true)"), std::string::npos) << words[0].data;
  say(v1::STDOUT, 2, "", true);
  say(v1::STDERR, 0, "", true);  // which has said nothing
  const auto rest = market.follow(path, people.renter, 9, {{"Last-Event-ID", words[0].id}});
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_NE(rest[0].data.find(R"("offset":"2")"), std::string::npos) << rest[0].data;
  EXPECT_NE(rest[0].data.find(R"("last":true)"), std::string::npos) << rest[0].data;
  EXPECT_EQ(rest[1].event, "end");
}

}  // namespace
}  // namespace fallow::server
