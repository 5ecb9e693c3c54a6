#include "engine/sequencer.h"

#include <map>

#include "engine/market_test.h"
#include "engine/recovery.h"

namespace fallow::engine {
namespace {

// A sequencer over a log that can be made to fail, driven by hand; Found is command 1.
struct SequencerTest : testing::Test {
  void start(const SequencerLimits& limits = {}) {
    sequencer = std::make_unique<Sequencer>(log, log::genesis_head(), machine, clock,
                                            std::vector<Subscriber*>{&recorder}, limits);
    submit(found_command());
    ASSERT_TRUE(sequencer->step());
    ASSERT_EQ(answers.size(), 1U);
  }
  Status submit(const v1::Command& command) {
    return sequencer->submit(command, [this](const Result<Applied>& applied, const core::Machine&) {
      if (applied) {
        answers.push_back(applied->index.value);
        answered.insert(answered.end(), applied->events.begin(), applied->events.end());
      } else {
        refusals.push_back(applied.error());
      }
    });
  }
  void submit_all(const std::vector<v1::Command>& commands) {
    for (const v1::Command& command : commands) ASSERT_TRUE(submit(command));
  }
  std::size_t entries() {
    const auto read = log.read(LogIndex(1), std::size_t{1} << 30);
    EXPECT_TRUE(read);
    return read->size();
  }

  ManualClock clock;
  FlakyLog log;
  core::Machine machine;
  Recorder recorder;
  std::unique_ptr<Sequencer> sequencer;
  std::vector<std::uint64_t> answers;
  std::vector<v1::Event> answered;
  std::vector<Error> refusals;
};

TEST_F(SequencerTest, WhatWaitsBecomesOneEntryAnsweredInOrder) {
  start();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(submit(open_account("a" + std::to_string(i))));
  EXPECT_EQ(answers.size(), 1U) << "nothing is answered before it is durable";
  EXPECT_TRUE(sequencer->step());
  EXPECT_EQ(answers, (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(entries(), 2U);
  EXPECT_EQ(recorder.batches, 2);
  EXPECT_EQ(recorder.indexes, answers);
  EXPECT_EQ(recorder.chain, log.head()->chain);
  EXPECT_EQ(sequencer->chain(), log.head()->chain);
  EXPECT_FALSE(sequencer->step()) << "nothing is left";
  EXPECT_EQ(sequencer->stats().commands, 11U);
  EXPECT_EQ(sequencer->stats().applied.value, 11U);
}

TEST_F(SequencerTest, BatchesKeepTheirLimits) {
  SequencerLimits limits;
  limits.batch_commands_max = 4;
  limits.batch_bytes_max = 300;
  start(limits);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(submit(open_account("a")));
  while (sequencer->step()) {
  }
  EXPECT_EQ(entries(), 1U + 3U) << "4 + 4 + 2";
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(submit(open_account(std::string(199, 'x'))));
  while (sequencer->step()) {
  }
  EXPECT_EQ(entries(), 4U + 2U) << "two of 200 bytes pass 300";
  EXPECT_EQ(answers.size(), 15U);
}

TEST_F(SequencerTest, ARefusalOfTheMarketIsAnAnswer) {
  start();
  ASSERT_TRUE(submit(deposit(999 * 4096, 5, "r")));
  sequencer->step();
  EXPECT_EQ(answers.back(), 2U);
  ASSERT_FALSE(answered.empty());
  EXPECT_TRUE(answered.back().has_refused());
  EXPECT_TRUE(refusals.empty());
}

TEST_F(SequencerTest, ACompletionSeesTheMarketRightAfterItsCommand) {
  start();
  std::vector<std::size_t> accounts;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(sequencer->submit(open_account("a"),
                                  [&](const Result<Applied>&, const core::Machine& market) {
                                    accounts.push_back(market.counts().accounts);
                                  }));
  }
  sequencer->step();
  EXPECT_EQ(accounts, (std::vector<std::size_t>{2, 3, 4}));
}

TEST_F(SequencerTest, AFullQueueTurnsAwayAndRecovers) {
  SequencerLimits limits;
  limits.commands_waiting_max = 3;
  start(limits);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(submit(open_account("a")));
  const Status full = submit(open_account("a"));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kBusy);
  EXPECT_EQ(sequencer->stats().turned_away, 1U);
  sequencer->step();
  EXPECT_TRUE(submit(open_account("a")));
  sequencer->step();
  EXPECT_EQ(answers.size(), 1U + 3U + 1U) << "the one turned away is not answered";
}

TEST_F(SequencerTest, BytesWaitingAreBoundedToo) {
  SequencerLimits limits;
  limits.bytes_waiting_max = 1'000;
  start(limits);
  ASSERT_TRUE(submit(open_account(std::string(190, 'a'))));
  ASSERT_TRUE(submit(open_account(std::string(190, 'a'))));
  ASSERT_TRUE(submit(open_account(std::string(190, 'a'))));
  ASSERT_TRUE(submit(open_account(std::string(190, 'a'))));
  EXPECT_EQ(submit(open_account(std::string(190, 'a'))).error().code, ErrorCode::kBusy);
  sequencer->step();
  EXPECT_TRUE(submit(open_account(std::string(190, 'a'))));
}

TEST_F(SequencerTest, WhatAReplayCouldNotParseNeverReachesTheLog) {
  SequencerLimits limits;
  limits.command_bytes_max = 1'000;
  start(limits);
  EXPECT_EQ(submit(v1::Command()).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(submit(open_account("\xff\xfe")).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(submit(open_account(std::string(1'001, 'a'))).error().code, ErrorCode::kTooLarge);
  EXPECT_FALSE(sequencer->step());
  EXPECT_EQ(entries(), 1U);
}

TEST_F(SequencerTest, AFullDiskRefusesKeepsReadingAndRecoversByItself) {
  start();
  log.failure = Error{ErrorCode::kBusy, "the disk of /data is full"};
  ASSERT_TRUE(submit(open_account("a")));
  const Digest before = machine.digest();
  EXPECT_TRUE(sequencer->step());
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0].code, ErrorCode::kBusy);
  EXPECT_EQ(refusals[0].message.find("/data"), std::string::npos) << "paths are the operator's";
  EXPECT_EQ(machine.digest(), before);
  EXPECT_EQ(sequencer->stats().storage_error, "the disk of /data is full");

  bool looked = false;
  ASSERT_TRUE(sequencer->read([&](const core::Machine&) { looked = true; }));
  sequencer->step();
  EXPECT_TRUE(looked);

  // Until the next attempt is due, commands are refused at once and the disk is left alone.
  const int appends = log.appends;
  ASSERT_TRUE(submit(open_account("b")));
  sequencer->step();
  EXPECT_EQ(refusals.size(), 2U);
  EXPECT_EQ(log.appends, appends);
  EXPECT_GT(sequencer->idle_for_max(), Duration(0));

  // Still full: it tries with a command of its own, since nobody may dare to submit any more.
  clock.pass(seconds(1));
  EXPECT_EQ(sequencer->idle_for_max(), Duration(0));
  EXPECT_TRUE(sequencer->step());
  EXPECT_EQ(log.appends, appends + 1);
  EXPECT_FALSE(sequencer->stats().storage_error.empty());

  log.failure.reset();
  clock.pass(seconds(1));
  EXPECT_TRUE(sequencer->step());
  EXPECT_TRUE(sequencer->stats().storage_error.empty());
  EXPECT_EQ(sequencer->stats().storage_errors, 2U);
  ASSERT_TRUE(submit(open_account("c")));
  sequencer->step();
  EXPECT_EQ(answers.size(), 2U);
  EXPECT_EQ(machine.last_index(), log.head()->last);
}

TEST_F(SequencerTest, WhenItIsUnknownWhatIsStoredTheProcessStops) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  start();
  log.failure = Error{ErrorCode::kFailed, "the disk answered with an error"};
  ASSERT_TRUE(submit(open_account("a")));
  EXPECT_DEATH(sequencer->step(), "the disk answered with an error.*start the server again");
}

TEST_F(SequencerTest, ATickIsProposedOnceWhenADeadlineHasPassed) {
  start();
  submit_all(commands_to_a_lease());
  sequencer->step();
  ASSERT_EQ(count_of(recorder.events, v1::Event::kLeasePlaced), 1U);
  ASSERT_TRUE(machine.next_deadline());
  EXPECT_FALSE(sequencer->step()) << "no deadline has passed";

  clock.pass(*machine.next_deadline() - clock.now());
  EXPECT_EQ(sequencer->idle_for_max(), Duration(0));
  EXPECT_TRUE(sequencer->append_step());
  EXPECT_FALSE(sequencer->append_step()) << "the Tick is on its way already";
  EXPECT_EQ(sequencer->idle_for_max(), Sequencer::kIdleMax);
  EXPECT_TRUE(sequencer->apply_step());
  EXPECT_EQ(recorder.kinds.back(), v1::Command::kTick);
  EXPECT_GT(machine.next_deadline().value_or(Time{INT64_MAX}), clock.now());

  // Silence for as long as the policy says ends the lease, by Ticks alone.
  for (int i = 0; i < 100 && count_of(recorder.events, v1::Event::kLeaseEnded) == 0; ++i) {
    clock.pass(seconds(1));
    sequencer->step();
  }
  EXPECT_EQ(count_of(recorder.events, v1::Event::kLeaseEnded), 1U);
  machine.check_invariants();
}

TEST_F(SequencerTest, TheNextBatchIsAppendedWhileTheLastIsNotYetApplied) {
  SequencerLimits limits;
  limits.batch_commands_max = 1;
  limits.batches_ahead_max = 2;
  start(limits);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(submit(open_account("a")));
  EXPECT_TRUE(sequencer->append_step());
  EXPECT_TRUE(sequencer->append_step());
  EXPECT_FALSE(sequencer->append_step()) << "two ahead is the limit";
  EXPECT_EQ(log.head()->last.value, 3U);
  EXPECT_EQ(machine.last_index().value, 1U);
  EXPECT_TRUE(sequencer->apply_step());
  EXPECT_TRUE(sequencer->append_step());
  while (sequencer->step()) {
  }
  EXPECT_EQ(answers, (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
}

TEST_F(SequencerTest, LongReadsTakeTurnsWithCommands) {
  SequencerLimits limits;
  limits.reads_per_step_max = milliseconds(1);
  limits.reads_waiting_max = 8;
  start(limits);
  clock.per_look = microseconds(400);  // so that a step has time for three reads
  int looks = 0;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(sequencer->read([&](const core::Machine&) { ++looks; }));
  }
  EXPECT_EQ(sequencer->read([](const core::Machine&) {}).error().code, ErrorCode::kBusy);
  ASSERT_TRUE(submit(open_account("a")));
  sequencer->append_step();
  EXPECT_TRUE(sequencer->apply_step());
  EXPECT_EQ(answers.size(), 2U) << "the command does not wait for the reads";
  EXPECT_EQ(looks, 3);
  while (sequencer->apply_step()) {
  }
  EXPECT_EQ(looks, 8);
}

TEST_F(SequencerTest, CloseWorksOffWhatWasAccepted) {
  start();
  ASSERT_TRUE(submit(open_account("a")));
  bool looked = false;
  ASSERT_TRUE(sequencer->read([&](const core::Machine&) { looked = true; }));
  sequencer->close();
  EXPECT_EQ(submit(open_account("b")).error().code, ErrorCode::kClosed);
  EXPECT_EQ(sequencer->read([](const core::Machine&) {}).error().code, ErrorCode::kClosed);
  EXPECT_FALSE(sequencer->drained());
  while (sequencer->step()) {
  }
  EXPECT_TRUE(sequencer->drained());
  EXPECT_TRUE(looked);
  EXPECT_EQ(answers.size(), 2U);
}

TEST_F(SequencerTest, TimeGoesOnWhenTheWallClockIsSetBack) {
  start();
  const Time founded = machine.now();
  clock.set_wall(clock.now() - hours(1));
  clock.pass_monotonic(seconds(10));
  ASSERT_TRUE(submit(open_account("a")));
  sequencer->step();
  EXPECT_EQ(machine.now(), founded + seconds(10));
}

// A node that has just been heard would be given up, and its task placed elsewhere while it runs.
TEST_F(SequencerTest, TimeDoesNotLeapWhenTheWallClockIsSetForward) {
  start();
  submit_all(commands_to_a_lease());
  sequencer->step();
  ASSERT_EQ(count_of(recorder.events, v1::Event::kLeasePlaced), 1U);
  const Time before = machine.now();
  clock.set_wall(clock.now() + hours(2));
  for (int i = 0; i < 29; ++i) {
    clock.pass(seconds(1));
    while (sequencer->step()) {
    }
  }
  EXPECT_EQ(count_of(recorder.events, v1::Event::kLeaseEnded), 0U);
  ASSERT_TRUE(submit(open_account("b")));
  sequencer->step();
  EXPECT_GE(machine.now(), before + seconds(29));
  EXPECT_LE(machine.now(), before + seconds(29) + Duration(seconds(29).value / MarketTime::kHurry));
  // It catches up in the end, and stays with the wall clock then.
  for (int i = 0; i < 2 * 64; ++i) {
    clock.pass(hours(1));
    while (sequencer->step()) {
    }
  }
  ASSERT_TRUE(submit(open_account("c")));
  sequencer->step();
  EXPECT_EQ(machine.now(), clock.now());
}

TEST_F(SequencerTest, AnotherRunOfTheSameCommandsIsTheSameMarket) {
  start();
  submit_all(commands_to_a_lease());
  while (sequencer->step()) {
  }
  const auto recovered = recover(log, nullptr, {}, {}, nullptr);
  ASSERT_TRUE(recovered) << recovered.error().message;
  EXPECT_EQ(recovered->machine->digest(), machine.digest());
  EXPECT_EQ(recovered->head.chain, sequencer->chain());
}

}  // namespace
}  // namespace fallow::engine
