// The whole agent over real sandboxes, with the hub and the artifact store by hand.
#include <fcntl.h>
#include <sys/file.h>

#include "runtime/agent_world_test.h"

namespace fallow::runtime {
namespace {

TEST_F(AgentTest, RunsATaskWithInputOutputAndLogs) {
  // Its three tenths of a second begin when it is known to run: what ran before that is not
  // metered.
  v1::DesiredLease desired = lease(7,
                                   "echo hello from task $FALLOW_TASK; echo oops >&2; "
                                   "while [ ! -e go ]; do sleep 0.05; done; sleep 0.3; "
                                   "tr a-z A-Z < input > $FALLOW_OUT/result");
  desired.set_task(3);
  desired.mutable_workload()->set_input_manifest("given");
  desired.mutable_workload()->set_collect_output(true);
  hub_.desire({desired});
  hub_.wait_for(7, v1::RUNNING);
  ASSERT_TRUE(replace_file(folder_ + "/leases/7/work/go", ""));
  const v1::WorkloadReport ended = hub_.wait_for(7, v1::ENDED);
  EXPECT_EQ(ended.reason(), v1::COMPLETED) << ended.detail();
  EXPECT_EQ(ended.output_manifest(), "GIVEN");
  // Told before the end was.
  EXPECT_EQ(hub_.log(7), "hello from task 3\n");
  EXPECT_EQ(hub_.log(7, v1::STDERR), "oops\n");
  const auto meters = hub_.meters(7);
  EXPECT_GE(meters.size(), 3U);
  EXPECT_EQ(meters.rbegin()->first, meters.size()) << "no gap";
  v1::MeterRecord last;
  ASSERT_TRUE(last.ParseFromString(meters.rbegin()->second));
  EXPECT_GE(last.running_us(), seconds(0).value + 300'000);
  EXPECT_TRUE(verify_signature(
      to_bytes(key_->public_key()),
      meter_bytes(key_->public_key(), LeaseId(7), last.sequence(), Duration(last.running_us()),
                  Time{last.measured_at_us()}, Duration(last.slowed_us()), last.egress_bytes()),
      last.signature()));
}

TEST_F(AgentTest, BadOrdersEndWithTheirReason) {
  v1::DesiredLease no_input = lease(7, "true");
  no_input.mutable_workload()->set_input_manifest("missing");
  v1::DesiredLease bad_name = lease(8, "true");
  bad_name.mutable_workload()->add_environment()->set_name("FALLOW_OUT");
  v1::DesiredLease no_program = lease(9, "");
  no_program.mutable_workload()->clear_command();
  no_program.mutable_workload()->add_command("no-such-program");
  hub_.desire({no_input, bad_name, no_program, lease(10, "exit 3")});
  EXPECT_EQ(hub_.wait_for(7, v1::ENDED).reason(), v1::INPUT_INVALID);
  EXPECT_EQ(hub_.wait_for(8, v1::ENDED).reason(), v1::INPUT_INVALID);
  EXPECT_EQ(hub_.wait_for(9, v1::ENDED).exit_code(), 127);
  EXPECT_EQ(hub_.wait_for(10, v1::ENDED).exit_code(), 3);
}

TEST_F(AgentTest, ARestartedAgentGoesOnWithItsWorkload) {
  // Its second and a half begins when its agent knows that it runs.
  hub_.desire({lease(7,
                     "echo begun $$; while [ ! -e go ]; do sleep 0.05; done; sleep 1.5; echo done; "
                     "exit 6")});
  hub_.wait_for(7, v1::RUNNING);
  ASSERT_TRUE(replace_file(folder_ + "/leases/7/work/go", ""));
  for (int i = 0; i < 500 && hub_.meters(7).size() < 2; ++i) ::usleep(10'000);
  const std::string supervisor = read_file(folder_ + "/leases/7/pid", 64).value();
  end();
  begin();
  EXPECT_EQ(read_file(folder_ + "/leases/7/pid", 64).value(), supervisor);
  const v1::WorkloadReport ended = hub_.wait_for(7, v1::ENDED);
  EXPECT_EQ(ended.exit_code(), 6);
  // It may have ended before the new agent was connected; its output then comes after its end.
  hub_.wait_for_words(7, "done\n");
  EXPECT_EQ(hub_.log(7).find("begun"), hub_.log(7).rfind("begun")) << "ran twice";
  EXPECT_THAT(hub_.log(7), testing::EndsWith("done\n"));
  const auto meters = hub_.meters(7);
  EXPECT_EQ(meters.rbegin()->first, meters.size());
  v1::MeterRecord last;
  ASSERT_TRUE(last.ParseFromString(meters.rbegin()->second));
  EXPECT_GE(last.running_us(), 1'500'000);
  EXPECT_LT(last.running_us(), 8'000'000);
}

TEST_F(AgentTest, AnAgentThatStaysAwayLosesTheWorkloadToTheFence) {
  hub_.desire({lease(7, "sleep 4245")});
  hub_.wait_for(7, v1::RUNNING);
  end();
  wait_for_exit_file(7);  // close_after 6 s less a sixth is 5 s
  begin();
  EXPECT_EQ(hub_.wait_for(7, v1::ENDED).reason(), v1::HOST_LOST);
  v1::MeterRecord last;
  const auto meters = hub_.meters(7);
  ASSERT_TRUE(last.ParseFromString(meters.rbegin()->second));
  EXPECT_LT(last.running_us(), 6'500'000);
}

TEST_F(AgentTest, CutOffFromTheMarketItFencesItself) {
  hub_.desire({lease(7, "sleep 60")});
  hub_.wait_for(7, v1::RUNNING);
  hub_.set_unreachable(true);
  hub_.close();
  wait_for_exit_file(7);
  hub_.set_unreachable(false);
  EXPECT_EQ(hub_.wait_for(7, v1::ENDED).reason(), v1::HOST_LOST);
}

TEST_F(AgentTest, TheOwnersWordSuspendsAndEvicts) {
  hub_.desire({lease(7, "trap 'exit 0' TERM; while :; do sleep 0.05; done")});
  hub_.wait_for(7, v1::RUNNING);
  ASSERT_TRUE(agent::OwnerFile::write(folder_, v1::OWNER_PRESENT));
  hub_.wait_for(7, v1::SUSPENDED);
  EXPECT_EQ(hub_.wait_for(7, v1::ENDED).reason(), v1::OWNER_RETURNED);
}

TEST_F(AgentTest, AStoppedTaskEndsAndNothingStays) {
  v1::DesiredLease desired = lease(7, "trap '' TERM; echo deaf; while :; do sleep 0.05; done");
  hub_.desire({desired});
  hub_.wait_for_words(7, "deaf");
  desired.set_stop(true);
  hub_.desire({desired});
  const v1::WorkloadReport ended = hub_.wait_for(7, v1::ENDED);
  EXPECT_EQ(ended.reason(), v1::STOPPED);
  EXPECT_EQ(ended.signal(), 9);
  hub_.desire({});
  wait_until_idle();
  end();
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/leases/7"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/leases/trash"));
}

TEST_F(AgentTest, OneAgentForOneFolder) {
  const auto second =
      Agent::make({folder_, NodeId(5), *key_, {}, {}, 1}, *runtime_, hub_, store_, *random_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
}

// `fallow agent status` takes the lock to see whether somebody has it.
TEST_F(AgentTest, WhoOnlyLooksAtTheLockKeepsNoAgentFromStarting) {
  agent_->stop();
  thread_.join();
  agent_.reset();
  Fd looks = open_file(folder_ + "/agent.lock", O_RDWR).value();
  ASSERT_EQ(::flock(looks.get(), LOCK_EX | LOCK_NB), 0);
  std::thread looker([&looks] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    looks.reset();
  });
  auto made =
      Agent::make({folder_, NodeId(5), *key_, {}, {}, 1}, *runtime_, hub_, store_, *random_);
  looker.join();
  EXPECT_TRUE(made) << made.error().message;
}

TEST_F(AgentTest, ACheckpointIsSavedWhileItRunsAndAtTheNoticeAndIsThereAgain) {
  const std::string script =
      "trap 'cat $FALLOW_NOTICE; echo last > .s; mv .s $FALLOW_CHECKPOINT_DIR/state; exit 75' TERM;"
      "cd $FALLOW_CHECKPOINT_DIR; cat state; echo first > .state; mv .state state;"
      "while :; do sleep 0.05; done";
  hub_.desire({lease(7, script)});
  for (int i = 0; i < 3000 && hub_.wait_for(7, v1::RUNNING).checkpoint().sequence() == 0; ++i) {
    ::usleep(10'000);
  }
  EXPECT_EQ(hub_.wait_for(7, v1::RUNNING).checkpoint().manifest(), "first\n");
  v1::DesiredLease stopped = lease(7, script);
  stopped.set_stop(true);
  stopped.set_stop_grace_us(seconds(20).value);
  hub_.desire({stopped});
  const v1::WorkloadReport ended = hub_.wait_for(7, v1::ENDED);
  EXPECT_EQ(ended.exit_code(), 75);
  EXPECT_EQ(ended.checkpoint().manifest(), "last\n");
  EXPECT_EQ(ended.checkpoint().sequence(), 2U);
  EXPECT_EQ(hub_.log(7), "{\"reason\":\"STOPPED\",\"seconds\":20}\n");

  v1::DesiredLease next =
      lease(8, "cat $FALLOW_CHECKPOINT_DIR/state; ls -A $FALLOW_CHECKPOINT_DIR");
  next.set_checkpoint_manifest(ended.checkpoint().manifest());
  v1::DesiredLease none = lease(9, "ls -A $FALLOW_CHECKPOINT_DIR; echo begun");
  none.set_checkpoint_manifest("missing");
  hub_.desire({next, none});
  EXPECT_EQ(hub_.wait_for(8, v1::ENDED).reason(), v1::COMPLETED);
  EXPECT_EQ(hub_.log(8), "last\nstate\n");
  EXPECT_EQ(hub_.wait_for(9, v1::ENDED).reason(), v1::COMPLETED);
  EXPECT_EQ(hub_.log(9), "begun\n");
  EXPECT_THAT(hub_.log(9, v1::STDERR), testing::HasSubstr("begins anew"));
}

// The market waits for the end for a bounded time, so what its renter waits for goes first.
TEST_F(AgentTest, OutputsAreBroughtBeforeTheLastCheckpoint) {
  v1::DesiredLease desired =
      lease(7, "echo done > $FALLOW_OUT/result; echo last > $FALLOW_CHECKPOINT_DIR/state; exit 3");
  desired.mutable_workload()->set_collect_output(true);
  hub_.desire({desired});
  const v1::WorkloadReport ended = hub_.wait_for(7, v1::ENDED);
  EXPECT_EQ(ended.output_manifest(), "done\n");
  EXPECT_EQ(ended.checkpoint().manifest(), "last\n");
  EXPECT_EQ(store_.puts_before_saving_, 1);
}

}  // namespace
}  // namespace fallow::runtime
