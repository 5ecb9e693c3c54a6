// What the server keeps of its artifacts, end to end: by whom they are named, and for how long.
#include "server/artifact_sweeper.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "artifacts/manifest.h"
#include "artifacts/test_store.h"
#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

ServerOptions sweeping_often() {
  ServerOptions options;
  options.retention.interval = milliseconds(20);
  return options;
}

class Sweeping {
 public:
  explicit Sweeping(ServerOptions options = sweeping_often())
      : market(std::move(options)), people(market) {}

  // A stored folder of one file.
  std::string folder(const std::string& bytes, const std::string& path = "data") {
    const std::string file = put(bytes);
    artifacts::File listed{path, false, bytes.size(), *digest_from_hex(file)};
    return put(artifacts::Manifest::make({listed}, {}).value().text());
  }
  std::string checkpoint(const std::string& bytes) { return folder(bytes, "state/00000000"); }
  std::string put(const std::string& bytes) {
    const std::string digest = to_hex(digest_of(bytes));
    const Reply reply = market.send("PUT", "/v1/artifacts/" + digest, people.renter, bytes,
                                    {{"Content-Type", "application/octet-stream"}});
    EXPECT_EQ(reply.status, 201) << reply.body;
    return digest;
  }
  bool has(const std::string& digest) {
    const int status = market.get("/v1/artifacts/" + digest, people.renter).status;
    EXPECT_TRUE(status == 200 || status == 404) << status;
    return status == 200;
  }
  // Everything was stored in 1970.
  void age() {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(market.folder() + "/artifacts")) {
      if (entry.is_regular_file()) artifacts::set_long_ago(entry.path());
    }
  }
  double metric(const std::string& name) {
    const std::string text = market.get("/metrics", market.operator_key()).body;
    const std::size_t at = text.find("\n" + name + " ");
    EXPECT_NE(at, text.npos) << name;
    return at == text.npos ? 0 : std::stod(text.substr(at + name.size() + 2));
  }
  // A sweep has begun and ended since.
  void wait_for_sweep() {
    const double before = metric("fallow_artifact_sweeps");
    for (int i = 0; i < 1'000 && metric("fallow_artifact_sweeps") < before + 2; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_GE(metric("fallow_artifact_sweeps"), before + 2);
  }
  // An order for the input; it waits for its node.
  Reply submit(const std::string& manifest) {
    return market.post("/v1/orders", people.renter,
                       fmt::format(R"({{"requirements": {{}}, "budget": "1", "input_manifest": "{}",
                                        "workload": {{"command": ["true"]}}}})",
                                   manifest));
  }

  LoopbackMarket market;
  People people;
};

TEST(ArtifactSweeper, KeepsTheInputOfAnOpenOrderOnly) {
  Sweeping sweeping;
  sweeping.market.add_node(sweeping.people.provider, "0.20");
  const std::string used = sweeping.folder("used");
  const std::string unused = sweeping.folder("unused");
  const Reply order = sweeping.submit(used);
  ASSERT_EQ(order.status, 200) << order.body;
  sweeping.age();
  sweeping.wait_for_sweep();
  EXPECT_TRUE(sweeping.has(used) && sweeping.has(to_hex(digest_of("used"))));
  EXPECT_FALSE(sweeping.has(unused) || sweeping.has(to_hex(digest_of("unused"))));
  EXPECT_EQ(sweeping.metric("fallow_artifacts_swept"), 2);
  EXPECT_EQ(sweeping.metric("fallow_artifact_sweep_failures"), 0);
  EXPECT_EQ(sweeping.metric("fallow_artifact_bytes_max"), std::uint64_t{100} << 30);

  const Reply gone = sweeping.submit(unused);
  EXPECT_EQ(gone.status, 422);
  EXPECT_EQ(gone.at("code"), "input_missing") << gone.body;
}

TEST(ArtifactSweeper, KeepsOutputsForATimeAfterTheJobsEnd) {
  for (const bool is_kept : {true, false}) {
    ServerOptions options = sweeping_often();
    if (!is_kept) options.retention.outputs = Duration(0);
    Sweeping sweeping(std::move(options));
    const std::string node = sweeping.market.add_node(sweeping.people.provider, "0.20");
    const std::string input = sweeping.folder("the input");
    const std::string output = sweeping.folder("the output");
    const Reply order = sweeping.submit(input);
    ASSERT_EQ(order.status, 200) << order.body;
    v1::Command ended;
    ended.mutable_observe()->set_node(std::stoull(node));
    v1::WorkloadReport& report = *ended.mutable_observe()->add_workloads();
    report.set_lease(std::stoull(order.at("tasks.0.lease")));
    report.set_state(v1::ENDED);
    report.set_reason(v1::EXIT_CODE);
    report.set_exit_code(1);
    report.set_output_manifest(to_bytes(*digest_from_hex(output)));
    ASSERT_TRUE(sweeping.market.server().engine().execute(ended));
    const Reply now = sweeping.market.get("/v1/orders/" + order.at("id"), sweeping.people.renter);
    ASSERT_EQ(now.at("state"), "ORDER_FAILED") << now.body;
    sweeping.age();
    sweeping.wait_for_sweep();
    EXPECT_FALSE(sweeping.has(input));
    EXPECT_EQ(sweeping.has(output), is_kept);
    EXPECT_EQ(sweeping.has(to_hex(digest_of("the output"))), is_kept);
  }
}

TEST(ArtifactSweeper, KeepsTheLastCheckpointAndLetsGoOfTheFormer) {
  ServerOptions options = sweeping_often();
  options.retention.superseded = Duration(0);
  Sweeping sweeping(std::move(options));
  const std::string node = sweeping.market.add_node(sweeping.people.provider, "0.20");
  const Reply order = sweeping.submit(sweeping.folder("the input"));
  ASSERT_EQ(order.status, 200) << order.body;
  const auto report = [&](const std::string& manifest, std::uint32_t sequence,
                          v1::EndReason reason) {
    v1::Command command;
    command.mutable_observe()->set_node(std::stoull(node));
    v1::WorkloadReport& one = *command.mutable_observe()->add_workloads();
    one.set_lease(std::stoull(order.at("tasks.0.lease")));
    one.set_state(reason == v1::END_REASON_UNSPECIFIED ? v1::RUNNING : v1::ENDED);
    one.set_reason(reason);
    one.mutable_checkpoint()->set_manifest(to_bytes(*digest_from_hex(manifest)));
    one.mutable_checkpoint()->set_sequence(sequence);
    ASSERT_TRUE(sweeping.market.server().engine().execute(command));
  };
  const std::string first = sweeping.checkpoint("the first checkpoint");
  report(first, 1, v1::END_REASON_UNSPECIFIED);
  const std::string second = sweeping.checkpoint("the second checkpoint");
  report(second, 2, v1::END_REASON_UNSPECIFIED);
  const auto has = [&](const std::string& manifest, const std::string& content) {
    return sweeping.has(manifest) && sweeping.has(to_hex(digest_of(content)));
  };
  sweeping.wait_for_sweep();
  // Only once it is the lease's may it be old: a sweep takes what is old and nobody's.
  sweeping.age();
  sweeping.wait_for_sweep();
  EXPECT_TRUE(has(second, "the second checkpoint"));
  EXPECT_FALSE(sweeping.has(first) || sweeping.has(to_hex(digest_of("the first checkpoint"))));
  const Reply seen =
      sweeping.market.get("/v1/leases/" + order.at("tasks.0.lease"), sweeping.people.renter);
  EXPECT_EQ(seen.at("checkpoint_manifest"), second) << seen.body;
  EXPECT_EQ(seen.at("checkpoints"), "2") << seen.body;
  // What is replaced goes without being old, too.
  const std::string third = sweeping.checkpoint("the third checkpoint");
  report(third, 3, v1::END_REASON_UNSPECIFIED);
  sweeping.wait_for_sweep();
  EXPECT_FALSE(sweeping.has(second));
  EXPECT_TRUE(has(third, "the third checkpoint"));
  // Nobody goes on from it.
  report(third, 3, v1::COMPLETED);
  sweeping.age();
  sweeping.wait_for_sweep();
  EXPECT_FALSE(sweeping.has(third));
}

TEST(ArtifactSweeper, WhoAsksKeepsItFromTheNextSweeps) {
  ServerOptions options = sweeping_often();
  options.retention.interval = milliseconds(500);
  Sweeping sweeping(std::move(options));
  std::string content;
  std::string manifest;
  std::string other;
  int status = 404;
  // The next sweep comes half a second after one: behind the question, unless the machine is busy.
  for (int i = 0; i < 20 && status == 404; ++i) {
    content = fmt::format("asked for {}", i);
    manifest = sweeping.folder(content);
    other = sweeping.folder("not " + content);
    sweeping.wait_for_sweep();
    sweeping.age();
    status =
        sweeping.market.send("HEAD", "/v1/artifacts/" + manifest, sweeping.people.renter, {}, {})
            .status;
  }
  EXPECT_EQ(status, 200);
  sweeping.wait_for_sweep();
  EXPECT_TRUE(sweeping.has(manifest) && sweeping.has(to_hex(digest_of(content))));
  EXPECT_FALSE(sweeping.has(other));
}

TEST(ArtifactSweeper, AFullStoreKeepsUnnamedThingsForAShorterTime) {
  ServerOptions options = sweeping_often();
  options.artifacts.bytes_max = 1'000;
  options.retention.artifacts_when_full = Duration(1);
  Sweeping sweeping(std::move(options));
  const std::string half = sweeping.put(std::string(500, 'h'));
  sweeping.wait_for_sweep();
  EXPECT_TRUE(sweeping.has(half));
  sweeping.put(std::string(450, 'f'));
  sweeping.wait_for_sweep();
  EXPECT_FALSE(sweeping.has(half));
  EXPECT_LE(sweeping.metric("fallow_artifact_bytes"), 900);
}

// The first files of a long upload are swept before the last one is there.
TEST(ArtifactSweeper, AnOrderNeedsEveryFileOfItsInput) {
  ServerOptions options = sweeping_often();
  options.retention.interval = hours(1);
  Sweeping sweeping(std::move(options));
  sweeping.market.add_node(sweeping.people.provider, "0.20");
  const std::string manifest = sweeping.folder("the only file");
  const Digest file = digest_of("the only file");
  const std::string hex = to_hex(file);
  const std::string path = fmt::format("{}/artifacts/blobs/{}/{}/{}", sweeping.market.folder(),
                                       hex.substr(0, 2), hex.substr(2, 2), hex);
  sweeping.age();
  ASSERT_TRUE(std::filesystem::remove(path));
  const Reply lacking = sweeping.submit(manifest);
  EXPECT_EQ(lacking.status, 422);
  EXPECT_EQ(lacking.at("code"), "input_missing") << lacking.body;
  EXPECT_NE(lacking.at("detail").find("the file data"), std::string::npos) << lacking.body;

  ASSERT_EQ(sweeping.put("the only file"), hex);
  sweeping.age();
  struct stat before {};
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  ASSERT_EQ(before.st_mtim.tv_sec, 1'000);
  EXPECT_EQ(sweeping.submit(manifest).status, 200);
  struct stat after {};
  ASSERT_EQ(stat(path.c_str(), &after), 0);
  EXPECT_GT(after.st_mtim.tv_sec, 1'000) << "it counts as stored now";
}

TEST(ArtifactSweeper, GivesUpUploadsWithoutAPiece) {
  Sweeping sweeping;
  const std::string path = "/v1/artifacts/" + to_hex(digest_of("never to be whole"));
  const net::Headers begin{{"Upload-Length", "17"}};
  EXPECT_EQ(sweeping.market.send("POST", path, sweeping.people.renter, {}, begin).status, 201);
  EXPECT_EQ(sweeping.metric("fallow_artifact_uploads"), 1);
  sweeping.wait_for_sweep();
  EXPECT_EQ(sweeping.metric("fallow_artifact_uploads"), 1);
  sweeping.age();
  sweeping.wait_for_sweep();
  EXPECT_EQ(sweeping.metric("fallow_artifact_uploads"), 0);
  EXPECT_EQ(sweeping.metric("fallow_artifact_uploads_swept"), 1);
}

}  // namespace
}  // namespace fallow::server
