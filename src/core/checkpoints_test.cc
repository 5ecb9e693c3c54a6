// Checkpoints through the machine: whose counts, what the next lease is offered.
#include "base/digest.h"
#include "core/checks.h"
#include "core/test_machine.h"

namespace fallow::core {
namespace {

class CheckpointsTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    first_ = node(provider_, 100);
    second_ = node(provider_, 100);
    order_ = next_id();
    ASSERT_EQ(refusal_of(submit(renter_), renter_), v1::REFUSAL_UNSPECIFIED);
  }
  LeaseId lease_id() { return machine_.order(OrderId(order_))->tasks[0].lease; }
  const Lease& lease(LeaseId id) { return *machine_.lease(id); }
  // Says whether the market told of a new checkpoint.
  bool observe(std::uint64_t node, LeaseId id, const std::string& manifest, std::uint32_t sequence,
               v1::EndReason reason = v1::END_REASON_UNSPECIFIED) {
    v1::Command command;
    command.mutable_observe()->set_node(node);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(id.value);
    report.set_state(reason == v1::END_REASON_UNSPECIFIED ? v1::RUNNING : v1::ENDED);
    report.set_reason(reason);
    report.mutable_checkpoint()->set_manifest(manifest);
    report.mutable_checkpoint()->set_sequence(sequence);
    apply(command);
    for (const v1::Event& event : events_) {
      if (event.has_checkpoint_taken()) return true;
    }
    return false;
  }
  std::string offered(std::uint64_t node) {
    const v1::Desired desired = machine_.desired(NodeId(node));
    return desired.leases_size() == 0 ? "none" : desired.leases(0).checkpoint_manifest();
  }

  std::uint64_t provider_ = 0, renter_ = 0, first_ = 0, second_ = 0, order_ = 0;
};

TEST_F(CheckpointsTest, TheNextLeaseIsOfferedTheLastOfTheFormer) {
  const LeaseId former = lease_id();
  EXPECT_EQ(offered(first_), "");
  EXPECT_TRUE(observe(first_, former, test_hash(1), 1));
  EXPECT_EQ(lease(former).checkpoint_at, now_);
  EXPECT_TRUE(observe(first_, former, test_hash(2), 2, v1::OWNER_RETURNED)) << "with its end";
  const LeaseId next = lease_id();
  ASSERT_NE(next, former);
  const std::uint64_t node = lease(next).node.value;
  EXPECT_EQ(offered(node), test_hash(2));
  EXPECT_EQ(lease(next).checkpoint, test_hash(2));
  EXPECT_EQ(lease(next).checkpoint_at, lease(former).checkpoint_at);
  EXPECT_EQ(lease(next).checkpoint_sequence, 0U) << "it has none of its own";
  // A former lease can neither bring its own back nor a new one.
  EXPECT_FALSE(observe(first_, former, test_hash(9), 7));
  EXPECT_FALSE(observe(node, former, test_hash(9), 7));
  EXPECT_EQ(lease(next).checkpoint, test_hash(2));
  EXPECT_EQ(lease(former).checkpoint, test_hash(2));
  // Nor another node one of this lease.
  EXPECT_FALSE(observe(node == first_ ? second_ : first_, next, test_hash(9), 7));
  EXPECT_TRUE(observe(node, next, test_hash(3), 1));
  EXPECT_EQ(lease(next).checkpoint, test_hash(3));
}

TEST_F(CheckpointsTest, WhatComesLateOrIsNoDigestCountsForNothing) {
  const LeaseId id = lease_id();
  EXPECT_TRUE(observe(first_, id, test_hash(3), 3));
  EXPECT_FALSE(observe(first_, id, test_hash(3), 3));
  EXPECT_FALSE(observe(first_, id, test_hash(2), 2));
  EXPECT_FALSE(observe(first_, id, test_hash(4), 0));
  EXPECT_FALSE(observe(first_, id, "short", 4));
  EXPECT_FALSE(observe(first_, id, "", 4));
  EXPECT_EQ(lease(id).checkpoint, test_hash(3));
  EXPECT_EQ(lease(id).checkpoint_sequence, 3U);
}

TEST_F(CheckpointsTest, SilenceLosesOnlyWhatWasNotSaved) {
  const LeaseId former = lease_id();
  ASSERT_TRUE(observe(first_, former, test_hash(5), 1));
  v1::Command tick;
  tick.mutable_tick();
  for (int i = 0; i < 100 && lease_id() == former && machine_.next_deadline(); ++i) {
    now_ = std::max(now_, *machine_.next_deadline() - milliseconds(1));
    apply(tick);
  }
  EXPECT_EQ(lease(former).reason, v1::HOST_LOST);
  ASSERT_NE(lease_id(), former);
  EXPECT_EQ(lease(lease_id()).checkpoint, test_hash(5));
}

// Whoever brings something else has no say over what its lease began with.
TEST_F(CheckpointsTest, OnlyWhatALeaseBroughtItselfIsReplaced) {
  const auto replaced = [this] {
    for (const v1::Event& event : events_) {
      if (event.has_checkpoint_taken()) return event.checkpoint_taken().former();
    }
    return std::string("nothing was taken");
  };
  const LeaseId former = lease_id();
  ASSERT_TRUE(observe(first_, former, test_hash(1), 1));
  EXPECT_EQ(replaced(), "");
  ASSERT_TRUE(observe(first_, former, test_hash(2), 2, v1::OWNER_RETURNED));
  EXPECT_EQ(replaced(), test_hash(1));
  const LeaseId next = lease_id();
  const std::uint64_t node = lease(next).node.value;
  ASSERT_TRUE(observe(node, next, test_hash(3), 1));
  EXPECT_EQ(replaced(), "") << "the inherited one may be the last good one";
  ASSERT_TRUE(observe(node, next, test_hash(4), 2));
  EXPECT_EQ(replaced(), test_hash(3));
}

TEST_F(CheckpointsTest, SnapshotsWithWhatCannotBeAreRefused) {
  ASSERT_TRUE(observe(first_, lease_id(), test_hash(2), 1, v1::OWNER_RETURNED));
  std::string bytes;
  machine_.snapshot([&](std::string_view piece) { bytes += piece; });
  const auto number = [](std::uint64_t value) {
    std::string text;
    for (; value >= 0x80; value >>= 7U) text += static_cast<char>(value | 0x80U);
    return text + static_cast<char>(value);
  };
  const auto fields = [&](const std::string& manifest, Time at, std::uint32_t sequence) {
    return number(manifest.size()) + manifest + number(static_cast<std::uint64_t>(at.us) << 1U) +
           number(sequence);
  };
  // Of the lease that has inherited it.
  const std::string inherited = fields(test_hash(2), lease(lease_id()).checkpoint_at, 0);
  const std::size_t at = bytes.find(inherited);
  ASSERT_NE(at, bytes.npos);
  const auto restored_with = [&](const std::string& other) {
    std::string changed = bytes.substr(0, bytes.size() - Digest{}.size());
    changed.replace(at, inherited.size(), other);
    changed += to_bytes(fallow::digest_of(changed));
    Machine machine;
    std::string_view left = changed;
    return machine.restore([&](char* into, std::size_t size) -> Result<std::size_t> {
      const std::size_t count = left.copy(into, size);
      left.remove_prefix(count);
      return count;
    });
  };
  const Time now = lease(lease_id()).checkpoint_at;
  EXPECT_TRUE(restored_with(inherited)) << restored_with(inherited).error().message;
  EXPECT_TRUE(restored_with(fields("", Time{}, 0)));
  EXPECT_FALSE(restored_with(fields(test_hash(2).substr(0, 16), now, 0)));
  EXPECT_FALSE(restored_with(fields("", Time{}, 1)));
  EXPECT_FALSE(restored_with(fields(test_hash(2), kTimeMax, 0)));
}

}  // namespace
}  // namespace fallow::core
