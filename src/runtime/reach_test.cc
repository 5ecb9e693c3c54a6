// The door of a sandbox, and the process behind it, in every kind that works here.
#include "runtime/reach_fixture_test.h"

namespace fallow::runtime {
namespace {

using testing::HasSubstr;

TEST_P(ReachTest, RunsACommandBesideTheWorkload) {
  start_sleeper();
  const Ran ran =
      exec({"/bin/sh", "-c", "cat; echo err >&2; pwd; ls /proc/self/fd | wc -l; exit 9"}, "in\n");
  EXPECT_EQ(ran.refusal, "");
  EXPECT_EQ(ran.code, 9U);
  // Three descriptors, and the folder that ls itself reads.
  EXPECT_EQ(ran.out, "in\n/work\n4\n");
  EXPECT_EQ(ran.err, "err\n");
  EXPECT_EQ(exec({"/no/such"}).code, 127U);
}

TEST_P(ReachTest, GivesATerminalOfTheRightSize) {
  start_sleeper();
  const Ran ran = exec({"/bin/sh", "-c", "tty; stty size"}, {}, true);
  EXPECT_EQ(ran.code, 0U) << ran.refusal;
  EXPECT_THAT(ran.out, HasSubstr("/dev/pts/"));
  EXPECT_THAT(ran.out, HasSubstr("33 99"));
}

TEST_P(ReachTest, ManyAtOnceAreServed) {
  start_sleeper();
  std::vector<Fd> held;
  for (int i = 0; i < 10; ++i) held.push_back(enter());
  const Ran ran = exec({"/bin/echo", "still"});
  EXPECT_EQ(ran.out, "still\n") << ran.refusal;
}

TEST_P(ReachTest, EndsWithTheWorkloadAndIsShutThen) {
  start_sleeper();
  tunnel::Endpoint endpoint(enter().release(), tunnel::Side::kRenter);
  tunnel::ExecRequest request;
  request.command = {"/bin/sleep", "300"};
  endpoint.mux().open(tunnel::encode_request(request));
  bool ready = false;
  endpoint.on_event([&](const MuxEvent& event) { ready |= event.kind == MuxEvent::Kind::kReady; });
  while (!ready && endpoint.turn(10'000)) {
  }
  ASSERT_TRUE(ready);
  runtime_->kill(LeaseId(7));
  const Time until = boot_time() + seconds(30);
  while (boot_time() < until && endpoint.turn(1000)) {
  }
  EXPECT_LT(boot_time(), until);
  ASSERT_TRUE(next<Exited>());
  EXPECT_FALSE(runtime_->enter(LeaseId(7)));
  const auto nobody = runtime_->enter(LeaseId(99));
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(nobody.error().message.find('/'), std::string::npos) << nobody.error().message;
}

TEST_P(ReachTest, WhatItRunsCountsAgainstTheLimits) {
  if (GetParam() == v1::GVISOR) GTEST_SKIP() << "what is counted there are gVisor's own threads";
  LaunchSpec spec = shell("echo up; sleep 300");
  spec.processes_max = 24;
  start(spec);
  ASSERT_TRUE(next<Started>());
  const Ran ran = exec({"/usr/bin/python3", "-c",
                        "import os\nn = 0\ntry:\n  while n < 100:\n    if os.fork() == 0:\n      "
                        "import time; time.sleep(60)\n    n += 1\nexcept OSError: pass\nprint(n, "
                        "flush=True)\nos.kill(0, 9)\n"});
  ASSERT_FALSE(ran.out.empty()) << ran.refusal;
  EXPECT_LT(std::stoi(ran.out), 24);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ReachTest, testing::Values(v1::BUBBLEWRAP, v1::RUNC, v1::GVISOR),
                         kind_of);

}  // namespace
}  // namespace fallow::runtime
