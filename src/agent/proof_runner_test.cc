#include "agent/proof_runner.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace fallow::agent {
namespace {

std::vector<LocalDevice> devices(std::size_t count) {
  std::vector<LocalDevice> list(count);
  for (LocalDevice& device : list) device.facts.set_kind(v1::CPU);
  return list;
}

v1::ProofAsk ask(std::uint64_t proof, std::uint32_t device, v1::ProofStep step) {
  v1::ProofAsk ask;
  ask.set_proof(proof);
  ask.set_device(device);
  ask.set_step(step);
  return ask;
}

// What comes within five seconds, at least one.
std::vector<v1::ProofAnswer> wait_answers(ProofRunner& runner) {
  for (int i = 0; i < 50; ++i) {
    auto answers = runner.take_answers();
    if (!answers.empty()) return answers;
    pollfd readable{runner.fd(), POLLIN, 0};
    ::poll(&readable, 1, 100);
  }
  return {};
}

// cat sends back what it is sent: an ask reads as the answer to it.
const std::vector<std::string> kEcho = {"/bin/sh", "-c", "exec cat"};

TEST(ProofRunner, WordsSayWhichDriverStandsForADevice) {
  std::vector<LocalDevice> list = devices(4);
  list[0].cuda_name = "GPU-1";
  list[1].facts.set_kind(v1::GPU);
  list[3].facts.set_driver("declared");
  EXPECT_EQ(ProofRunner::words_of(list), (std::vector<std::string>{"nvidia", "gpu", "cpu", "any"}));
  list[0].pci = "0000:01:00.0";
  list[1].pci = "0000:03:00.0";
  EXPECT_EQ(ProofRunner::words_of(list),
            (std::vector<std::string>{"nvidia@0000:01:00.0", "gpu@0000:03:00.0", "cpu", "any"}));
}

TEST(ProofRunner, HandsAsksOnAndEndsTheProcessWithTheProof) {
  ProofRunner runner(devices(2), "/nonexistent", kEcho);
  EXPECT_EQ(runner.fd(), -1);
  for (const std::uint32_t device : {0U, 1U}) runner.ask(ask(7, device, v1::PROOF_ECHO));
  std::vector<v1::ProofAnswer> answers = wait_answers(runner);
  while (answers.size() < 2) {
    for (v1::ProofAnswer& more : wait_answers(runner)) answers.push_back(std::move(more));
  }
  for (const v1::ProofAnswer& answer : answers) {
    EXPECT_EQ(answer.proof(), 7U);
    EXPECT_EQ(answer.step(), v1::PROOF_ECHO);
    EXPECT_EQ(answer.failure(), "");
  }
  runner.ask(ask(7, 0, v1::PROOF_OVER));
  EXPECT_TRUE(runner.is_running());
  runner.ask(ask(7, 1, v1::PROOF_OVER));
  EXPECT_FALSE(runner.is_running());
  EXPECT_TRUE(runner.take_answers().empty());
}

// Beside leases some are not asked at all.
TEST(ProofRunner, EndsTheProcessWithTheLastDeviceThatWasAsked) {
  ProofRunner runner(devices(3), "/nonexistent", kEcho);
  for (const std::uint32_t device : {0U, 2U}) runner.ask(ask(7, device, v1::PROOF_ECHO));
  runner.ask(ask(7, 0, v1::PROOF_OVER));
  runner.ask(ask(7, 0, v1::PROOF_OVER));
  runner.ask(ask(7, 1, v1::PROOF_OVER));
  EXPECT_TRUE(runner.is_running());
  runner.ask(ask(7, 2, v1::PROOF_OVER));
  EXPECT_FALSE(runner.is_running());
}

TEST(ProofRunner, WhoIsStoppedSaysWhy) {
  ProofRunner runner(devices(1), "/nonexistent", {"/bin/sh", "-c", "sleep 100"});
  runner.ask(ask(7, 0, v1::PROOF_ECHO));
  EXPECT_TRUE(runner.is_running());
  runner.stop("a lease began");
  EXPECT_FALSE(runner.is_running());
  const auto answers = runner.take_answers();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].failure(), "a lease began");
  runner.stop("twice");
  EXPECT_TRUE(runner.take_answers().empty());
  // In the middle of a proof nothing begins anew: what the device held is gone.
  runner.ask(ask(7, 0, v1::PROOF_LEAVES));
  EXPECT_FALSE(runner.is_running());
  EXPECT_EQ(wait_answers(runner).at(0).failure(), "the process that proves has ended");
}

// Running or not, but not yet waited for.
std::set<int> child_processes() {
  std::ifstream list("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  return {std::istream_iterator<int>(list), {}};
}

TEST(ProofRunner, SaysWhenTheProcessIsGone) {
  ProofRunner runner(devices(1), "/nonexistent", {"/bin/sh", "-c", "exec sleep 100"});
  EXPECT_FALSE(runner.is_ending());
  const std::set<int> others = child_processes();
  runner.ask(ask(7, 0, v1::PROOF_ECHO));
  ASSERT_EQ(child_processes().size(), others.size() + 1);
  EXPECT_FALSE(runner.is_ending()) << "it runs";
  runner.stop("a lease began");
  for (int i = 0; i < 500 && runner.is_ending(); ++i) {
    EXPECT_EQ(child_processes().size(), others.size() + 1) << "what is ending is there";
    ::usleep(10'000);
  }
  EXPECT_FALSE(runner.is_ending());
  EXPECT_EQ(child_processes(), others);
}

TEST(ProofRunner, ADriverThatCrashesIsAFailureOfTheAsk) {
  ProofRunner runner(devices(1), "/nonexistent",
                     {"/bin/sh", "-c", "head -c 4 > /dev/null; exit 139"});
  runner.ask(ask(7, 0, v1::PROOF_ECHO));
  const auto answers = wait_answers(runner);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_NE(answers[0].failure(), "");
  EXPECT_FALSE(runner.is_running());
}

// The write may come before anybody saw its end: that is an error, and no signal.
TEST(ProofRunner, AProcessThatEndsAtOnceEndsNobodyElse) {
  for (int i = 0; i < 20; ++i) {
    ProofRunner runner(devices(2), "/nonexistent", {"/bin/true"});
    runner.ask(ask(7, 0, v1::PROOF_ECHO));
    ::usleep(static_cast<useconds_t>(500 * i));
    runner.ask(ask(7, 1, v1::PROOF_ECHO));
    std::size_t failed = 0;
    while (failed < 2) {
      const auto answers = wait_answers(runner);
      ASSERT_FALSE(answers.empty());
      failed += answers.size();
    }
  }
}

TEST(ProofRunner, NonsenseEndsTheProcess) {
  ProofRunner runner(devices(1), "/nonexistent",
                     {"/bin/sh", "-c", "printf '\\377\\377\\377\\377'; sleep 100"});
  runner.ask(ask(7, 0, v1::PROOF_ECHO));
  EXPECT_EQ(wait_answers(runner).at(0).failure(), "the process that proves spoke nonsense");
  EXPECT_FALSE(runner.is_running());
}

TEST(ProofRunner, ANewProofBeginsWithANewProcess) {
  ProofRunner runner(devices(1), "/nonexistent", kEcho);
  runner.ask(ask(7, 0, v1::PROOF_ECHO));
  ASSERT_EQ(wait_answers(runner).size(), 1U);
  runner.ask(ask(8, 0, v1::PROOF_ECHO));
  EXPECT_EQ(wait_answers(runner).at(0).proof(), 8U);
  runner.refuse(ask(9, 0, v1::PROOF_ECHO), "busy");
  EXPECT_EQ(wait_answers(runner).at(0).failure(), "busy");
  EXPECT_TRUE(runner.is_running());
}

}  // namespace
}  // namespace fallow::agent
