#include "client/receipt.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "base/merkle.h"
#include "base/meter_bytes.h"
#include "base/receipt_bytes.h"

namespace fallow::client {
namespace {

// A bill of two records and 10 s at 3.60 an hour, made the way the server makes one.
class ReceiptTest : public testing::Test {
 protected:
  ReceiptTest() : random_(seeded_random(1)) {
    body_.set_market_name("test");
    body_.set_lease(4096);
    body_.set_node_public_key(bytes_of(node_key_.public_key()));
    body_.set_rate_hour_micros(3'600'000);
    body_.set_fee_basis_points(500);
    body_.set_hold_micros(1'000'000);
    body_.set_time_us_max(3'600'000'000);
    body_.set_reason(v1::COMPLETED);
    body_.set_proven_us(10'000'000);
    body_.set_charged_micros(10'000);
    body_.set_fee_micros(500);
    body_.set_paid_micros(10'000);
    add_meter(1, 5'000'000);
    add_meter(2, 10'000'000);
  }

  static std::string bytes_of(const PublicKey& key) { return {key.begin(), key.end()}; }

  void add_meter(std::uint32_t sequence, std::int64_t running_us, std::int64_t slowed_us = 0,
                 std::int64_t egress_bytes = 0) {
    v1::MeterRecord& record = *body_.add_meters();
    record.set_lease(body_.lease());
    record.set_sequence(sequence);
    record.set_running_us(running_us);
    record.set_measured_at_us(running_us + 7);
    record.set_slowed_us(slowed_us);
    record.set_egress_bytes(egress_bytes);
    record.set_signature(to_bytes(node_key_.sign(signed_bytes(record))));
  }

  std::string signed_bytes(const v1::MeterRecord& record) const {
    return meter_bytes(node_key_.public_key(), LeaseId(record.lease()), record.sequence(),
                       Duration(record.running_us()), Time{record.measured_at_us()},
                       Duration(record.slowed_us()), record.egress_bytes());
  }

  // The root over whatever records there are, then the market's signature.
  v1::Receipt sign() {
    MerkleTree tree;
    for (const v1::MeterRecord& record : body_.meters()) {
      tree.append(meter_leaf(signed_bytes(record), record.signature()));
    }
    body_.set_meters_root(to_bytes(tree.root()));
    return sign_as_is();
  }

  v1::Receipt sign_as_is() const {
    v1::Receipt receipt;
    receipt.set_body(body_.SerializeAsString());
    receipt.set_signature(to_bytes(market_key_.sign(receipt_bytes(receipt.body()))));
    receipt.set_market_public_key(bytes_of(market_key_.public_key()));
    return receipt;
  }

  // Each change alone makes body_, a good bill that stays as it is, one that is refused for this
  // word.
  using Wrong = std::pair<std::function<void(v1::ReceiptBody&)>, const char*>;
  void expect_refused(std::initializer_list<Wrong> wrong) {
    const v1::ReceiptBody good = body_;
    for (const auto& [change, word] : wrong) {
      change(body_);
      const auto refused = verify_receipt(sign_as_is(), &market_key_.public_key());
      ASSERT_FALSE(refused) << word;
      EXPECT_NE(refused.error().message.find(word), std::string::npos) << refused.error().message;
      body_ = good;
    }
  }

  std::unique_ptr<Random> random_;
  SigningKey market_key_ = SigningKey::generate(*random_);
  SigningKey node_key_ = SigningKey::generate(*random_);
  v1::ReceiptBody body_;
};

// Threat 25: a provider chooses what his devices are called.
TEST_F(ReceiptTest, ADevicesNameIsNoLineOfTheBill) {
  body_.add_devices()->set_model("T4\n  paid         0.00\x1B[1A");
  const std::string text = describe_receipt(body_);
  EXPECT_EQ(text.find('\x1B'), std::string::npos) << text;
  const std::size_t paid = text.find("\n  paid ");
  ASSERT_NE(paid, std::string::npos) << text;
  EXPECT_EQ(text.find("\n  paid ", paid + 1), std::string::npos) << text;
  EXPECT_NE(text.find("T4?  paid         0.00?[1A 0 MB"), std::string::npos) << text;
}

TEST_F(ReceiptTest, AGoodOneVerifiesWithTheMarketsKeyAndWithout) {
  const v1::Receipt receipt = sign();
  const auto verified = verify_receipt(receipt, &market_key_.public_key());
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->meters, 2U);
  EXPECT_TRUE(verify_receipt(receipt, nullptr));
  EXPECT_NE(describe_receipt(verified->body).find("paid         0.01"), std::string::npos);
}

TEST_F(ReceiptTest, AnotherMarketsKeyIsRefused) {
  EXPECT_FALSE(verify_receipt(sign(), &node_key_.public_key()));
}

TEST_F(ReceiptTest, EveryAlteredByteOfTheBodyIsNoticed) {
  const v1::Receipt good = sign();
  for (std::size_t i = 0; i < good.body().size(); ++i) {
    v1::Receipt altered = good;
    (*altered.mutable_body())[i] = static_cast<char>(altered.body()[i] ^ 1);
    EXPECT_FALSE(verify_receipt(altered, &market_key_.public_key())) << "byte " << i;
  }
}

// Even a market that signs it cannot make a wrong figure right.
TEST_F(ReceiptTest, EveryWrongFigureIsNamed) {
  (void)sign();
  expect_refused({
      {[](v1::ReceiptBody& b) { b.set_charged_micros(10'001); }, "charge"},
      {[](v1::ReceiptBody& b) { b.set_rate_hour_micros(3'600'360); }, "charge"},
      {[](v1::ReceiptBody& b) { b.set_hold_micros(9'999); }, "charge"},
      {[](v1::ReceiptBody& b) { b.set_time_us_max(9'000'000); }, "charge"},
      {[](v1::ReceiptBody& b) { b.set_proven_us(11'000'000); }, "proven"},
      {[](v1::ReceiptBody& b) { b.set_paid_micros(9'000); }, "paid"},
      {[](v1::ReceiptBody& b) { b.set_fee_micros(501); }, "fee"},
      {[](v1::ReceiptBody& b) { b.set_fee_basis_points(10'001); }, "more than all"},
      {[](v1::ReceiptBody& b) { b.set_blame(v1::BLAME_PROVIDER); }, "refunded"},
      {[](v1::ReceiptBody& b) { b.set_refunded_micros(1); }, "refund"},
      {[](v1::ReceiptBody& b) { b.set_refunded_micros(20'000); }, "refunded"},
      {[](v1::ReceiptBody& b) { b.set_rate_hour_micros(-1); }, "negative"},
      {[](v1::ReceiptBody& b) { b.set_meters_root(std::string(32, 'x')); }, "Merkle"},
  });
}

// Ten seconds of a day that was reserved: no bracket was reached, so it is billed without discount.
TEST_F(ReceiptTest, ATermEndedEarlyIsReRated) {
  const auto set = [this](std::int64_t rerated, std::int64_t charged) {
    body_.set_tier(v1::RESERVED);
    body_.add_devices()->set_index(0);
    body_.set_device_thousandths(1'000);
    body_.set_device_hour_micros(3'600'000);
    body_.set_rate_hour_micros(3'240'000);
    body_.mutable_discounts()->set_day_basis_points(1'000);
    body_.mutable_discounts()->set_week_basis_points(1'500);
    body_.mutable_discounts()->set_month_basis_points(1'500);
    body_.set_term_us(hours(24).value);
    body_.set_time_us_max(hours(24).value);
    body_.set_hold_micros(77'760'000);
    body_.set_rerated_hour_micros(rerated);
    body_.set_charged_micros(charged);
    body_.set_paid_micros(charged);
    body_.set_fee_micros(charged / 20);
  };
  set(3'600'000, 10'000);
  const auto verified = verify_receipt(sign(), nullptr);
  ASSERT_TRUE(verified) << verified.error().message;
  const std::string text = describe_receipt(verified->body);
  EXPECT_NE(text.find("re-rated     3.60"), std::string::npos) << text;
  EXPECT_NE(text.find("0, 10, 15, 15 %"), std::string::npos) << text;
  const v1::ReceiptBody good = body_;
  expect_refused({
      {[](v1::ReceiptBody& b) { b.set_rerated_hour_micros(0); }, "re-rated"},
      {[](v1::ReceiptBody& b) { b.set_cut_short(true); }, "re-rated"},
      {[](v1::ReceiptBody& b) { b.set_reason(v1::TIME_LIMIT); }, "re-rated"},
      {[](v1::ReceiptBody& b) { b.set_term_before_us(hours(24).value); }, "re-rated"},
      {[](v1::ReceiptBody& b) { b.set_tier(v1::ON_DEMAND); }, "no term"},
      {[](v1::ReceiptBody& b) { b.set_device_hour_micros(3'600'002); }, "discount"},
      {[](v1::ReceiptBody& b) { b.set_term_us(hours(23).value); }, "discount"},
      {[](v1::ReceiptBody& b) { b.mutable_discounts()->set_hour_basis_points(1'001); }, "order"},
  });
  // The owner came home first: the discount stays.
  body_ = good;
  set(0, 9'000);
  body_.mutable_devices()->DeleteSubrange(1, 1);
  body_.set_cut_short(true);
  body_.set_reason(v1::STOPPED);
  body_.set_blame(v1::BLAME_RENTER);
  const auto spared = verify_receipt(sign_as_is(), nullptr);
  EXPECT_TRUE(spared) << spared.error().message;
}

TEST_F(ReceiptTest, AVolumeDiscountComesOutOfTheFee) {
  body_.set_volume_basis_points(2'500);
  body_.set_volume_discount_micros(125);
  body_.set_charged_micros(9'875);
  body_.set_paid_micros(9'875);
  body_.set_fee_micros(375);
  const auto verified = verify_receipt(sign(), nullptr);
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_NE(describe_receipt(verified->body).find("0.000125, 25 %"), std::string::npos);
  expect_refused({
      {[](v1::ReceiptBody& b) { b.set_volume_discount_micros(126); }, "volume"},
      {[](v1::ReceiptBody& b) { b.set_volume_basis_points(2'000); }, "volume"},
      {[](v1::ReceiptBody& b) { b.set_volume_basis_points(20'000); }, "volume"},
      {[](v1::ReceiptBody& b) { b.set_charged_micros(10'000); }, "charge"},
      {[](v1::ReceiptBody& b) { b.set_fee_micros(500); }, "fee"},
  });
}

// Slowed down for 3 of its 10 s, of a charge of 0.01: the provider gives 0.003 back.
TEST_F(ReceiptTest, ACreditFollowsFromTheMeterRecords) {
  body_.clear_meters();
  add_meter(1, 5'000'000, 1'000'000);
  add_meter(2, 10'000'000, 3'000'000);
  body_.set_slowed_us(3'000'000);
  body_.set_credit_basis_points_max(5'000);
  body_.set_credited_micros(3'000);
  body_.set_refunded_micros(3'000);
  body_.set_paid_micros(7'000);
  const auto verified = verify_receipt(sign(), nullptr);
  ASSERT_TRUE(verified) << verified.error().message;
  const std::string text = describe_receipt(verified->body);
  EXPECT_NE(text.find("credited     0.003 of it: slowed down for 3.000 s"), std::string::npos)
      << text;
  expect_refused({
      {[](v1::ReceiptBody& b) { b.set_slowed_us(0); }, "slowed down"},
      {[](v1::ReceiptBody& b) { b.set_credited_micros(2'999); }, "credit"},
      {[](v1::ReceiptBody& b) { b.set_credit_basis_points_max(2'999); }, "credit"},
      {[](v1::ReceiptBody& b) { b.set_credit_basis_points_max(10'001); }, "more than all"},
      {[](v1::ReceiptBody& b) { b.set_slow_basis_points(3'001); }, "credit"},
      {[](v1::ReceiptBody& b) { b.set_slow_basis_points(10'001); }, "more than all"},
      {[](v1::ReceiptBody& b) { b.set_refunded_micros(0); }, "refund"},
      {[](v1::ReceiptBody& b) {
         b.set_blame(v1::BLAME_OWNER);
         b.set_refunded_micros(0);
       },
       "refund"},
      {[](v1::ReceiptBody& b) { b.set_blame(v1::BLAME_PROVIDER); }, "credit"},
      {[](v1::ReceiptBody& b) { b.mutable_meters(1)->set_slowed_us(2'000'000); }, "signed"},
      {[](v1::ReceiptBody& b) { b.mutable_meters(1)->set_slowed_us(999'999); }, "slowed time"},
      {[](v1::ReceiptBody& b) { b.mutable_meters(0)->set_slowed_us(5'000'001); }, "slowed time"},
  });
  // What the market has proven counts where it is more; never more than the provider has of it.
  body_.set_slow_basis_points(4'000);
  body_.set_credited_micros(4'000);
  body_.set_refunded_micros(4'000);
  body_.set_paid_micros(6'000);
  EXPECT_TRUE(verify_receipt(sign_as_is(), nullptr));
  body_.set_slow_basis_points(10'000);
  body_.set_credit_basis_points_max(10'000);
  body_.set_credited_micros(9'500);
  body_.set_refunded_micros(9'500);
  body_.set_paid_micros(500);
  EXPECT_TRUE(verify_receipt(sign_as_is(), nullptr));
}

// 10 s for 0.01, and of 2 GB at 0.05 that were held for 1.5 were sent.
TEST_F(ReceiptTest, WhatWasSentIsBilledBesideTheTime) {
  body_.clear_meters();
  add_meter(1, 5'000'000, 0, 500'000'000);
  add_meter(2, 10'000'000, 0, 1'500'000'000);
  body_.set_egress_gb_micros(50'000);
  body_.set_egress_bytes_max(2'000'000'000);
  body_.set_egress_bytes(1'500'000'000);
  body_.set_egress_micros(75'000);
  body_.set_charged_micros(85'000);
  body_.set_fee_micros(4'250);
  body_.set_paid_micros(85'000);
  const auto verified = verify_receipt(sign(), &market_key_.public_key());
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_NE(describe_receipt(verified->body)
                .find("0.075 for 1.500000 GB sent, at 0.05  per GB, at most 2.000000 GB"),
            std::string::npos)
      << describe_receipt(verified->body);
  expect_refused({
      {[](v1::ReceiptBody& b) { b.set_egress_bytes(1'500'000'001); }, "sent"},
      {[](v1::ReceiptBody& b) { b.set_egress_micros(75'001); }, "sent"},
      {[](v1::ReceiptBody& b) { b.set_egress_gb_micros(50'001); }, "sent"},
      {[](v1::ReceiptBody& b) { b.set_egress_bytes_max(1'400'000'000); }, "sent"},
      {[](v1::ReceiptBody& b) { b.set_egress_bytes_max(-1); }, "negative"},
      {[](v1::ReceiptBody& b) { b.set_hold_micros(99'999); }, "cover"},
      {[](v1::ReceiptBody& b) { b.set_hold_micros(109'999); }, "what was sent"},
      {[](v1::ReceiptBody& b) { b.set_charged_micros(10'000); }, "what was sent"},
      {[](v1::ReceiptBody& b) { b.mutable_meters(1)->set_egress_bytes(499'999'999); },
       "takes back"},
  });
  // What is held for the time pays for nothing that is sent, and slow devices credit their time
  // only.
  body_.mutable_meters()->DeleteSubrange(0, 2);
  add_meter(1, 10'000'000, 5'000'000, 1'500'000'000);
  body_.set_slowed_us(5'000'000);
  body_.set_credit_basis_points_max(10'000);
  body_.set_credited_micros(5'000);
  body_.set_refunded_micros(5'000);
  body_.set_paid_micros(80'000);
  const auto credited = verify_receipt(sign(), &market_key_.public_key());
  EXPECT_TRUE(credited) << credited.error().message;
}

// Anybody can sign one with a key of his own: what cannot be is refused, and no price becomes
// negative on the way. Here the time alone would be charged -1.
TEST_F(ReceiptTest, AFeeOfMoreThanAllIsRefused) {
  body_.clear_meters();
  add_meter(1, 10'000'000, 0, 2);
  body_.set_egress_gb_micros(1'000'000'000);
  body_.set_egress_bytes_max(2);
  body_.set_egress_bytes(2);
  body_.set_egress_micros(2);
  body_.set_hold_micros(14);
  body_.set_fee_basis_points(12'500);
  body_.set_volume_basis_points(8'800);
  body_.set_volume_discount_micros(14);
  body_.set_charged_micros(0);
  const auto refused = verify_receipt(sign(), nullptr);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("more than all"), std::string::npos)
      << refused.error().message;
}

TEST_F(ReceiptTest, ASpotPriceBeyondAllNumbersIsRefused) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  body_.set_tier(v1::SPOT);
  body_.add_devices()->set_index(0);
  body_.set_device_thousandths(1'000);
  body_.set_spot_bid_micros(kMost);
  body_.set_rate_hour_micros(kMost);
  body_.clear_meters();
  add_meter(1, hours(2).value);
  body_.set_proven_us(hours(2).value);
  body_.set_time_us_max(hours(2).value);
  v1::PriceRun& run = *body_.add_price_runs();
  run.set_rate_hour_micros(kMost);
  run.set_until_us(hours(2).value);
  const auto refused = verify_receipt(sign(), nullptr);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("charge"), std::string::npos) << refused.error().message;
}

// Ten seconds: four at 1.80 an hour, six at 2.70, under a bid of 3.60.
TEST_F(ReceiptTest, ASpotLeaseIsBilledRunByRun) {
  body_.set_tier(v1::SPOT);
  body_.add_devices()->set_index(0);
  body_.set_device_thousandths(1'000);
  body_.set_spot_bid_micros(3'600'000);
  body_.set_spot_floor_micros(1'800'000);
  const auto add_run = [this](std::int64_t rate, std::int64_t until) {
    v1::PriceRun& run = *body_.add_price_runs();
    run.set_rate_hour_micros(rate);
    run.set_until_us(until);
  };
  add_run(1'800'000, 4'000'000);
  add_run(2'700'000, 10'000'000);
  body_.set_charged_micros(6'500);
  body_.set_paid_micros(6'500);
  body_.set_fee_micros(325);
  const auto verified = verify_receipt(sign(), nullptr);
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_NE(describe_receipt(verified->body).find("spot price   2.70"), std::string::npos);
  expect_refused({
      {[](v1::ReceiptBody& b) { b.set_charged_micros(6'501); }, "charge"},
      {[](v1::ReceiptBody& b) { b.mutable_price_runs(0)->set_rate_hour_micros(1'799'999); },
       "floor"},
      {[](v1::ReceiptBody& b) { b.mutable_price_runs(1)->set_rate_hour_micros(3'600'001); }, "bid"},
      {[](v1::ReceiptBody& b) { b.mutable_price_runs(1)->set_until_us(4'000'000); }, "back"},
      {[](v1::ReceiptBody& b) { b.mutable_price_runs()->RemoveLast(); }, "billed"},
      {[](v1::ReceiptBody& b) { b.set_spot_bid_micros(3'600'001); }, "bid"},
      {[](v1::ReceiptBody& b) { b.set_tier(v1::ON_DEMAND); }, "no spot"},
  });
}

TEST_F(ReceiptTest, MeterRecordsMustBeTheNodesInOrderAndWhole) {
  const v1::ReceiptBody good = body_;
  const std::function<void(v1::ReceiptBody&)> changes[] = {
      [](v1::ReceiptBody& b) { b.mutable_meters()->DeleteSubrange(0, 1); },
      [](v1::ReceiptBody& b) { b.mutable_meters()->SwapElements(0, 1); },
      [](v1::ReceiptBody& b) { b.mutable_meters(0)->set_running_us(6'000'000); },
      [](v1::ReceiptBody& b) { b.mutable_meters(1)->set_lease(1); },
      [](v1::ReceiptBody& b) { b.mutable_meters(1)->set_signature(std::string(64, 'x')); },
      [](v1::ReceiptBody& b) { b.set_node_public_key("short"); },
  };
  for (const auto& change : changes) {
    body_ = good;
    change(body_);
    EXPECT_FALSE(verify_receipt(sign(), &market_key_.public_key()));
  }
  body_ = good;
  body_.mutable_meters()->RemoveLast();
  add_meter(2, 4'000'000);  // signed, but it goes back
  EXPECT_FALSE(verify_receipt(sign(), &market_key_.public_key()));
}

TEST_F(ReceiptTest, AProvidersFaultIsRefundedWithTheFee) {
  body_.set_reason(v1::HOST_LOST);
  body_.set_blame(v1::BLAME_PROVIDER);
  body_.set_refunded_micros(10'000);
  body_.set_paid_micros(0);
  body_.set_fee_micros(0);
  const auto verified = verify_receipt(sign(), &market_key_.public_key());
  EXPECT_TRUE(verified) << verified.error().message;
}

TEST_F(ReceiptTest, TheFileIsJsonOfAReceipt) {
  std::string json;
  ASSERT_TRUE(google::protobuf::util::MessageToJsonString(sign(), &json).ok());
  const auto parsed = parse_receipt(json);
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(verify_receipt(*parsed, &market_key_.public_key()));
  for (const char* text : {"", "{}", "[]", "{\"body\":1}", "root:x:0:0", "{\"body\":\"!!\"}"}) {
    EXPECT_FALSE(parse_receipt(text)) << text;
  }
}

}  // namespace
}  // namespace fallow::client
