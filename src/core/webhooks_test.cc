// Where accounts want their events sent to: who may say so, and what is kept.
#include <gtest/gtest.h>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class WebhooksTest : public MachineTest {
 protected:
  static v1::Command set(std::uint64_t account, std::uint64_t webhook = 0) {
    v1::Command command;
    v1::SetWebhook& set = *command.mutable_set_webhook();
    set.set_account(account);
    set.set_webhook(webhook);
    set.set_url("https://example.org/in");
    return command;
  }
  static v1::Command stop(std::uint64_t webhook) {
    v1::Command command;
    command.mutable_stop_webhook()->set_webhook(webhook);
    command.mutable_stop_webhook()->set_reason("it answered 500 for five days");
    return command;
  }
  static v1::Command remove(std::uint64_t webhook) {
    v1::Command command;
    command.mutable_remove_webhook()->set_webhook(webhook);
    return command;
  }
  const Webhook& webhook(std::uint64_t id) const { return *machine_.webhook(WebhookId(id)); }
};

TEST_F(WebhooksTest, OnlyTheirAccountsAndOperators) {
  found();
  const std::uint64_t alice = open(v1::RENTER);
  const std::uint64_t bob = open(v1::RENTER);
  const std::uint64_t id = next_id();
  ASSERT_EQ(refusal_of(set(0), alice), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(webhook(id).account.value, alice);
  EXPECT_EQ(webhook(id).secret_number, 1U);
  EXPECT_EQ(refusal_of(set(alice), bob), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(set(0, id), bob), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(set(0, 77), bob), v1::NOT_FOUND);
  EXPECT_EQ(refusal_of(remove(id), bob), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(stop(id), alice), v1::NOT_ALLOWED) << "the market's own word";
  EXPECT_EQ(refusal_of(remove(id), alice), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.webhook(WebhookId(id)), nullptr);
  EXPECT_EQ(refusal_of(remove(id), alice), v1::NOT_FOUND);
}

TEST_F(WebhooksTest, ValuesAreBounded) {
  found();
  const std::uint64_t alice = open(v1::RENTER);
  const auto refused = [&](const std::function<void(v1::SetWebhook&)>& spoil) {
    v1::Command command = set(alice);
    spoil(*command.mutable_set_webhook());
    return refusal_of(command, alice);
  };
  EXPECT_EQ(refused([](v1::SetWebhook& s) { s.clear_url(); }), v1::VALUE_INVALID);
  EXPECT_EQ(refused([](v1::SetWebhook& s) { s.set_url(std::string(2'049, 'u')); }),
            v1::VALUE_INVALID);
  EXPECT_EQ(refused([](v1::SetWebhook& s) { s.set_label(std::string(201, 'l')); }),
            v1::VALUE_INVALID);
  EXPECT_EQ(refused([](v1::SetWebhook& s) { s.add_kinds(""); }), v1::VALUE_INVALID);
  EXPECT_EQ(refused([](v1::SetWebhook& s) {
              for (int i = 0; i < 65; ++i) s.add_kinds("order_ended");
            }),
            v1::VALUE_INVALID);
  EXPECT_EQ(refused([](v1::SetWebhook& s) { s.set_everyone(true); }), v1::NOT_ALLOWED);
  for (std::size_t i = 0; i < Limits().webhooks_per_account_max; ++i) {
    ASSERT_EQ(refusal_of(set(alice), alice), v1::REFUSAL_UNSPECIFIED);
  }
  EXPECT_EQ(refusal_of(set(alice), alice), v1::LIMIT_REACHED);
}

TEST_F(WebhooksTest, StopsAndBeginsAgainAndChangesItsSecret) {
  found();
  const std::uint64_t alice = open(v1::RENTER);
  const std::uint64_t id = next_id();
  apply(set(alice), alice);
  ASSERT_EQ(refusal_of(stop(id)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(events_[0].webhook_stopped().account(), alice);
  EXPECT_EQ(webhook(id).stopped_at, now_);
  EXPECT_EQ(webhook(id).stop_reason, "it answered 500 for five days");
  EXPECT_EQ(refusal_of(stop(id)), v1::ALREADY_ENDED);
  v1::Command again = set(alice, id);
  again.mutable_set_webhook()->add_kinds("order_ended");
  v1::Command secret = again;
  secret.mutable_set_webhook()->set_new_secret(true);
  ASSERT_EQ(refusal_of(secret, alice), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(webhook(id).secret_number, 2U);
  EXPECT_EQ(webhook(id).secret_since, now_);
  EXPECT_NE(webhook(id).stopped_at.us, 0) << "a secret alone changes nothing else";
  EXPECT_TRUE(webhook(id).kinds.empty());
  ASSERT_EQ(refusal_of(again, alice), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(webhook(id).stopped_at.us, 0);
  EXPECT_EQ(webhook(id).secret_number, 2U);
  EXPECT_EQ(webhook(id).kinds, std::vector<std::string>{"order_ended"});
}

}  // namespace
}  // namespace fallow::core
