#include "agent/lease_provers.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>

#include "agent/prove.h"
#include "agent/workload_record.h"

namespace fallow::agent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Sandboxes by hand: what is asked of them is kept.
class HandRuntime final : public Runtime {
 public:
  Result<WorkloadFolders> prepare(LeaseId) override { return WorkloadFolders{}; }
  WorkloadFolders folders(LeaseId) const override { return {}; }
  Status start(const LaunchSpec& spec) override {
    if (!fault_.empty()) return fail(ErrorCode::kFailed, "{}", fault_);
    started_.push_back(spec);
    return {};
  }
  void set_fence(LeaseId, Time) override {}
  void suspend(LeaseId) override {}
  void resume(LeaseId) override {}
  void stop(LeaseId) override {}
  void kill(LeaseId lease) override { killed_.push_back(lease); }
  std::vector<LeaseId> list() const override { return {}; }
  Adopted adopt(LeaseId) override { return {}; }
  void forget(LeaseId lease) override { forgotten_.push_back(lease); }
  Result<Fd> enter(LeaseId) override {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
      return fail(ErrorCode::kFailed, "no sockets");
    }
    inside_ = Fd(ends[1]);
    return Fd(ends[0]);
  }
  WorkloadUse use(LeaseId) const override { return {}; }
  int event_fd() const override { return -1; }
  Events take_events() override { return {}; }

  std::vector<LaunchSpec> started_;
  std::vector<LeaseId> killed_;
  std::vector<LeaseId> forgotten_;
  Fd inside_;  // the prover's end of its connection
  std::string fault_;
};

class LeaseProversTest : public testing::Test {
 protected:
  LeaseProversTest() : devices_(3) {
    for (std::uint32_t i = 0; i < devices_.size(); ++i) {
      devices_[i].facts.set_index(i);
      devices_[i].facts.set_kind(v1::GPU);
      devices_[i].files = {"/dev/card" + std::to_string(i)};
    }
  }
  static v1::DesiredLease desired() {
    v1::DesiredLease desired;
    desired.set_lease(7);
    desired.set_proof(4);
    desired.add_devices(1);
    desired.add_devices(2);
    desired.mutable_workload()->set_image("registry/tool");
    v1::EnvironmentVariable& variable = *desired.mutable_workload()->add_environment();
    variable.set_name("LD_PRELOAD");
    variable.set_value("/work/lies.so");
    desired.set_memory_mb(16);
    desired.set_cpu_thousandths(10);
    desired.set_network(v1::EGRESS);
    desired.set_isolation(v1::RUNC);
    return desired;
  }
  static v1::ProofAsk ask(std::uint32_t device, v1::ProofStep step = v1::PROOF_ECHO) {
    v1::ProofAsk ask;
    ask.set_lease(7);
    ask.set_proof(4);
    ask.set_device(device);
    ask.set_step(step);
    return ask;
  }
  LeaseId begun() {
    provers_.ask(ask(2), desired());
    provers_.step(true, Time{1});
    const LeaseId prover = runtime_.started_.at(0).lease;
    EXPECT_TRUE(provers_.happened(Started{prover, Time{1}}));
    return prover;
  }
  // The ask that has come in; the same bytes are an answer to it.
  std::string inside() {
    std::string got(4'096, '\0');
    const ssize_t n = ::read(runtime_.inside_.get(), got.data(), got.size());
    got.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return got;
  }

  HandRuntime runtime_;
  std::vector<LocalDevice> devices_;
  LeaseProvers provers_{runtime_, devices_};
};

TEST_F(LeaseProversTest, ItsSandboxIsTheLeasesButForTheWorkload) {
  begun();
  ASSERT_THAT(runtime_.started_, SizeIs(1));
  const LaunchSpec& spec = runtime_.started_[0];
  EXPECT_TRUE(spec.is_prover);
  EXPECT_THAT(spec.device_files, ElementsAre("/dev/card1", "/dev/card2"));
  EXPECT_THAT(spec.command, ElementsAre(kProveMode, "gpu", "gpu"));
  EXPECT_EQ(spec.isolation_min, v1::RUNC);
  EXPECT_EQ(spec.image_root, "");
  EXPECT_EQ(spec.network, v1::NETWORK_NONE);
  EXPECT_GE(spec.memory_bytes_max, std::uint64_t{1} << 30) << "a compiler needs more than it has";
  EXPECT_EQ(spec.cpu_thousandths, 0U);
  for (const auto& [name, value] : spec.environment) EXPECT_NE(name, "LD_PRELOAD");
  EXPECT_NE(spec.lease, LeaseId(7));
  EXPECT_TRUE(LeaseProvers::is_prover(spec.lease));
  EXPECT_FALSE(LeaseProvers::is_prover(LeaseId(7)));
}

TEST_F(LeaseProversTest, AsksAndAnswersAreOfTheNodesDevices) {
  begun();
  const std::string frame = inside();
  v1::ProofAsk inner;
  ASSERT_TRUE(inner.ParseFromString(frame.substr(4)));
  EXPECT_EQ(inner.device(), 1U) << "its place in the lease";
  ASSERT_GT(::write(runtime_.inside_.get(), frame.data(), frame.size()), 0);
  const auto answers = provers_.take_answers();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].device(), 2U);
  EXPECT_EQ(answers[0].proof(), 4U);
  EXPECT_EQ(answers[0].failure(), "");
  provers_.ask(ask(1), desired());
  EXPECT_NE(inside(), "") << "the next goes there at once";
  provers_.ask(ask(0), desired());
  EXPECT_THAT(provers_.take_answers().at(0).failure(), HasSubstr("no such device"));
}

TEST_F(LeaseProversTest, WaitsForOtherProcessesOnItsDevices) {
  provers_.ask(ask(1), desired());
  provers_.step(false, Time{1});
  EXPECT_THAT(runtime_.started_, IsEmpty());
  EXPECT_TRUE(provers_.holds(LeaseId(7)));
  EXPECT_LT(provers_.next_deadline(Time{1}), kNever);
  provers_.end(LeaseId(7), "the owner is there");
  EXPECT_FALSE(provers_.holds(LeaseId(7))) << "nothing of it ran";
  EXPECT_EQ(provers_.take_answers().at(0).failure(), "the owner is there");
}

TEST_F(LeaseProversTest, HoldsTheDevicesUntilItsSandboxIsGone) {
  const LeaseId prover = begun();
  EXPECT_THAT(provers_.asked(), SizeIs(1));
  provers_.end(LeaseId(7), "enough");
  EXPECT_EQ(provers_.take_answers().at(0).failure(), "enough");
  EXPECT_THAT(runtime_.killed_, ElementsAre(prover));
  EXPECT_TRUE(provers_.holds(LeaseId(7)));
  EXPECT_THAT(provers_.asked(), IsEmpty());
  provers_.step(true, Time{1});
  provers_.step(true, Time{1} + seconds(6));
  EXPECT_THAT(runtime_.killed_, SizeIs(2)) << "the first showed no effect";
  provers_.ask(ask(1), desired());
  EXPECT_THAT(provers_.take_answers().at(0).failure(), HasSubstr("has ended"));
  EXPECT_TRUE(provers_.happened(Exited{prover, Time{2}, ExitCause::kExited, 137, 9, ""}));
  EXPECT_FALSE(provers_.holds(LeaseId(7)));
  EXPECT_THAT(runtime_.forgotten_, Contains(prover));
}

TEST_F(LeaseProversTest, WhatCannotBeMadeIsSaid) {
  runtime_.fault_ = "this node cannot give its devices to a gVisor sandbox";
  provers_.ask(ask(1), desired());
  provers_.step(true, Time{1});
  EXPECT_THAT(provers_.take_answers().at(0).failure(), HasSubstr("gVisor"));
  EXPECT_FALSE(provers_.holds(LeaseId(7)));
}

TEST_F(LeaseProversTest, ADriverThatCrashesFailsTheAsk) {
  const LeaseId prover = begun();
  provers_.happened(Exited{prover, Time{2}, ExitCause::kExited, 139, 11, ""});
  EXPECT_THAT(provers_.take_answers().at(0).failure(), HasSubstr("driver ended"));
  // Nothing begins anew in the middle: what the device held is gone.
  provers_.ask(ask(2, v1::PROOF_ROWS), desired());
  EXPECT_THAT(provers_.take_answers().at(0).failure(), HasSubstr("has ended"));
}

TEST_F(LeaseProversTest, AWorkloadsOwnEventsAreNoneOfIts) {
  begun();
  EXPECT_FALSE(provers_.happened(Started{LeaseId(7), Time{1}}));
}

}  // namespace
}  // namespace fallow::agent
