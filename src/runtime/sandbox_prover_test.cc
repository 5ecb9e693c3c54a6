// The program that proves devices, in every kind of sandbox that works here.
#include <sys/socket.h>

#include <string>

#include "runtime/sandbox_init.h"
#include "runtime/sandbox_test.h"

namespace fallow::runtime {
namespace {

class ProverSandboxTest : public SandboxTest {
 protected:
  // A shell script stands for it: it says its words, then sends back what it is sent.
  void SetUp() override {
    SandboxTest::SetUp();
    if (!runtime_) return;
    prover_ = folder_ + "/prover";
    ASSERT_TRUE(replace_file(prover_, "#!/bin/sh\necho \"$*\"\nexec cat\n", 0755));
    runtime_.reset();
    open();
    ASSERT_TRUE(runtime_) << error_;
  }
  static LaunchSpec prover_spec() {
    LaunchSpec spec = spec_of({"prove", "nvidia"});
    spec.is_prover = true;
    return spec;
  }
  // What comes until there are so many bytes, or for ten seconds.
  static std::string receive(const Fd& connection, std::size_t bytes) {
    std::string got;
    std::array<char, 256> piece{};
    while (got.size() < bytes) {
      pollfd readable{connection.get(), POLLIN, 0};
      if (::poll(&readable, 1, 10'000) <= 0) break;
      const ssize_t n = ::read(connection.get(), piece.data(), piece.size());
      if (n <= 0) break;
      got.append(piece.data(), static_cast<std::size_t>(n));
    }
    return got;
  }
};

TEST_P(ProverSandboxTest, BeginsWithWhoEntersAndSpeaksWithNobodyElse) {
  start(prover_spec());
  ASSERT_TRUE(next<Started>());
  auto connection = runtime_->enter(LeaseId(7));
  ASSERT_TRUE(connection) << connection.error().message;
  EXPECT_EQ(receive(*connection, 13), "prove nvidia\n");
  auto other = runtime_->enter(LeaseId(7));
  if (other) {
    EXPECT_EQ(receive(*other, 1), "") << "it is turned away";
  }
  ASSERT_EQ(::send(connection->get(), "ask", 3, MSG_NOSIGNAL), 3);
  EXPECT_EQ(receive(*connection, 3), "ask");
  connection->reset();
  const auto exited = next<Exited>();
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->exit_code, 0) << "its input has ended: " << exited->detail;
  EXPECT_EQ(out(), "") << "what it said is nobody's log";
}

TEST_P(ProverSandboxTest, AWorkloadDoesNotSeeIt) {
  EXPECT_EQ(run(shell("test ! -e " + std::string(kProverPath))).exit_code, 0) << err();
}

TEST_P(ProverSandboxTest, ItIsKilledAsAnyOther) {
  start(prover_spec());
  ASSERT_TRUE(next<Started>());
  auto connection = runtime_->enter(LeaseId(7));
  ASSERT_TRUE(connection) << connection.error().message;
  EXPECT_EQ(receive(*connection, 13), "prove nvidia\n");
  runtime_->kill(LeaseId(7));
  ASSERT_TRUE(next<Exited>());
  EXPECT_EQ(receive(*connection, 1), "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, ProverSandboxTest,
                         testing::Values(v1::BUBBLEWRAP, v1::RUNC, v1::GVISOR), kind_of);

}  // namespace
}  // namespace fallow::runtime
