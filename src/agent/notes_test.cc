#include "agent/notes.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace fallow::agent {
namespace {

class NotesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_notes_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Notes open() {
    auto notes = Notes::open(folder_ + "/notes");
    EXPECT_TRUE(notes);
    return std::move(*notes);
  }
  // What follows the notes.
  static std::string rest(std::uint64_t offset, std::size_t bytes_max) {
    return std::string("workload\n").substr(std::min<std::uint64_t>(offset, 9), bytes_max);
  }

  std::string folder_;
};

TEST_F(NotesTest, StandBeforeWhatTheWorkloadSays) {
  Notes notes = open();
  EXPECT_TRUE(notes.add(LeaseId(1), "looking", Time{1}));
  const std::string all = "fallow: looking\nworkload\n";
  for (std::size_t offset = 0; offset <= all.size(); ++offset) {
    for (const std::size_t bytes_max : {1UL, 4UL, 100UL}) {
      EXPECT_EQ(notes.read(LeaseId(1), offset, bytes_max, rest), all.substr(offset, bytes_max));
    }
  }
  EXPECT_EQ(notes.read(LeaseId(2), 0, 100, rest), "workload\n");
}

TEST_F(NotesTest, ProgressIsSaidNowAndThenAndANewSubjectAtOnce) {
  Notes notes = open();
  EXPECT_TRUE(notes.add(LeaseId(1), "pulling x: 1 of 9 MB", Time{1}));
  EXPECT_FALSE(notes.add(LeaseId(1), "pulling x: 2 of 9 MB", Time{seconds(1).value}));
  EXPECT_TRUE(notes.add(LeaseId(1), "pulling x: 5 of 9 MB", Time{seconds(3).value}));
  EXPECT_TRUE(notes.add(LeaseId(1), "unpacking x", Time{seconds(3).value}));
  EXPECT_EQ(notes.read(LeaseId(1), 0, 1000, rest),
            "fallow: pulling x: 1 of 9 MB\nfallow: pulling x: 5 of 9 MB\nfallow: unpacking x\n"
            "workload\n");
}

TEST_F(NotesTest, OutliveTheAgentAndEndWithTheLease) {
  open().add(LeaseId(1), "before", Time{1});
  Notes notes = open();
  EXPECT_TRUE(notes.add(LeaseId(1), "after", Time{1}));
  EXPECT_EQ(notes.read(LeaseId(1), 0, 15, rest), "fallow: before\n");
  EXPECT_EQ(notes.leases(), std::vector<LeaseId>{LeaseId(1)});
  notes.remove(LeaseId(1));
  EXPECT_TRUE(notes.leases().empty());
  EXPECT_EQ(notes.read(LeaseId(1), 0, 100, rest), "workload\n");
}

TEST_F(NotesTest, EndSomewhere) {
  Notes notes = open();
  const std::string sentence(1000, 'x');
  for (int i = 0; i < 100; ++i) notes.add(LeaseId(1), std::to_string(i) + sentence, Time{i});
  EXPECT_LE(std::filesystem::file_size(folder_ + "/notes/1"), Notes::kBytesMax);
}

}  // namespace
}  // namespace fallow::agent
