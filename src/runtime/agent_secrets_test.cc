// The whole agent and leases with secrets, on real sandboxes.
#include <gmock/gmock.h>

#include "base/sealing.h"
#include "base/signing.h"
#include "runtime/agent_world_test.h"
#include "runtime/launch_file.h"

namespace fallow::runtime {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kValue = "hunter2-of-the-renter";

class AgentSecretsTest : public AgentTest {
 protected:
  static v1::DesiredLease with_secret(std::uint64_t id, const std::string& script) {
    v1::DesiredLease desired = lease(id, script);
    desired.mutable_workload()->add_secrets("TOKEN");
    return desired;
  }
  static v1::LeaseSecrets secrets(std::uint64_t id, const std::string& name = "TOKEN") {
    v1::LeaseSecrets given;
    given.set_lease(id);
    given.add_environment()->set_name(name);
    given.mutable_environment(0)->set_value(kValue);
    return given;
  }
  // As the renter's client does it.
  void answer(const v1::SecretAsk& ask, const v1::LeaseSecrets& given) {
    EXPECT_TRUE(verify_signature(to_bytes(key_->public_key()),
                                 secret_ask_bytes(LeaseId(ask.lease()), ask.public_key()),
                                 ask.signature()));
    hub_.hand_over(ask.lease(), seal_for(ask.public_key(), given.SerializeAsString()).value());
  }
  // Of all that the agent and its supervisors wrote.
  std::vector<std::string> files_with(const std::string& text) const {
    std::vector<std::string> found;
    std::error_code gone;
    for (std::filesystem::recursive_directory_iterator at(folder_, gone), end; !gone && at != end;
         at.increment(gone)) {
      std::error_code ignored;
      if (!at->is_regular_file(ignored)) continue;
      if (read_file(at->path(), std::size_t{64} << 20).value_or("").find(text) !=
          std::string::npos) {
        found.push_back(at->path());
      }
    }
    return found;
  }
};

TEST_F(AgentSecretsTest, WaitsForThemAndWritesThemNowhere) {
  hub_.desire(
      {with_secret(7, "echo \"${#TOKEN} letters\"; while [ ! -e go ]; do sleep 0.05; done")});
  const v1::SecretAsk ask = hub_.wait_for_secret_ask(7);
  EXPECT_EQ(hub_.wait_for(7, v1::STARTING).state(), v1::STARTING);
  EXPECT_EQ(hub_.log(7), "");
  answer(ask, secrets(7));
  hub_.wait_for_words(7, "21 letters");
  EXPECT_THAT(hub_.log(7, v1::STDERR), HasSubstr("fallow: waiting for the secrets of job"));
  EXPECT_THAT(files_with(kValue), testing::IsEmpty());
  // What runs keeps them over a restart of the agent, which has none.
  end();
  begin();
  std::ofstream(folder_ + "/leases/7/work/go") << "";
  EXPECT_EQ(hub_.wait_for(7, v1::ENDED).reason(), v1::COMPLETED);
  EXPECT_THAT(files_with(kValue), testing::IsEmpty());
}

TEST_F(AgentSecretsTest, AnAgentThatComesBackAsksAgainWithAnotherKey) {
  hub_.desire({with_secret(7, "echo ${#TOKEN}")});
  const v1::SecretAsk before = hub_.wait_for_secret_ask(7);
  end();
  begin();
  const v1::SecretAsk after = hub_.wait_for_secret_ask(7);
  EXPECT_NE(after.public_key(), before.public_key());
  // Sealed for the agent that is gone: it is not understood, and the lease goes on waiting.
  answer(before, secrets(7));
  answer(after, secrets(7));
  EXPECT_EQ(hub_.wait_for(7, v1::ENDED).reason(), v1::COMPLETED);
  hub_.wait_for_words(7, "21\n");
}

TEST_F(AgentSecretsTest, WhoDoesNotHandThemOverIsToBlame) {
  secret_wait_ = milliseconds(500);
  end();
  begin();
  hub_.desire({with_secret(7, "true")});
  const v1::WorkloadReport late = hub_.wait_for(7, v1::ENDED);
  EXPECT_EQ(late.reason(), v1::INPUT_INVALID);
  EXPECT_THAT(late.detail(), HasSubstr("not handed over within"));
  hub_.desire({});
  wait_until_idle();

  secret_wait_ = minutes(1);
  end();
  begin();
  hub_.desire({with_secret(8, "true")});
  answer(hub_.wait_for_secret_ask(8), secrets(8, "OTHER"));
  const v1::WorkloadReport lacking = hub_.wait_for(8, v1::ENDED);
  EXPECT_EQ(lacking.reason(), v1::INPUT_INVALID);
  EXPECT_THAT(lacking.detail(), HasSubstr("TOKEN"));
  EXPECT_THAT(lacking.detail(), Not(HasSubstr(kValue)));
}

TEST_F(AgentSecretsTest, OneThatIsStoppedMeanwhileIsNotStarted) {
  v1::DesiredLease desired = with_secret(7, "echo ran");
  hub_.desire({desired});
  const v1::SecretAsk ask = hub_.wait_for_secret_ask(7);
  desired.set_stop(true);
  hub_.desire({desired});
  EXPECT_EQ(hub_.wait_for(7, v1::ENDED).reason(), v1::STOPPED);
  const Time ended = boot_time();
  answer(ask, secrets(7));
  hub_.desire({});
  wait_until_idle();
  EXPECT_EQ(hub_.log(7), "");
  EXPECT_LT(boot_time() - ended, seconds(10)) << "nothing is waited for";
}

}  // namespace
}  // namespace fallow::runtime
