#include "agent/secret_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"

namespace fallow::agent {
namespace {

constexpr Time kBegan{1'000'000'000};

class SecretDeskTest : public testing::Test {
 protected:
  static v1::DesiredLease wanted(std::uint64_t lease) {
    v1::DesiredLease desired;
    desired.set_lease(lease);
    desired.set_order(3);
    v1::Workload& workload = *desired.mutable_workload();
    workload.set_image("ghcr.io/org/tool");
    workload.add_secrets("TOKEN");
    workload.add_secrets("KEY");
    workload.set_image_login(true);
    return desired;
  }
  static v1::LeaseSecrets whole(std::uint64_t lease) {
    v1::LeaseSecrets secrets;
    secrets.set_lease(lease);
    secrets.set_image_user("renter");
    secrets.set_image_password("pass");
    for (const char* name : {"KEY", "MORE", "TOKEN"}) {
      v1::EnvironmentVariable& variable = *secrets.add_environment();
      variable.set_name(name);
      variable.set_value(std::string("value of ") + name);
    }
    return secrets;
  }
  v1::SealedSecrets sealed(std::uint64_t lease, const v1::LeaseSecrets& secrets,
                           const std::string& for_key) const {
    v1::SealedSecrets sent;
    sent.set_lease(lease);
    sent.set_sealed(seal_for(for_key, secrets.SerializeAsString()).value());
    return sent;
  }

  std::unique_ptr<Random> random_ = seeded_random(11);
  SigningKey node_key_ = SigningKey::generate(*random_);
  KeySigner signer_{node_key_};
  SecretDesk desk_{signer_, *random_};
};

TEST_F(SecretDeskTest, AsksForThemSignedAndKeepsWhatTheOrderNames) {
  desk_.set_connected(true, kBegan);
  desk_.ask(wanted(7), kBegan);
  const auto asks = desk_.take_due(kBegan);
  ASSERT_EQ(asks.size(), 1);
  EXPECT_EQ(asks[0].order(), 3);
  EXPECT_TRUE(verify_signature(to_bytes(node_key_.public_key()),
                               secret_ask_bytes(LeaseId(7), asks[0].public_key()),
                               asks[0].signature()));
  EXPECT_EQ(desk_.of(LeaseId(7)), nullptr);
  const auto ready = desk_.take(sealed(7, whole(7), asks[0].public_key()));
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_EQ(ready->lease(), 7);
  const Secrets* secrets = desk_.of(LeaseId(7));
  ASSERT_NE(secrets, nullptr);
  EXPECT_THAT(secrets->environment, testing::ElementsAre(testing::Pair("TOKEN", "value of TOKEN"),
                                                         testing::Pair("KEY", "value of KEY")));
  EXPECT_EQ(secrets->login.user, "renter");
  EXPECT_EQ(secrets->login.password, "pass");
  EXPECT_EQ(desk_.next_deadline(), kNever);
  desk_.forget(LeaseId(7));
  EXPECT_EQ(desk_.of(LeaseId(7)), nullptr);
}

TEST_F(SecretDeskTest, RepeatsItselfUntilTheTimeIsOver) {
  desk_.set_connected(true, kBegan);
  desk_.ask(wanted(7), kBegan);
  EXPECT_EQ(desk_.next_deadline(), kBegan);
  EXPECT_EQ(desk_.take_due(kBegan).size(), 1);
  EXPECT_TRUE(desk_.take_due(kBegan + seconds(4)).empty());
  EXPECT_EQ(desk_.next_deadline(), kBegan + SecretDesk::kAskAgain);
  desk_.ask(wanted(7), kBegan + seconds(4));  // begins nothing anew
  EXPECT_EQ(desk_.take_due(kBegan + SecretDesk::kAskAgain).size(), 1);
  EXPECT_TRUE(desk_.take_late(kBegan + SecretDesk::kWaitMax - seconds(1)).empty());
  const auto late = desk_.take_late(kBegan + SecretDesk::kWaitMax);
  ASSERT_EQ(late.size(), 1);
  EXPECT_EQ(late[0].lease(), 7);
  EXPECT_TRUE(desk_.take_due(kBegan + hours(1)).empty());
}

TEST_F(SecretDeskTest, WithoutTheMarketNobodyIsLate) {
  desk_.ask(wanted(7), kBegan);
  EXPECT_EQ(desk_.next_deadline(), kNever);
  EXPECT_TRUE(desk_.take_due(kBegan + hours(1)).empty());
  EXPECT_TRUE(desk_.take_late(kBegan + hours(1)).empty());
  const Time back = kBegan + hours(2);
  desk_.set_connected(true, back);
  EXPECT_EQ(desk_.take_due(back).size(), 1);
  desk_.set_connected(false, back + seconds(1));
  EXPECT_TRUE(desk_.take_late(back + hours(1)).empty());
  desk_.set_connected(true, back + hours(1));
  // What it had waited before counts: else a link that comes and goes would have it wait for ever.
  const Duration left = SecretDesk::kWaitMax - seconds(1);
  EXPECT_TRUE(desk_.take_late(back + hours(1) + left - Duration(1)).empty());
  EXPECT_EQ(desk_.take_late(back + hours(1) + left).size(), 1);
}

TEST_F(SecretDeskTest, WhatIsNotForItIsNotTaken) {
  desk_.set_connected(true, kBegan);
  desk_.ask(wanted(7), kBegan);
  const std::string key = desk_.take_due(kBegan)[0].public_key();
  EXPECT_EQ(desk_.take(sealed(8, whole(8), key)).error().code, ErrorCode::kNotFound);
  // An earlier run of the agent had another key.
  SecretDesk before(signer_, *random_);
  before.set_connected(true, kBegan);
  before.ask(wanted(7), kBegan);
  const std::string old_key = before.take_due(kBegan)[0].public_key();
  EXPECT_NE(old_key, key);
  EXPECT_EQ(desk_.take(sealed(7, whole(7), old_key)).error().code, ErrorCode::kInvalid);
  // Those of another lease, passed on for this one.
  EXPECT_EQ(desk_.take(sealed(7, whole(8), key)).error().code, ErrorCode::kCorrupt);
  v1::LeaseSecrets lacking = whole(7);
  lacking.mutable_environment()->RemoveLast();
  EXPECT_THAT(desk_.take(sealed(7, lacking, key)).error().message, testing::HasSubstr("TOKEN"));
  v1::LeaseSecrets without_login = whole(7);
  without_login.clear_image_user();
  without_login.clear_image_password();
  EXPECT_EQ(desk_.take(sealed(7, without_login, key)).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(desk_.of(LeaseId(7)), nullptr);
  EXPECT_TRUE(desk_.take(sealed(7, whole(7), key)));
  EXPECT_EQ(desk_.take(sealed(7, whole(7), key)).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace fallow::agent
