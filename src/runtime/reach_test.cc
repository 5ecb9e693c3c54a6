// The door of a sandbox, and the process behind it, in every kind that works here.
#include <algorithm>
#include <chrono>
#include <string>

#include "runtime/sandbox_test.h"
#include "tunnel/endpoint.h"
#include "tunnel/request.h"

namespace fallow::runtime {
namespace {

using testing::HasSubstr;
using tunnel::MuxEvent;

struct Ran {
  std::optional<std::uint32_t> code;
  std::string out;
  std::string err;
  std::string refusal;  // of the stream, or why the tunnel ended
};

class ReachTest : public SandboxTest {
 protected:
  void start_sleeper(std::uint64_t lease = 7) {
    start(shell("echo up; sleep 300", lease));
    ASSERT_TRUE(next<Started>());
  }

  // A connection through the door; the supervisor may still be opening it.
  Fd enter(std::uint64_t lease = 7) {
    for (int tries = 0; tries < 200; ++tries) {
      auto connection = runtime_->enter(LeaseId(lease));
      if (connection) return std::move(*connection);
      ::usleep(10'000);
    }
    ADD_FAILURE() << "the door stays shut";
    return Fd();
  }

  Ran exec(std::vector<std::string> command, std::string_view input = {}, bool terminal = false) {
    tunnel::Endpoint endpoint(enter().release(), tunnel::Side::kRenter);
    tunnel::ExecRequest request;
    request.command = std::move(command);
    request.has_terminal = terminal;
    request.size = {33, 99};
    const std::uint32_t stream = endpoint.mux().open(tunnel::encode_request(request));
    Ran ran;
    bool over = false;
    endpoint.add_keeper(stream, [&](std::uint8_t channel, std::string_view bytes) {
      (channel == tunnel::kErr ? ran.err : ran.out) += bytes;
      endpoint.mux().consumed(stream, bytes.size());
    });
    endpoint.on_event([&](const MuxEvent& event) {
      tunnel::Note note;
      if (event.kind == MuxEvent::Kind::kNote && tunnel::decode_note(event.bytes, note)) {
        if (const auto* exit = std::get_if<tunnel::ExitNote>(&note)) ran.code = exit->code;
      }
      if (event.kind == MuxEvent::Kind::kReset) ran.refusal = event.bytes;
      over |= event.kind == MuxEvent::Kind::kReset || event.kind == MuxEvent::Kind::kEnded;
    });
    endpoint.add_producer(stream, [&] {
      const std::string_view piece = input.substr(0, endpoint.mux().room(stream));
      endpoint.mux().send(stream, 0, piece);
      input.remove_prefix(piece.size());
      if (input.empty() && !terminal) endpoint.mux().end(stream);
      return !input.empty();
    });
    const Time until = boot_time() + seconds(30);
    while (!over && boot_time() < until && endpoint.turn(1000)) {
    }
    if (!over) ran.refusal = endpoint.end().empty() ? "it ended without a word" : endpoint.end();
    return ran;
  }
};

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
