#include "log/sqlite_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/env.h"
#include "log/faulty_disk_test.h"
#include "log/verify.h"

namespace fallow::log {
namespace {

class SqliteLogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_log_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    folder_ = root_ + "/data";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<SqliteLog> must_open() {
    auto log = SqliteLog::open(folder_);
    EXPECT_TRUE(log) << log.error().message;
    return log ? std::move(*log) : nullptr;
  }
  static Result<Appended> append(Log& log, std::size_t count, char fill = 'x') {
    const std::string payload(200, fill);
    return log.append(std::vector<std::string_view>(count, payload), Time{1});
  }
  // A closed log of five entries, commands 1-2, 3-4, ... 9-10.
  void make_log() {
    const auto log = must_open();
    for (char c = 'a'; c < 'f'; ++c) ASSERT_TRUE(append(*log, 2, c));
  }
  void alter(const std::string& sql) {
    auto db = SqliteDb::open(folder_ + "/log.db", SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(db);
    const Status done = db->exec(sql);
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_GT(sqlite3_changes(db->get()), 0) << sql;
  }
  // What a start followed by a full replay says; empty when all is well.
  std::string start_and_replay() {
    const auto log = SqliteLog::open(folder_);
    if (!log) return log.error().message;
    const auto end = verify(**log);
    if (!end) return end.error().message;
    return end.value() == (*log)->head().value() ? "" : "the replay ended early";
  }
  // The folder as a crash at this moment would leave it.
  std::string copy_folder(const std::string& name) {
    const std::string copy = root_ + "/" + name;
    std::filesystem::remove_all(copy);
    std::filesystem::copy(folder_, copy);
    return copy;
  }

  std::string root_;
  std::string folder_;
};

TEST_F(SqliteLogTest, GoesOnWhereItStopped) {
  make_log();
  const auto log = must_open();
  const Head head = log->head().value();
  EXPECT_EQ(head.last, LogIndex(10));
  EXPECT_EQ(append(*log, 1)->first, LogIndex(11));
  EXPECT_EQ(log->read(LogIndex(9), 1 << 20)->size(), 2U);
  EXPECT_NE(log->head()->chain, head.chain);
}

TEST_F(SqliteLogTest, ASecondOpenerIsRefusedWithTheHoldersName) {
  auto log = must_open();
  const auto second = SqliteLog::open(folder_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kDenied);
  EXPECT_NE(second.error().message.find(fmt::format("in use by process {};", getpid())),
            std::string::npos)
      << second.error().message;
  log.reset();
  EXPECT_TRUE(SqliteLog::open(folder_));
}

TEST_F(SqliteLogTest, AFolderThatCannotBeMadeIsNamed) {
  const auto log = SqliteLog::open(root_ + "/none/data");
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kNotFound);
  EXPECT_NE(log.error().message.find(root_ + "/none/data"), std::string::npos);
  EXPECT_EQ(SqliteLogReader::open(root_).error().code, ErrorCode::kNotFound);
}

TEST_F(SqliteLogTest, AForeignOrNewerFileIsRefusedAndLeftAlone) {
  std::filesystem::create_directory(folder_);
  const std::string path = folder_ + "/log.db";
  {
    auto db = SqliteDb::open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    ASSERT_TRUE(db->exec("CREATE TABLE other (x)"));
  }
  const std::string before = read_file(path, 1 << 20).value();
  EXPECT_EQ(SqliteLog::open(folder_).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(read_file(path, 1 << 20).value(), before);

  std::filesystem::remove(path);
  make_log();
  {
    auto db = SqliteDb::open(path, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(db->exec("PRAGMA user_version=2"));
  }
  const auto newer = SqliteLog::open(folder_);
  ASSERT_FALSE(newer);
  EXPECT_NE(newer.error().message.find("has format 2"), std::string::npos);
  EXPECT_EQ(SqliteLogReader::open(folder_).error().code, ErrorCode::kInvalid);

  ASSERT_TRUE(replace_file(path, std::string(50'000, 'x')));
  EXPECT_EQ(SqliteLog::open(folder_).error().code, ErrorCode::kCorrupt);
}

TEST_F(SqliteLogTest, AnAlteredEntryIsNamedWithWhatToDo) {
  make_log();
  alter("UPDATE entries SET body = replace(body, 'b', 'c') WHERE first = 3");
  // The start reads the last entries only when there are many; these five it reads.
  const auto log = SqliteLog::open(folder_);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(log.error().message.find("commands 3 to 4 was altered or torn"), std::string::npos)
      << log.error().message;
  EXPECT_NE(log.error().message.find("Restore log.db from a backup"), std::string::npos);
}

TEST_F(SqliteLogTest, EveryAlterationIsNoticed) {
  for (const char* sql : {
           "UPDATE entries SET count = 3 WHERE first = 5",
           "UPDATE entries SET count = 1 WHERE first = 9",
           "UPDATE entries SET count = -1 WHERE first = 9",
           "UPDATE entries SET time_us = 2 WHERE first = 1",
           "UPDATE entries SET chain = zeroblob(32) WHERE first = 9",
           "UPDATE entries SET chain = zeroblob(31) WHERE first = 9",
           "UPDATE entries SET chain = zeroblob(0) WHERE first = 3",
           "UPDATE entries SET body = body || x'00' WHERE first = 7",
           "UPDATE entries SET body = '' WHERE first = 1",
           "UPDATE entries SET first = 11 WHERE first = 1",
           "UPDATE entries SET first = 12 WHERE first = 9",
           "UPDATE entries SET body = (SELECT body FROM entries WHERE first = 1) WHERE first = 3",
           "DELETE FROM entries WHERE first = 1",
           "DELETE FROM entries WHERE first = 5",
           "DELETE FROM entries WHERE first = 9",
           "DELETE FROM entries",
       }) {
    std::filesystem::remove_all(folder_);
    make_log();
    ASSERT_EQ(start_and_replay(), "");
    alter(sql);
    EXPECT_NE(start_and_replay(), "") << sql;
  }
}

TEST_F(SqliteLogTest, TheStartReadsTheTailAndTheReplayTheRest) {
  {
    const auto log = must_open();
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(append(*log, 2));
  }
  alter("UPDATE entries SET body = replace(body, 'x', 'y') WHERE first = 101");
  auto log = must_open();
  EXPECT_EQ(log->head()->last, LogIndex(200));
  EXPECT_EQ(log->read(LogIndex(1), 1000)->size(), 3U);
  EXPECT_EQ(log->read(LogIndex(101), 1000).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(log->read(LogIndex(102), 1000).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(log->read(LogIndex(103), 1000));
  EXPECT_EQ(verify(*log).error().code, ErrorCode::kCorrupt);
}

// Whatever bit of the files flips, the log either says so or gives back what was stored.
TEST_F(SqliteLogTest, AFlippedBitNeverChangesWhatIsRead) {
  make_log();
  const Head head = must_open()->head().value();
  const std::string path = folder_ + "/log.db";
  const std::string sound = read_file(path, 1 << 20).value();
  const auto random = seeded_random(11);
  int noticed = 0;
  for (int i = 0; i < 1'500; ++i) {
    std::string bytes = sound;
    const std::size_t at = random->below(bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random->below(8)));
    ASSERT_TRUE(replace_file(path, bytes));
    const auto log = SqliteLog::open(folder_);
    const auto end = log ? verify(**log) : Result<Head>(tl::unexpected(log.error()));
    if (end) {
      EXPECT_EQ(end.value(), head) << "byte " << at;
    } else {
      ++noticed;
      EXPECT_FALSE(end.error().message.empty());
    }
  }
  // The rest fell into free space or into counters that SQLite keeps for itself.
  EXPECT_GT(noticed, 50);
}

TEST_F(SqliteLogTest, ALostOrDamagedWriteAheadFileIsNoticed) {
  const auto log = must_open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(*log, 2));
  const std::string crashed = copy_folder("crashed");
  const std::string wal = read_file(crashed + "/log.db-wal", 1 << 20).value();
  ASSERT_GT(wal.size(), 40'000U);
  // As it is, it is whole.
  EXPECT_EQ(SqliteLog::open(copy_folder("sound")).value()->head().value(), log->head().value());

  for (const std::size_t keep : {std::size_t{0}, wal.size() / 2, wal.size() - 1}) {
    const std::string damaged = copy_folder("truncated");
    ASSERT_TRUE(replace_file(damaged + "/log.db-wal", wal.substr(0, keep)));
    std::filesystem::remove(damaged + "/log.db-shm");
    const auto opened = SqliteLog::open(damaged);
    ASSERT_FALSE(opened) << keep;
  }
  std::string flipped = wal;
  flipped[flipped.size() - 100] = static_cast<char>(flipped[flipped.size() - 100] ^ 1);
  const std::string damaged = copy_folder("flipped");
  ASSERT_TRUE(replace_file(damaged + "/log.db-wal", flipped));
  std::filesystem::remove(damaged + "/log.db-shm");
  const auto opened = SqliteLog::open(damaged);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(opened.error().message.find("ends with command 8, but commands up to 10 were stored"),
            std::string::npos)
      << opened.error().message;
  // The operator decides to go on without them.
  std::filesystem::remove(damaged + "/log.head");
  EXPECT_EQ(SqliteLog::open(damaged).value()->head()->last, LogIndex(8));
}

TEST_F(SqliteLogTest, AnotherLogInItsPlaceIsNoticed) {
  make_log();
  const std::string first = copy_folder("first");
  std::filesystem::remove_all(folder_);
  const auto log = must_open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(*log, 2, 'z'));
  const std::string other = copy_folder("other");
  std::filesystem::copy_file(first + "/log.head", other + "/log.head",
                             std::filesystem::copy_options::overwrite_existing);
  const auto opened = SqliteLog::open(other);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("not the one that log.head remembers"), std::string::npos);
  // A torn mark says nothing, and is no reason to stay down.
  ASSERT_TRUE(replace_file(other + "/log.head", "FLWHEAD1 torn"));
  EXPECT_TRUE(SqliteLog::open(other));
}

TEST_F(SqliteLogTest, ABackupTakenWhileItRunsIsTheLogOfThatMoment) {
  const auto log = must_open();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(*log, 20));
  const Head then = log->head().value();
  {
    auto db = SqliteDb::open(folder_ + "/log.db", SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(db->exec(fmt::format("VACUUM INTO '{}/backup.db'", root_)));
  }
  ASSERT_TRUE(append(*log, 1));
  const std::string restored = root_ + "/restored";
  std::filesystem::create_directory(restored);
  std::filesystem::rename(root_ + "/backup.db", restored + "/log.db");
  const auto opened = SqliteLog::open(restored);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened.value()->head().value(), then);
  EXPECT_EQ(verify(**opened).value(), then);
  EXPECT_TRUE(append(**opened, 1));
}

TEST_F(SqliteLogTest, ReadersSeeWholeEntriesWhileItAppends) {
  const auto log = must_open();
  ASSERT_TRUE(append(*log, 1));
  std::atomic<bool> done = false;
  std::thread reading([&] {
    const auto reader = SqliteLogReader::open(folder_);
    ASSERT_TRUE(reader) << reader.error().message;
    std::uint64_t seen = 0;
    while (!done || seen < 300) {
      const auto end = verify(**reader);
      ASSERT_TRUE(end) << end.error().message;
      ASSERT_GE(end->last.value, seen);
      seen = end->last.value;
    }
  });
  for (int i = 0; i < 300; ++i) {
    const auto appended = append(*log, 3);
    ASSERT_TRUE(appended) << appended.error().message;
    log->tend();
  }
  done = true;
  reading.join();
}

TEST_F(SqliteLogTest, EveryAppendIsSyncedBeforeItReturns) {
  FaultyDisk disk;
  const auto log = must_open();
  for (int i = 0; i < 5; ++i) {
    const int before = disk.syncs;
    ASSERT_TRUE(append(*log, 3));
    EXPECT_GT(disk.syncs, before);
  }
}

TEST_F(SqliteLogTest, AFullDiskRefusesAndThenTakesAgain) {
  FaultyDisk disk;
  const auto log = must_open();
  ASSERT_TRUE(append(*log, 3));
  const Head before = log->head().value();
  disk.full = true;
  for (int i = 0; i < 3; ++i) {
    const auto refused = append(*log, 500);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
    EXPECT_NE(refused.error().message.find("the disk is full"), std::string::npos);
  }
  EXPECT_EQ(log->head().value(), before);
  EXPECT_EQ(verify(*log).value(), before);
  disk.full = false;
  EXPECT_EQ(append(*log, 500)->first, LogIndex(4));
  EXPECT_EQ(verify(*log)->last, LogIndex(503));
}

TEST_F(SqliteLogTest, AFailedSyncEndsAppendingUntilARestart) {
  FaultyDisk disk;
  auto log = must_open();
  ASSERT_TRUE(append(*log, 3));
  disk.sync_fails = true;
  EXPECT_EQ(append(*log, 1).error().code, ErrorCode::kFailed);
  disk.sync_fails = false;
  const auto later = append(*log, 1);
  ASSERT_FALSE(later);
  EXPECT_NE(later.error().message.find("restart the server"), std::string::npos);
  log.reset();
  EXPECT_EQ(start_and_replay(), "");
}

TEST_F(SqliteLogTest, AnotherProgramsTransactionIsNamedNotWaitedForEver) {
  const auto log = must_open();
  auto other = SqliteDb::open(folder_ + "/log.db", SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(other->exec("BEGIN IMMEDIATE"));
  const auto refused = append(*log, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  EXPECT_NE(refused.error().message.find("another program has locked it"), std::string::npos);
  ASSERT_TRUE(other->exec("ROLLBACK"));
  EXPECT_TRUE(append(*log, 1));
}

// The power goes in the middle of the n-th write, for every n of a short life with checkpoints.
TEST_F(SqliteLogTest, APowerCutLosesNothingThatWasAnswered) {
  int cuts = 0;
  for (int n = 0;; ++n) {
    std::filesystem::remove_all(folder_);
    Head answered = genesis_head();
    bool cut = false;
    {
      FaultyDisk disk;
      disk.writes_until_cut = n;
      auto opened = SqliteLog::open(folder_);
      if (opened) {
        for (int i = 0; i < 8; ++i) {
          const auto appended = append(**opened, i % 3 == 0 ? 120 : 2);
          if (!appended) break;
          answered = opened.value()->head().value();
          // Long before its usual size, so that cuts fall into checkpoints too.
          if (i == 4) {
            auto db = SqliteDb::open(folder_ + "/log.db", SQLITE_OPEN_READWRITE);
            if (db) (void)db->exec("PRAGMA wal_checkpoint(PASSIVE)");
          }
        }
      }
      cut = disk.power_cut;
    }
    if (!cut) break;
    ++cuts;
    std::string sentence = start_and_replay();
    ASSERT_EQ(sentence, "") << "cut at write " << n;
    const auto log = must_open();
    ASSERT_GE(log->head()->last, answered.last) << "cut at write " << n;
    ASSERT_EQ(log->head_at(answered.last)->chain, answered.chain) << "cut at write " << n;
    ASSERT_TRUE(append(*log, 1));
  }
  EXPECT_GT(cuts, 40);
}

TEST_F(SqliteLogTest, AKilledProcessLosesNothingThatItAnswered) {
  for (int round = 0; round < 5; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(ends[0]);
      auto log = SqliteLog::open(folder_);
      while (log) {
        const auto appended = append(**log, 7);
        if (!appended) break;
        const std::uint64_t last = appended->last.value;
        if (write(ends[1], &last, sizeof(last)) != sizeof(last)) break;
      }
      _exit(1);
    }
    close(ends[1]);
    std::uint64_t last = 0;
    std::uint64_t answer = 0;
    for (int i = 0; i < 20 + 13 * round; ++i) {
      ASSERT_EQ(read(ends[0], &answer, sizeof(answer)), static_cast<ssize_t>(sizeof(answer)));
      last = answer;
    }
    ASSERT_EQ(kill(child, SIGKILL), 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    while (read(ends[0], &answer, sizeof(answer)) == static_cast<ssize_t>(sizeof(answer))) {
      last = answer;
    }
    close(ends[0]);
    ASSERT_EQ(start_and_replay(), "");
    EXPECT_GE(must_open()->head()->last.value, last);
  }
}

}  // namespace
}  // namespace fallow::log
