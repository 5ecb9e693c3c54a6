// What every SnapshotStore promises, and what FolderSnapshots does about a damaged disk.
#include "log/snapshots.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "log/folder_snapshots.h"
#include "log/memory_snapshots.h"

namespace fallow::log {
namespace {

Digest chain_of(int n) { return digest_of(std::to_string(n)); }

Status save(SnapshotStore& store, LogIndex index, std::string_view content) {
  FALLOW_ASSIGN(const auto writer, store.begin(index, chain_of(static_cast<int>(index.value))));
  while (!content.empty()) {
    FALLOW_TRY(writer->write(content.substr(0, 1000)));
    content.remove_prefix(std::min<std::size_t>(1000, content.size()));
  }
  return writer->commit();
}

std::string content_of(SnapshotReader& reader) {
  std::string all;
  std::string piece(777, '\0');
  for (;;) {
    const auto n = reader.read(piece);
    EXPECT_TRUE(n) << n.error().message;
    if (!n || *n == 0) return all;
    all.append(piece, 0, *n);
  }
}

std::vector<std::uint64_t> indexes_in(SnapshotStore& store) {
  std::vector<std::uint64_t> indexes;
  const auto infos = store.list();
  for (const SnapshotInfo& info : infos.value()) indexes.push_back(info.index.value);
  return indexes;
}

class SnapshotsTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_snapshots_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    if (GetParam() == "memory") {
      store_ = std::make_unique<MemorySnapshots>(3);
    } else {
      auto opened = FolderSnapshots::open(folder_, 3);
      ASSERT_TRUE(opened) << opened.error().message;
      store_ = std::move(*opened);
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
  std::unique_ptr<SnapshotStore> store_;
};

TEST_P(SnapshotsTest, AnEmptyStoreHasNone) {
  EXPECT_TRUE(store_->list()->empty());
  const auto opened = store_->open_newest(LogIndex(~std::uint64_t{0}));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->reader, nullptr);
  EXPECT_TRUE(opened->skipped.empty());
}

TEST_P(SnapshotsTest, GivesBackTheNewestThatIsNotTooNew) {
  for (const std::uint64_t index : {5U, 10U, 2U}) {
    ASSERT_TRUE(save(*store_, LogIndex(index), fmt::format("state {}", index)));
  }
  EXPECT_EQ(indexes_in(*store_), (std::vector<std::uint64_t>{10, 5, 2}));
  const auto opened = store_->open_newest(LogIndex(9));
  ASSERT_TRUE(opened && opened->reader);
  EXPECT_EQ(opened->reader->info(), (SnapshotInfo{LogIndex(5), chain_of(5), 7}));
  EXPECT_EQ(content_of(*opened->reader), "state 5");
  EXPECT_EQ(store_->open_newest(LogIndex(1))->reader, nullptr);
}

TEST_P(SnapshotsTest, KeepsTheNewestOnly) {
  for (std::uint64_t i = 1; i <= 6; ++i) ASSERT_TRUE(save(*store_, LogIndex(i), "s"));
  EXPECT_EQ(indexes_in(*store_), (std::vector<std::uint64_t>{6, 5, 4}));
}

TEST_P(SnapshotsTest, OneThatIsNotCommittedLeavesNothing) {
  ASSERT_TRUE(save(*store_, LogIndex(1), "old"));
  {
    const auto writer = store_->begin(LogIndex(2), chain_of(2));
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write("half"));
    EXPECT_EQ(indexes_in(*store_), (std::vector<std::uint64_t>{1}));
  }
  EXPECT_EQ(indexes_in(*store_), (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(content_of(*store_->open_newest(LogIndex(9))->reader), "old");
}

TEST_P(SnapshotsTest, TheSameIndexAgainReplacesIt) {
  ASSERT_TRUE(save(*store_, LogIndex(1), "old"));
  ASSERT_TRUE(save(*store_, LogIndex(1), "new and longer"));
  EXPECT_EQ(indexes_in(*store_).size(), 1U);
  EXPECT_EQ(content_of(*store_->open_newest(LogIndex(1))->reader), "new and longer");
}

TEST_P(SnapshotsTest, AnEmptyAndALargeContentSurvive) {
  ASSERT_TRUE(save(*store_, LogIndex(1), ""));
  EXPECT_EQ(content_of(*store_->open_newest(LogIndex(1))->reader), "");
  std::string large(20'000'003, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 >> 3);
  const auto writer = store_->begin(LogIndex(2), chain_of(2));
  ASSERT_TRUE((*writer)->write(large));
  ASSERT_TRUE((*writer)->commit());
  EXPECT_TRUE(content_of(*store_->open_newest(LogIndex(2))->reader) == large);
}

// Days of snapshots, one every half hour by their files' times.
class KeptSnapshots : public testing::Test {
 protected:
  KeptSnapshots() {
    std::string pattern = testing::TempDir() + "fallow_snapshots_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~KeptSnapshots() override { std::filesystem::remove_all(folder_); }
  // Makes the files as old as they are when that of `newest` is written.
  void age(std::uint64_t newest) {
    const auto now = std::filesystem::file_time_type::clock::now();
    for (const auto& file : std::filesystem::directory_iterator(folder_)) {
      const std::uint64_t index = std::stoull(file.path().filename().string().substr(0, 20));
      std::filesystem::last_write_time(
          file, now - std::chrono::minutes(30) * static_cast<int>(newest - index));
    }
  }
  std::string folder_;
};

TEST_F(KeptSnapshots, OneThatIsADayOldIsAlwaysThere) {
  auto store = FolderSnapshots::open(folder_, 3, hours(24));
  ASSERT_TRUE(store);
  constexpr std::uint64_t kDay = 24 * 2;
  std::size_t most = 0;
  for (std::uint64_t i = 1; i <= 3 * kDay; ++i) {
    age(i);
    ASSERT_TRUE(save(**store, LogIndex(i), "s"));
    const std::vector<std::uint64_t> kept = indexes_in(**store);
    most = std::max(most, kept.size());
    ASSERT_EQ(kept.front(), i);
    if (i > 3) {
      ASSERT_EQ((std::vector<std::uint64_t>(kept.begin(), kept.begin() + 3)),
                (std::vector<std::uint64_t>{i, i - 1, i - 2}));
    }
    if (i > kDay + 1) {
      ASSERT_GE(i - kept.back(), kDay);
      ASSERT_LE(i - kept.back(), kDay + kDay / 4 + 1) << "and no older than need be";
    }
  }
  EXPECT_LE(most, 3U + 6U);
}

TEST_F(KeptSnapshots, WhoOnlyReadsTouchesNothing) {
  auto store = FolderSnapshots::open(folder_, 3);
  ASSERT_TRUE(save(**store, LogIndex(7), "seven"));
  const auto writing = (*store)->begin(LogIndex(8), chain_of(8));
  ASSERT_TRUE((*writing)->write("half"));
  const auto reader = FolderSnapshots::open_to_read(folder_);
  EXPECT_EQ(indexes_in(*reader), (std::vector<std::uint64_t>{7}));
  EXPECT_EQ(content_of(*reader->open_newest(LogIndex(9))->reader), "seven");
  EXPECT_EQ(reader->begin(LogIndex(9), chain_of(9)).error().code, ErrorCode::kDenied);
  ASSERT_TRUE((*writing)->commit()) << "what is being written is left alone";
  EXPECT_EQ(indexes_in(*reader), (std::vector<std::uint64_t>{8, 7}));
  EXPECT_TRUE(indexes_in(*FolderSnapshots::open_to_read(folder_ + "/none")).empty());
}

INSTANTIATE_TEST_SUITE_P(All, SnapshotsTest, testing::Values("memory", "folder"),
                         [](const auto& tested) { return tested.param; });

class FolderSnapshotsTest : public SnapshotsTest {
 protected:
  std::string path_of(std::uint64_t index) {
    return fmt::format("{}/{:020}.snapshot", folder_, index);
  }
};

TEST_P(FolderSnapshotsTest, EveryFlippedOrMissingByteFallsBackToTheOlder) {
  ASSERT_TRUE(save(*store_, LogIndex(1), "older"));
  ASSERT_TRUE(save(*store_, LogIndex(2), "the newest content"));
  const std::string sound = read_file(path_of(2), 1 << 20).value();
  const auto expect_fallback = [&](const std::string& bytes) {
    ASSERT_TRUE(replace_file(path_of(2), bytes));
    const auto opened = store_->open_newest(LogIndex(2));
    ASSERT_TRUE(opened && opened->reader);
    EXPECT_EQ(opened->reader->info().index, LogIndex(1));
    EXPECT_EQ(content_of(*opened->reader), "older");
    ASSERT_EQ(opened->skipped.size(), 1U);
    EXPECT_NE(opened->skipped[0].find(path_of(2)), std::string::npos);
  };
  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::string bytes = sound;
    bytes[i] = static_cast<char>(bytes[i] ^ 4);
    expect_fallback(bytes);
    expect_fallback(sound.substr(0, i));
  }
  expect_fallback(sound + "x");
  ASSERT_TRUE(replace_file(path_of(2), sound));
  EXPECT_EQ(content_of(*store_->open_newest(LogIndex(2))->reader), "the newest content");
}

TEST_P(FolderSnapshotsTest, WhenNoneIsSoundTheReplayBeginsAtTheBeginning) {
  ASSERT_TRUE(save(*store_, LogIndex(1), "one"));
  ASSERT_TRUE(replace_file(path_of(1), ""));
  const auto opened = store_->open_newest(LogIndex(2));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->reader, nullptr);
  EXPECT_EQ(opened->skipped.size(), 1U);
}

TEST_P(FolderSnapshotsTest, ForeignFilesAreIgnoredAndOldTemporariesRemoved) {
  ASSERT_TRUE(save(*store_, LogIndex(1), "one"));
  ASSERT_TRUE(replace_file(folder_ + "/notes.txt", "x"));
  ASSERT_TRUE(replace_file(folder_ + "/abc.snapshot", "x"));
  ASSERT_TRUE(replace_file(path_of(7) + ".new", "half"));
  ASSERT_TRUE(replace_file(path_of(9), "not a snapshot"));
  const auto reopened = FolderSnapshots::open(folder_, 3);
  ASSERT_TRUE(reopened);
  EXPECT_EQ(indexes_in(**reopened), (std::vector<std::uint64_t>{1}));
  EXPECT_FALSE(std::filesystem::exists(path_of(7) + ".new"));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/notes.txt"));
}

TEST_P(FolderSnapshotsTest, AFolderThatCannotBeMadeIsNamed) {
  const auto opened = FolderSnapshots::open(folder_ + "/none/snapshots", 3);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find(folder_ + "/none/snapshots"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Folder, FolderSnapshotsTest, testing::Values("folder"));

}  // namespace
}  // namespace fallow::log
