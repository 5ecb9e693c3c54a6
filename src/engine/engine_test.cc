#include "engine/engine.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <set>

#include "engine/audit.h"
#include "engine/market_test.h"
#include "log/faulty_disk_test.h"
#include "log/folder_snapshots.h"
#include "log/sqlite_log.h"
#include "log/sqlite_log_reader.h"

namespace fallow::engine {
namespace {

// A market in a folder, as bin/ wires it.
struct Market {
  static Result<std::unique_ptr<Market>> open(const std::string& folder, EngineOptions options = {},
                                              std::vector<Subscriber*> subscribers = {},
                                              const v1::Found& found = test_found()) {
    auto market = std::make_unique<Market>();
    FALLOW_ASSIGN(market->log, log::SqliteLog::open(folder));
    FALLOW_ASSIGN(market->snapshots, log::FolderSnapshots::open(folder + "/snapshots", 3));
    EngineParts parts;
    parts.log = market->log.get();
    parts.snapshots = market->snapshots.get();
    parts.open_reader = [folder]() -> Result<std::unique_ptr<log::LogReader>> {
      return log::SqliteLogReader::open(folder);
    };
    parts.clock = market->clock.get();
    parts.subscribers = std::move(subscribers);
    FALLOW_ASSIGN(market->engine, Engine::start(std::move(parts), options, found));
    return market;
  }

  std::unique_ptr<Clock> clock = system_clock();
  std::unique_ptr<log::SqliteLog> log;
  std::unique_ptr<log::FolderSnapshots> snapshots;
  std::unique_ptr<Engine> engine;
};

std::unique_ptr<Market> must_open(const std::string& folder, const EngineOptions& options = {}) {
  auto market = Market::open(folder, options);
  EXPECT_TRUE(market) << market.error().message;
  return std::move(*market);
}

Digest digest_of_market(Engine& engine) {
  std::promise<Digest> digest;
  EXPECT_TRUE(engine.read([&](const core::Machine& m) { digest.set_value(m.digest()); }));
  return digest.get_future().get();
}

Result<Audit> audit_folder(const std::string& folder) {
  FALLOW_ASSIGN(const auto reader, log::SqliteLogReader::open(folder));
  FALLOW_ASSIGN(const auto snapshots, log::FolderSnapshots::open(folder + "/snapshots", 3));
  return audit(*reader, snapshots.get(), {});
}

TEST(EngineTest, FoundsThenResumes) {
  const TempFolder folder;
  Digest digest{};
  {
    const auto market = must_open(folder.path());
    const auto answer = market->engine->execute(open_account("alice"));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->index.value, 2U);
    ASSERT_EQ(answer->events.size(), 1U);
    EXPECT_EQ(answer->events[0].account_opened().account(), 2U * 4096);
    market->engine->stop();
    market->engine->stop();
    EXPECT_EQ(market->engine->submit(open_account("b"), {}).error().code, ErrorCode::kClosed);
  }
  Recorder recorder(LogIndex(0));
  auto market = Market::open(folder.path(), {}, {&recorder});
  ASSERT_TRUE(market) << market.error().message;
  EXPECT_EQ((*market)->engine->replayed(), 2U);
  digest = digest_of_market(*(*market)->engine);
  (*market)->engine->stop();
  EXPECT_EQ(recorder.kinds,
            (std::vector<v1::Command::KindCase>{v1::Command::kFound, v1::Command::kOpenAccount,
                                                v1::Command::kResume}));
  const auto audited = audit_folder(folder.path());
  ASSERT_TRUE(audited) << audited.error().message;
  EXPECT_EQ(audited->digest, digest);
}

TEST(EngineTest, ManyThreadsAreAllAnsweredOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  const TempFolder folder;
  EngineOptions options;
  options.snapshots.commands_between_min = 300;
  options.snapshots.time_between_min = Duration(0);
  const auto market = must_open(folder.path(), options);
  Engine& engine = *market->engine;
  std::mutex mutex;
  std::multiset<std::uint64_t> indexes;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const v1::Command command = deposit(kOperator, 1, fmt::format("{}-{}", t, i));
        while (!engine.submit(command, [&](const Result<Applied>& applied, const core::Machine&) {
          const std::lock_guard lock(mutex);
          indexes.insert(applied ? applied->index.value : 0);
        })) {
          std::this_thread::yield();
        }
        EXPECT_TRUE(engine.read([](const core::Machine& machine) { machine.counts(); }));
        static_cast<void>(engine.stats());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(engine.execute(open_account("last")));
  const Digest digest = digest_of_market(engine);
  engine.stop();
  EXPECT_EQ(indexes.size(), std::size_t{kThreads * kEach});
  EXPECT_EQ(std::set<std::uint64_t>(indexes.begin(), indexes.end()).size(), indexes.size());
  EXPECT_EQ(indexes.count(0), 0U);
  const auto audited = audit_folder(folder.path());
  ASSERT_TRUE(audited) << audited.error().message;
  EXPECT_EQ(audited->digest, digest);
}

TEST(EngineTest, RestartsFromASnapshotMadeBesideTheMarket) {
  const TempFolder folder;
  EngineOptions options;
  options.snapshots.commands_between_min = 50;
  options.snapshots.time_between_min = Duration(0);
  options.snapshot_at_stop_commands_min = 0;
  {
    const auto market = must_open(folder.path(), options);
    for (int i = 0; i < 60; ++i) {
      ASSERT_TRUE(market->engine->execute(deposit(kOperator, 1, std::to_string(i))));
    }
    for (int i = 0; i < 1'000 && market->engine->stats().snapshots.taken == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ASSERT_EQ(market->engine->stats().snapshots.last_error, "");
    ASSERT_GE(market->engine->stats().snapshots.taken, 1U);
    ASSERT_TRUE(market->engine->execute(open_account("behind the snapshot")));
  }
  const auto market = must_open(folder.path(), options);
  EXPECT_GE(market->engine->started_from().value, 50U);
  EXPECT_LE(market->engine->replayed(), 12U);
  EXPECT_TRUE(market->engine->notes().empty());
  const Digest digest = digest_of_market(*market->engine);
  market->engine->stop();
  const auto audited = audit_folder(folder.path());
  ASSERT_TRUE(audited) << audited.error().message;
  EXPECT_EQ(audited->digest, digest);
  EXPECT_GE(audited->snapshots_checked, 1U);
}

TEST(EngineTest, ACleanStopLeavesASnapshot) {
  const TempFolder folder;
  EngineOptions options;
  options.snapshot_at_stop_commands_min = 3;
  {
    const auto market = must_open(folder.path(), options);
    ASSERT_TRUE(market->engine->execute(open_account("a")));
    ASSERT_TRUE(market->engine->execute(open_account("b")));
  }
  const auto market = must_open(folder.path(), options);
  EXPECT_EQ(market->engine->started_from().value, 3U);
  EXPECT_EQ(market->engine->replayed(), 0U);
}

TEST(EngineTest, AnAlteredEntryRefusesToStart) {
  const TempFolder folder;
  {
    const auto market = must_open(folder.path());
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(market->engine->execute(deposit(kOperator, 1, std::to_string(i))));
    }
  }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder.path() + "/log.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db,
                         "UPDATE entries SET body = CAST(substr(body, 1, length(body) - 1) || x'41'"
                         " AS BLOB) WHERE first = 5",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  const auto market = Market::open(folder.path());
  ASSERT_FALSE(market);
  EXPECT_EQ(market.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(market.error().message.find("commands 5 to 5"), std::string::npos)
      << market.error().message;
  EXPECT_NE(market.error().message.find("backup"), std::string::npos);
  EXPECT_FALSE(audit_folder(folder.path()));
}

TEST(EngineTest, ALogThatFoundsNoMarketRefusesToStart) {
  const TempFolder folder;
  {
    const auto log = log::SqliteLog::open(folder.path());
    ASSERT_TRUE(log);
    const std::string bytes = open_account("a").SerializeAsString();
    ASSERT_TRUE((*log)->append(std::vector<std::string_view>{bytes}, Time{1}));
  }
  const auto market = Market::open(folder.path());
  ASSERT_FALSE(market);
  EXPECT_NE(market.error().message.find("backup"), std::string::npos) << market.error().message;
}

// The folder of a market that was founded wrongly is not lost: the next start may found it.
TEST(EngineTest, WhatFoundsNoMarketIsNotWritten) {
  const TempFolder folder;
  v1::Found wrong = test_found();
  wrong.mutable_policy()->set_proof_interval_us(-1);
  const auto refused = Market::open(folder.path(), {}, {}, wrong);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("proof_interval"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(must_open(folder.path())->log->head().value().last, LogIndex{1});
}

TEST(EngineTest, AFullDiskRefusesAndTheMarketGoesOnAfterwards) {
  const TempFolder folder;
  log::FaultyDisk disk;
  EngineOptions options;
  options.sequencer.storage_retry = milliseconds(10);
  const auto market = must_open(folder.path(), options);
  Engine& engine = *market->engine;
  ASSERT_TRUE(engine.execute(open_account("before")));
  disk.full = true;
  const auto refused = engine.execute(open_account("while"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  EXPECT_NE(engine.stats().sequencer.storage_error.find("full"), std::string::npos);
  const Digest reading = digest_of_market(engine);
  EXPECT_NE(reading, Digest{});
  disk.full = false;
  for (int i = 0; i < 1'000 && !engine.stats().sequencer.storage_error.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(engine.stats().sequencer.storage_error, "");
  ASSERT_TRUE(engine.execute(open_account("after")));
  const Digest digest = digest_of_market(engine);
  engine.stop();
  const auto audited = audit_folder(folder.path());
  ASSERT_TRUE(audited) << audited.error().message;
  EXPECT_EQ(audited->digest, digest);
  EXPECT_EQ(audited->counts.accounts, 3U) << "operator, before, after";
}

// The child submits as fast as it can and writes the index of every answered command to the pipe,
// until it is killed.
[[noreturn]] void submit_until_killed(const std::string& folder, std::uint64_t seed, int pipe_end) {
  EngineOptions options;
  options.snapshots.commands_between_min = 500;
  options.snapshots.time_between_min = Duration(0);
  auto market = Market::open(folder, options);
  if (!market) ::_exit(1);
  for (std::uint64_t i = 0;; ++i) {
    const v1::Command command = deposit(kOperator, 1, fmt::format("{}-{}", seed, i));
    const Status queued = (*market)->engine->submit(
        command, [pipe_end](const Result<Applied>& applied, const core::Machine&) {
          if (!applied) ::_exit(2);
          const std::uint64_t index = applied->index.value;
          if (::write(pipe_end, &index, sizeof index) != sizeof index) ::_exit(3);
        });
    if (!queued) std::this_thread::yield();
  }
}

TEST(EngineTest, NothingAnsweredIsMissingAfterKill9) {
  const TempFolder folder;
  std::uint64_t answered_last = 0;
  const auto random = seeded_random(7);
  for (std::uint64_t round = 0; round < 10; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) submit_until_killed(folder.path(), round, ends[1]);
    ::close(ends[1]);
    // At least one answer, then death at a random moment.
    std::uint64_t index = 0;
    ASSERT_EQ(::read(ends[0], &index, sizeof index), static_cast<ssize_t>(sizeof index));
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(random->below(40'000)));
      ::kill(child, SIGKILL);
    });
    do {
      EXPECT_GT(index, answered_last);
      answered_last = index;
    } while (::read(ends[0], &index, sizeof index) == static_cast<ssize_t>(sizeof index));
    killer.join();
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
    ::close(ends[0]);

    const auto audited = audit_folder(folder.path());
    ASSERT_TRUE(audited) << audited.error().message;
    ASSERT_GE(audited->head.last.value, answered_last);
  }
  const auto market = must_open(folder.path());
  const Digest digest = digest_of_market(*market->engine);
  market->engine->stop();
  const auto audited = audit_folder(folder.path());
  ASSERT_TRUE(audited) << audited.error().message;
  EXPECT_EQ(audited->digest, digest) << "snapshot and tail are the whole replay";
}

}  // namespace
}  // namespace fallow::engine
