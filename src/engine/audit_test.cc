#include "engine/audit.h"

#include "engine/market_test.h"
#include "engine/recovery.h"
#include "log/memory_snapshots.h"

namespace fallow::engine {
namespace {

struct AuditTest : testing::Test {
  AuditTest() {
    append(found_command());
    for (const v1::Command& command : commands_to_a_lease()) append(command);
  }
  void append(const v1::Command& command) {
    const std::string bytes = command.SerializeAsString();
    at = at + seconds(1);
    ASSERT_TRUE(log.append(std::vector<std::string_view>{bytes}, at));
  }
  Recovered recovered() {
    auto result = recover(log, nullptr, {}, {}, nullptr);
    EXPECT_TRUE(result);
    return std::move(*result);
  }
  void keep(const core::Machine& machine, const log::Head& head) {
    ASSERT_TRUE(save(machine, head, snapshots, nullptr));
  }

  Time at{1'700'000'000'000'000};
  log::MemoryLog log;
  log::MemorySnapshots snapshots{3};
};

TEST_F(AuditTest, ASoundMarketIsCounted) {
  const Recovered before = recovered();
  keep(*before.machine, before.head);
  append(deposit(2 * 4096, 7, "later"));
  int calls = 0;
  const auto result = audit(log, &snapshots, {}, [&](std::uint64_t) { ++calls; });
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->entries, 9U);
  EXPECT_EQ(result->commands, 9U);
  EXPECT_GT(result->events, 9U);
  EXPECT_EQ(result->head, *log.head());
  EXPECT_EQ(result->digest, recovered().machine->digest());
  EXPECT_EQ(result->snapshots_checked, 1U);
  EXPECT_EQ(result->counts.leases_open, 1U);
  EXPECT_GT(result->ledger_accounts, 0U);
  EXPECT_TRUE(result->notes.empty());
}

TEST_F(AuditTest, ASnapshotOfAnotherStateIsFound) {
  const Recovered honest = recovered();
  log::MemoryLog other;
  const std::string found = found_command().SerializeAsString();
  std::vector<std::string_view> payloads{found};
  const std::string account = open_account("someone else").SerializeAsString();
  for (int i = 0; i < 7; ++i) payloads.push_back(account);
  ASSERT_TRUE(other.append(payloads, at));
  const auto forged = recover(other, nullptr, {}, {}, nullptr);
  ASSERT_TRUE(forged);
  ASSERT_EQ(forged->head.last, honest.head.last);

  keep(*forged->machine, honest.head);
  const auto result = audit(log, &snapshots, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(result.error().message.find("not what the log leads to"), std::string::npos);
}

TEST_F(AuditTest, ASnapshotOfAnotherLogIsFound) {
  Recovered honest = recovered();
  honest.head.chain[0] ^= 1;
  keep(*honest.machine, honest.head);
  const auto result = audit(log, &snapshots, {});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("another log"), std::string::npos);
}

TEST_F(AuditTest, ASnapshotThatIsNoMarketIsFound) {
  const auto writer = snapshots.begin(LogIndex(8), log.head_at(LogIndex(8))->chain);
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->write("bytes"));
  ASSERT_TRUE((*writer)->commit());
  EXPECT_FALSE(audit(log, &snapshots, {}));
}

TEST_F(AuditTest, AnEmptyLogIsSound) {
  log::MemoryLog empty;
  const auto result = audit(empty, nullptr, {});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->commands, 0U);
}

}  // namespace
}  // namespace fallow::engine
