#include "agent/state_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "agent/node_key.h"
#include "agent/owner_file.h"
#include "base/file.h"

namespace fallow::agent {
namespace {

class AgentFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_agent_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};
using StateStoreTest = AgentFolderTest;
using NodeKeyTest = AgentFolderTest;
using OwnerFileTest = AgentFolderTest;

WorkloadRecord record_of(std::uint64_t lease) {
  WorkloadRecord record;
  record.desired.set_lease(lease);
  return record;
}

TEST_F(StateStoreTest, KeepsTheLastStateOfEachLease) {
  auto store = StateStore::open(folder_ + "/w", "boot-1");
  ASSERT_TRUE(store);
  WorkloadRecord record = record_of(9);
  ASSERT_TRUE(store->save(record));
  record.meter_sequence = 5;
  ASSERT_TRUE(store->save(record));
  ASSERT_TRUE(store->save(record_of(7)));
  ASSERT_TRUE(store->save(record_of(8)));
  store->remove(LeaseId(8));
  const auto loaded = StateStore::open(folder_ + "/w", "boot-1")->load();
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->size(), 2U);
  EXPECT_EQ((*loaded)[0].lease, LeaseId(7));
  EXPECT_EQ((*loaded)[1].record->meter_sequence, 5U);
  EXPECT_TRUE((*loaded)[1].same_boot);
  EXPECT_FALSE(StateStore::open(folder_ + "/w", "boot-2")->load()->at(0).same_boot);
}

TEST_F(StateStoreTest, ADamagedRecordStillSaysThatTheLeaseWasHere) {
  auto store = StateStore::open(folder_, "boot-1");
  ASSERT_TRUE(store->save(record_of(7)));
  for (const char* text : {"", "boot-1", "boot-1\nFALLOWWR1\ntorn"}) {
    ASSERT_TRUE(replace_file(folder_ + "/7.lease", text));
    const auto loaded = store->load();
    ASSERT_TRUE(loaded);
    ASSERT_EQ(loaded->size(), 1U);
    EXPECT_EQ((*loaded)[0].lease, LeaseId(7));
    EXPECT_FALSE((*loaded)[0].record);
  }
  // Another lease's record under this name is not this lease's.
  ASSERT_TRUE(replace_file(folder_ + "/7.lease", "boot-1\n" + encode_record(record_of(8))));
  EXPECT_FALSE(store->load()->at(0).record);
  for (const char* name : {"/x.lease", "/0.lease", "/7.lease.new", "/7"}) {
    ASSERT_TRUE(replace_file(folder_ + name, ""));
  }
  EXPECT_EQ(store->load()->size(), 1U);
}

TEST_F(StateStoreTest, TheMachineNamesItsStart) {
  EXPECT_EQ(boot_id().size(), 36U);
  EXPECT_EQ(boot_id(), boot_id());
}

TEST_F(NodeKeyTest, IsMadeOnceAndKeptFromOthers) {
  const auto random = system_random();
  const auto key = load_or_make_node_key(folder_, *random);
  ASSERT_TRUE(key);
  EXPECT_EQ(load_or_make_node_key(folder_, *random)->public_key(), key->public_key());
  struct stat info {};
  ASSERT_EQ(::stat((folder_ + "/node.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  ASSERT_EQ(::chmod((folder_ + "/node.key").c_str(), 0644), 0);
  EXPECT_EQ(load_or_make_node_key(folder_, *random).error().code, ErrorCode::kDenied);
  ASSERT_TRUE(replace_file(folder_ + "/node.key", "abc"));
  EXPECT_EQ(load_or_make_node_key(folder_, *random).error().code, ErrorCode::kCorrupt);
}

TEST_F(NodeKeyTest, MembershipComesBack) {
  EXPECT_FALSE(load_membership(folder_)->has_value());
  Membership membership{NodeId(4096), "https://m:1", {}};
  membership.certificate.fill(0xCD);
  ASSERT_TRUE(save_membership(folder_, membership));
  EXPECT_EQ(load_membership(folder_)->value(), membership);
  for (const char* text : {"", "x\ny\nz\n", "0\nhttp://x\n", "7\nhttp://x\n00\n"}) {
    ASSERT_TRUE(replace_file(folder_ + "/membership", text));
    EXPECT_EQ(load_membership(folder_).error().code, ErrorCode::kCorrupt);
  }
}

TEST_F(OwnerFileTest, OneWordAndTheOwnerWinsInDoubt) {
  auto file = OwnerFile::open(folder_);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->read(), v1::OWNER_AWAY);
  for (const auto state : {v1::OWNER_PAUSED, v1::OWNER_PRESENT, v1::OWNER_AWAY}) {
    ASSERT_TRUE(OwnerFile::write(folder_, state));
    EXPECT_EQ(file->read(), state);
  }
  ASSERT_TRUE(replace_file(folder_ + "/owner", "whatever"));
  EXPECT_EQ(file->read(), v1::OWNER_PRESENT);
}

}  // namespace
}  // namespace fallow::agent
