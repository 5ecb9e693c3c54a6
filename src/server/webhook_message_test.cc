// What is sent to receivers, and how it is signed: against values that another program computed.
#include "server/webhook_message.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "server/webhook_signature.h"

namespace fallow::server {
namespace {

constexpr std::string_view kBody =
    R"({"type":"order_ended","timestamp":"2026-11-22T09:00:00Z","data":{}})";

// Python's hashlib and hmac say the same: docs/formats/webhook.md.
TEST(WebhookSignature, IsWhatTheFormatSays) {
  const std::string server(32, '\x07');
  core::Webhook webhook;
  webhook.id = core::WebhookId(4'096);
  const std::string first = webhook_secret(server, webhook.id, 1);
  EXPECT_EQ(webhook_secret_text(first), "whsec_8vXhpYw/s0J5vyjeYcOnPK7mdeNHEgtOUm0cxlcSFZs=");
  EXPECT_EQ(webhook_signature(webhook_secrets(server, webhook, Time{1}), "msg_4096_77_3",
                              1'795'338'000, kBody),
            "v1,yBQaVYBxAtVs6dMafP/Cy0vNkmkCfjOngt2SPRzV9E4=");
  webhook.secret_number = 2;
  webhook.secret_since = Time{1'000};
  const std::string both =
      "v1,CNZaTUDS7Leg/qweYP9mb2RvYfzWErj/546pMIBDQ7s= "
      "v1,yBQaVYBxAtVs6dMafP/Cy0vNkmkCfjOngt2SPRzV9E4=";
  const auto signature_at = [&](Time now) {
    return webhook_signature(webhook_secrets(server, webhook, now), "msg_4096_77_3", 1'795'338'000,
                             kBody);
  };
  EXPECT_EQ(signature_at(Time{1'000} + core::kFormerSecretLasts - microseconds(1)), both);
  EXPECT_EQ(signature_at(Time{1'000} + core::kFormerSecretLasts), both.substr(0, both.find(' ')));
}

TEST(WebhookMessage, HoldsTheEventAsTheFeedHasIt) {
  v1::FeedEvent event;
  event.set_index(77);
  event.mutable_at()->set_seconds(1'795'338'000);
  event.mutable_event()->mutable_order_ended()->set_order(8'192);
  event.mutable_event()->mutable_order_ended()->set_state(v1::ORDER_DONE);
  const auto body = boost::json::parse(message_body(event));
  EXPECT_EQ(body.at("type").as_string(), "order_ended");
  EXPECT_EQ(body.at("timestamp").as_string(), "2026-11-22T09:00:00Z");
  EXPECT_EQ(body.at("data").at("index").as_string(), "77");
  EXPECT_EQ(body.at("data").at("event").at("order_ended").at("order").as_string(), "8192");
}

TEST(WebhookMessage, NamesAnEventOnceAndForAll) {
  const core::WebhookId webhook(4'096);
  const EventPlace place{LogIndex(77), 3};
  EXPECT_EQ(message_id(webhook, place), "msg_4096_77_3");
  EXPECT_EQ(place_of_message(webhook, "msg_4096_77_3"), place);
  for (const char* other : {"", "msg_4097_77_3", "msg_4096_77", "msg_4096_0_3", "msg_4096_77_3_",
                            "msg_4096_x_3", "msg_4096__3", "msg_4096_-1_3"}) {
    EXPECT_EQ(place_of_message(webhook, other), std::nullopt) << other;
  }
}

TEST(WebhookMessage, MeterRecordsAreSentOnlyWhenNamed) {
  core::Webhook webhook;
  EXPECT_TRUE(wants(webhook, v1::Event::kOrderEnded));
  EXPECT_FALSE(wants(webhook, v1::Event::kMeterAccepted));
  webhook.kinds = {"meter_accepted"};
  EXPECT_FALSE(wants(webhook, v1::Event::kOrderEnded));
  EXPECT_TRUE(wants(webhook, v1::Event::kMeterAccepted));
  EXPECT_TRUE(is_event_kind("webhook_stopped"));
  EXPECT_FALSE(is_event_kind("OrderEnded"));
}

}  // namespace
}  // namespace fallow::server
