// What the tests of whole agents share: a hub by hand, a store of one file, an agent on a folder of
// its own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "agent/agent.h"
#include "agent/owner_file.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/meter_bytes.h"
#include "runtime/launch_file.h"
#include "runtime/processes.h"
#include "runtime/sandbox_runtime.h"
#include "runtime/supervisor.h"

namespace fallow::runtime {

using agent::Agent;
using agent::AgentEnd;
using agent::HubLink;
using agent::HubLinkEvents;

// A hub that answers within the call, as a very quick server would.
class Hub final : public HubLink {
 public:
  void open(HubLinkEvents events) override {
    const std::lock_guard lock(mutex_);
    events_ = std::move(events);
    if (unreachable_) {
      events_.closed(Error{ErrorCode::kUnreachable, "nobody there"});
      return;
    }
    open_ = true;
    events_.opened();
    v1::HubMessage challenge;
    challenge.mutable_challenge()->set_nonce(std::string(32, 'n'));
    events_.received(challenge.SerializeAsString());
  }
  Status send(std::string bytes) override {
    const std::lock_guard lock(mutex_);
    if (!open_) return fail(ErrorCode::kClosed, "not open");
    v1::AgentMessage message;
    EXPECT_TRUE(message.ParseFromString(bytes));
    v1::HubMessage answer;
    if (message.has_hello()) {
      auto& welcome = *answer.mutable_welcome();
      welcome.set_session_token("token");
      welcome.set_heartbeat_us(milliseconds(200).value);
      auto& policy = *welcome.mutable_policy();
      policy.set_meter_interval_us(milliseconds(100).value);
      policy.set_suspend_after_us(seconds(3).value);
      policy.set_close_after_us(seconds(6).value);
      policy.set_stop_grace_us(seconds(1).value);
      policy.set_owner_notice_us(milliseconds(300).value);
      events_.received(answer.SerializeAsString());
      tell_desired();
      return {};
    }
    if (message.has_log_chunk()) {
      const v1::LogChunk& chunk = message.log_chunk();
      std::string& log = logs_[{chunk.lease(), chunk.stream()}];
      EXPECT_LE(chunk.offset(), log.size());
      log.replace(chunk.offset(), chunk.data().size(), chunk.data());
      auto& ack = *answer.mutable_log_ack();
      ack.set_lease(chunk.lease());
      ack.set_stream(chunk.stream());
      ack.set_offset(log.size());
      changed_.notify_all();
    } else if (message.has_secret_ask()) {
      asks_[message.secret_ask().lease()] = message.secret_ask();
      changed_.notify_all();
      return {};
    } else {
      for (const v1::WorkloadReport& report : message.observed().workloads()) {
        reports_[report.lease()] = report;
        for (const v1::MeterRecord& meter : report.meters()) {
          auto& known = meters_[report.lease()];
          const auto [place, is_new] = known.emplace(meter.sequence(), meter.SerializeAsString());
          EXPECT_TRUE(is_new || place->second == meter.SerializeAsString())
              << "reissued with another content";
        }
      }
      answer.mutable_observed_ack()->set_sequence(message.observed().sequence());
      changed_.notify_all();
    }
    events_.received(answer.SerializeAsString());
    return {};
  }
  void close() override {
    const std::lock_guard lock(mutex_);
    if (!open_) return;
    open_ = false;
    events_.closed(Error{ErrorCode::kClosed, "closed"});
  }

  void desire(std::vector<v1::DesiredLease> leases) {
    const std::lock_guard lock(mutex_);
    desired_.set_revision(desired_.revision() + 1);
    desired_.clear_leases();
    for (const auto& one : leases) *desired_.add_leases() = one;
    if (open_) tell_desired();
  }
  void set_unreachable(bool unreachable) {
    const std::lock_guard lock(mutex_);
    unreachable_ = unreachable;
  }
  v1::WorkloadReport wait_for(std::uint64_t lease, v1::LeaseState state) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30),
                                  [&] { return reports_[lease].state() == state; }))
        << "state " << reports_[lease].state();
    return reports_[lease];
  }
  // Until the workload has written this to its output.
  void wait_for_words(std::uint64_t lease, std::string_view words) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [&] {
      return logs_[{lease, v1::STDOUT}].find(words) != std::string::npos;
    })) << words;
  }
  // Until the agent asks for the lease's secrets; each ask is taken once.
  v1::SecretAsk wait_for_secret_ask(std::uint64_t lease) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(30), [&] { return asks_.contains(lease); }));
    v1::SecretAsk ask = asks_[lease];
    asks_.erase(lease);
    return ask;
  }
  void hand_over(std::uint64_t lease, std::string sealed) {
    const std::lock_guard lock(mutex_);
    v1::HubMessage message;
    message.mutable_sealed_secrets()->set_lease(lease);
    message.mutable_sealed_secrets()->set_sealed(std::move(sealed));
    if (open_) events_.received(message.SerializeAsString());
  }
  std::string log(std::uint64_t lease, v1::LogStream stream = v1::STDOUT) {
    const std::lock_guard lock(mutex_);
    return logs_[{lease, stream}];
  }
  std::map<std::uint32_t, std::string> meters(std::uint64_t lease) {
    const std::lock_guard lock(mutex_);
    return meters_[lease];
  }

 private:
  void tell_desired() {
    v1::HubMessage message;
    *message.mutable_desired() = desired_;
    events_.received(message.SerializeAsString());
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  HubLinkEvents events_;
  bool open_ = false;
  bool unreachable_ = false;
  v1::Desired desired_;
  std::map<std::uint64_t, v1::WorkloadReport> reports_;
  std::map<std::uint64_t, v1::SecretAsk> asks_;  // not taken yet
  std::map<std::uint64_t, std::map<std::uint32_t, std::string>> meters_;
  std::map<std::pair<std::uint64_t, int>, std::string> logs_;
};

// One file: its content is the manifest.
class OneFileStore final : public agent::FolderStore {
 public:
  Status fetch(const std::string& manifest, const std::string& folder, std::uint64_t,
               const std::string&, const std::atomic<bool>&) override {
    if (manifest == "missing") return fail(ErrorCode::kNotFound, "no such input");
    std::ofstream(folder + "/input") << manifest;
    return {};
  }
  Result<Stored> put(const std::string& folder, std::uint64_t, Pace, const std::string&,
                     const std::atomic<bool>&) override {
    ++puts_;
    FALLOW_ASSIGN(std::string result, read_file(folder + "/result", 1 << 20));
    return Stored{std::move(result), 1, 0, 0};
  }
  // Of a checkpoint the file "state".
  Result<Stored> save(const std::string& folder, std::uint64_t, Duration, const std::string&,
                      const std::atomic<bool>&) override {
    auto state = read_file(folder + "/state", 1 << 20);
    if (!state) return Stored{};
    puts_before_saving_ = puts_.load();
    return Stored{std::move(*state), 1, 0, 0};
  }
  Status restore(const std::string& manifest, const std::string& folder, std::uint64_t,
                 const std::string&, const std::atomic<bool>&) override {
    if (manifest == "missing") return fail(ErrorCode::kNotFound, "no such checkpoint");
    std::ofstream(folder + "/state") << manifest;
    return {};
  }

  std::atomic<int> puts_ = 0;
  std::atomic<int> puts_before_saving_ = 0;  // before the last saving
};

class AgentTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_agent_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    random_ = system_random();
    key_ = SigningKey::generate(*random_);
    begin();
    if (!agent_) GTEST_SKIP() << "no sandbox can be made on this machine: " << error_;
  }
  void TearDown() override {
    hub_.desire({});
    if (agent_) wait_until_idle();
    end();
    remove_tree(folder_);
  }

  // Of the agent that begins next; null: it runs none.
  virtual agent::Images* images() { return nullptr; }
  virtual agent::FolderStore& store() { return store_; }

  void begin() {
    auto runtime = SandboxRuntime::open({folder_ + "/leases", {"/proc/self/exe", kSupervisorMode}});
    if (!runtime) {
      error_ = runtime.error().message;
      return;
    }
    runtime_ = std::move(*runtime);
    agent::AgentOptions options{folder_, NodeId(5), *key_, {}, {}, 2, milliseconds(200), images()};
    options.secret_wait = secret_wait_;
    auto made = Agent::make(std::move(options), *runtime_, hub_, store(), *random_);
    ASSERT_TRUE(made) << made.error().message;
    agent_ = std::move(*made);
    thread_ = std::thread([this] { agent_->run(); });
  }
  void end() {
    if (agent_) agent_->stop();
    if (thread_.joinable()) thread_.join();
    agent_.reset();
    runtime_.reset();
  }
  void wait_until_idle() {
    for (int i = 0; i < 3000 && !std::filesystem::is_empty(folder_ + "/workloads"); ++i) {
      ::usleep(10'000);
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/workloads"));
  }
  // Written by the supervisor, whether or not an agent is there.
  void wait_for_exit_file(std::uint64_t lease) {
    const std::string file = folder_ + "/leases/" + std::to_string(lease) + "/exit";
    for (int i = 0; i < 3000 && !std::filesystem::exists(file); ++i) ::usleep(10'000);
    EXPECT_TRUE(std::filesystem::exists(file));
  }

  static v1::DesiredLease lease(std::uint64_t id, const std::string& script) {
    v1::DesiredLease desired;
    desired.set_lease(id);
    desired.set_tasks(1);
    desired.add_devices(0);
    desired.set_device_thousandths(1000);
    for (const char* word : {"/bin/sh", "-c"}) desired.mutable_workload()->add_command(word);
    desired.mutable_workload()->add_command(script);
    desired.set_memory_mb(256);
    desired.set_disk_mb(64);
    desired.set_time_us_max(minutes(5).value);
    desired.set_stop_grace_us(milliseconds(500).value);
    return desired;
  }

  std::string folder_;
  std::string error_;
  std::unique_ptr<Random> random_;
  std::optional<SigningKey> key_;
  Duration secret_wait_ = minutes(1);  // of the agent that begins next
  Hub hub_;
  OneFileStore store_;
  std::unique_ptr<SandboxRuntime> runtime_;
  std::unique_ptr<Agent> agent_;
  std::thread thread_;
};

}  // namespace fallow::runtime
