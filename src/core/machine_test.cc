// What scenarios do not show: refusals at founding, keys and tokens, limits, the reading half.
#include <gtest/gtest.h>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

TEST_F(MachineTest, NothingBeforeFoundAndFoundOnce) {
  v1::Command tick;
  tick.mutable_tick();
  EXPECT_EQ(refusal_of(tick), v1::NOT_ALLOWED);
  EXPECT_FALSE(machine_.estimate({}, 1, now_).has_value());
  for (const auto& spoil : std::vector<std::function<void(v1::Found&)>>{
           [](v1::Found& f) { f.clear_market_name(); }, [](v1::Found& f) { f.clear_policy(); },
           [](v1::Found& f) { f.set_market_public_key("short"); },
           [](v1::Found& f) { f.set_operator_key_hash("short"); },
           [](v1::Found& f) { f.clear_currency(); },
           [](v1::Found& f) { f.mutable_policy()->set_fee_basis_points(10'001); },
           [](v1::Found& f) { f.mutable_policy()->set_proof_interval_us(999'999); },
           [](v1::Found& f) { f.mutable_policy()->set_attempts_max(0); },
           [](v1::Found& f) { f.mutable_policy()->set_close_after_us(1); },
           [](v1::Found& f) { f.mutable_policy()->set_meter_interval_us(INT64_MAX); }}) {
    v1::Command command = test_found();
    spoil(*command.mutable_found());
    EXPECT_EQ(refusal_of(command), v1::VALUE_INVALID);
    EXPECT_FALSE(machine_.founded());
  }
  EXPECT_EQ(refusal_of(test_found(), 7), v1::NOT_ALLOWED);
  found();
  EXPECT_EQ(refusal_of(test_found()), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(v1::Command()), v1::VALUE_INVALID);
  const ApiKey* const key = machine_.key(*digest_from_bytes(test_hash(2)));
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->scopes, 1U << v1::OPERATOR);
}

TEST_F(MachineTest, KeysDoNoMoreThanTheirAccount) {
  found();
  const std::uint64_t renter = open(v1::RENTER);
  const std::uint64_t other = open(v1::RENTER);
  v1::Command add;
  add.mutable_add_key()->set_account(renter);
  add.mutable_add_key()->set_secret_hash(test_hash(50));
  add.mutable_add_key()->add_scopes(v1::PROVIDER);
  EXPECT_EQ(refusal_of(add, renter), v1::NOT_ALLOWED);
  add.mutable_add_key()->set_scopes(0, v1::RENTER);
  EXPECT_EQ(refusal_of(add, other), v1::NOT_ALLOWED);
  add.mutable_add_key()->set_expires_at_us(5);
  EXPECT_EQ(refusal_of(add, renter), v1::VALUE_INVALID);
  add.mutable_add_key()->clear_expires_at_us();
  EXPECT_EQ(refusal_of(add, renter), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(refusal_of(add, renter), v1::VALUE_INVALID) << "it exists already";
  std::size_t keys = 0;
  machine_.visit_keys(AccountId(renter), [&](const ApiKey&) { return ++keys > 0; });
  EXPECT_EQ(keys, 1U);
  v1::Command revoke;
  revoke.mutable_revoke_key()->set_secret_hash(test_hash(50));
  EXPECT_EQ(refusal_of(revoke, other), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(revoke, renter), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(refusal_of(revoke, renter), v1::NOT_FOUND);
  EXPECT_EQ(machine_.key(*digest_from_bytes(test_hash(50))), nullptr);
}

TEST_F(MachineTest, TokensAreUsedUpAndExpire) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t renter = open(v1::RENTER);
  EXPECT_EQ(refusal_of(token(renter, 60), renter), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(token(provider, 60, 0), provider), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(token(provider, 60, 2), provider), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(refusal_of(join(61, 70)), v1::TOKEN_INVALID);
  EXPECT_EQ(refusal_of(join(60, 70)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(refusal_of(join(60, 70)), v1::NODE_KEY_TAKEN);
  EXPECT_EQ(refusal_of(join(60, 71)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(refusal_of(join(60, 72)), v1::TOKEN_INVALID);
  v1::Command brief = token(provider, 62);
  brief.mutable_create_join_token()->set_expires_at_us((now_ + seconds(1)).us);
  EXPECT_EQ(refusal_of(brief), v1::REFUSAL_UNSPECIFIED);
  now_ = now_ + seconds(1);
  EXPECT_EQ(refusal_of(join(62, 73)), v1::TOKEN_INVALID);
}

TEST_F(MachineTest, OnlyTheMarketSpeaksForNodes) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t id = node(provider, 1);
  v1::Command link;
  link.mutable_set_node_link()->set_node(id);
  v1::Command report;
  report.mutable_report_node()->set_node(id);
  v1::Command observe;
  observe.mutable_observe()->set_node(id);
  v1::Command tick;
  tick.mutable_tick();
  v1::Command resume;
  resume.mutable_resume();
  for (const v1::Command& command : {link, report, observe, tick, resume}) {
    EXPECT_EQ(refusal_of(command, provider), v1::NOT_ALLOWED) << command.ShortDebugString();
  }
}

TEST_F(MachineTest, PricesCannotOverflow) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t renter = open(v1::RENTER);
  const std::uint64_t id = node(provider, 1);
  EXPECT_EQ(offer(id, -1), v1::VALUE_INVALID);
  EXPECT_EQ(offer(id, INT64_MAX), v1::VALUE_INVALID);
  EXPECT_EQ(offer(id, 1'000'000'000'001), v1::VALUE_INVALID);
  EXPECT_EQ(offer(id, 1'000'000'000'000), v1::REFUSAL_UNSPECIFIED);
  v1::Command order = submit(renter, 100'000);
  order.mutable_submit_order()->mutable_requirements()->set_duration_us(hours(24 * 366).value);
  EXPECT_EQ(refusal_of(order), v1::VALUE_INVALID);
  EXPECT_NE(events_[0].refused().message().find("would cost more"), std::string::npos);
  order.mutable_submit_order()->mutable_requirements()->set_duration_us(1'000'000'000'000'000'000);
  EXPECT_EQ(refusal_of(order), v1::VALUE_INVALID);
}

TEST_F(MachineTest, ManyRaisesWithinAQuotesLifeAreRefused) {
  found();
  const std::uint64_t id = node(open(v1::PROVIDER), 1);
  std::int64_t price = 1;
  while (offer(id, ++price) == v1::REFUSAL_UNSPECIFIED) ASSERT_LT(price, 100);
  EXPECT_EQ(events_[0].refused().code(), v1::LIMIT_REACHED);
  EXPECT_EQ(price, 10);
  EXPECT_EQ(offer(id, 1), v1::REFUSAL_UNSPECIFIED) << "a lower price is always taken";
  now_ = now_ + minutes(5);
  EXPECT_EQ(offer(id, 50), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.node(NodeId(id))->offer.former.size(), 1U);
}

TEST_F(MachineTest, WhatCostsNothingIsLeasedForNothing) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t renter = open(v1::RENTER);
  node(provider, 0);
  EXPECT_EQ(refusal_of(submit(renter, 2)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.counts().leases_open, 1U);
  // The second task waits for the free node rather than taking one that costs.
  node(provider, 400'000);
  EXPECT_EQ(machine_.counts().leases_open, 1U);
  EXPECT_EQ(machine_.counts().orders_waiting, 1U);
}

TEST_F(MachineTest, EstimateIsWhatTheFirstWaveCosts) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  node(provider, 200'000, 2);
  node(provider, 300'000, 1);
  const std::uint64_t dear = node(provider, 900'000, 4);
  v1::Requirements wanted;
  wanted.set_duration_us(hours(2).value);
  auto estimate = machine_.estimate(wanted, 3, now_);
  ASSERT_TRUE(estimate);
  EXPECT_EQ(estimate->quote.task_hour_micros(), 300'000);
  EXPECT_EQ(estimate->quote.total_micros(), 1'800'000);
  EXPECT_EQ(estimate->tasks_at_once, 3U);
  EXPECT_EQ(estimate->fee_hour, Micros(15'000));
  EXPECT_EQ(estimate->quote.requirements().gpus(), 1U) << "defaults are written out";
  estimate = machine_.estimate(wanted, 100, now_);
  ASSERT_TRUE(estimate);
  EXPECT_EQ(estimate->tasks_at_once, 7U);
  EXPECT_EQ(estimate->quote.task_hour_micros(), 900'000);
  wanted.set_gpus(4);
  wanted.set_disk_mb(2'048);
  estimate = machine_.estimate(wanted, 1, now_);
  ASSERT_TRUE(estimate);
  EXPECT_EQ(estimate->offers.at(0).node->id, NodeId(dear));
  EXPECT_EQ(estimate->gpu_hour, Micros(3'600'000));
  EXPECT_EQ(estimate->disk_hour, Micros(0));
  EXPECT_EQ(machine_.estimate(wanted, 0, now_).error().code, v1::VALUE_INVALID);
  wanted.set_query("gpu_ram>");
  EXPECT_EQ(machine_.estimate(wanted, 1, now_).error().code, v1::QUERY_INVALID);
}

TEST_F(MachineTest, DesiredIsEveryOpenLease) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t renter = open(v1::RENTER);
  const std::uint64_t id = node(provider, 100'000, 2);
  deposit(renter, 10'000'000);
  v1::Command order = submit(renter, 2);
  order.mutable_submit_order()->mutable_requirements()->set_network(v1::EGRESS);
  apply(order, renter);
  v1::Desired desired = machine_.desired(NodeId(id));
  ASSERT_EQ(desired.leases_size(), 2);
  EXPECT_EQ(desired.revision(), 2U);
  EXPECT_EQ(desired.leases(1).task(), 1U);
  EXPECT_EQ(desired.leases(1).tasks(), 2U);
  EXPECT_EQ(desired.leases(1).devices(0), 1U);
  EXPECT_EQ(desired.leases(1).time_us_max(), kHour.value);
  EXPECT_EQ(desired.leases(1).workload().command(0), "true");
  EXPECT_EQ(desired.leases(1).network(), v1::EGRESS);
  v1::Command stop;
  stop.mutable_stop_lease()->set_lease(desired.leases(0).lease());
  apply(stop, renter);
  desired = machine_.desired(NodeId(id));
  EXPECT_EQ(desired.revision(), 3U);
  EXPECT_TRUE(desired.leases(0).stop());
  EXPECT_EQ(desired.leases(0).stop_reason(), v1::STOPPED);
  EXPECT_FALSE(desired.leases(1).stop());
  EXPECT_EQ(desired.leases(1).stop_reason(), v1::END_REASON_UNSPECIFIED);
  EXPECT_EQ(machine_.desired(NodeId(1)).leases_size(), 0);
}

TEST_F(MachineTest, FactsOfLeasedDevicesStay) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t renter = open(v1::RENTER);
  const std::uint64_t id = node(provider, 100'000, 3);
  deposit(renter, 10'000'000);
  v1::Command order = submit(renter, 2);
  order.mutable_submit_order()->mutable_requirements()->set_memory_mb(20'000);
  apply(order, renter);
  v1::Command report;
  report.mutable_report_node()->set_node(id);
  *report.mutable_report_node()->mutable_facts() = test_facts(1);
  report.mutable_report_node()->mutable_facts()->mutable_devices(0)->set_uuid("another");
  report.mutable_report_node()->mutable_facts()->mutable_devices(0)->set_memory_mb(1);
  report.mutable_report_node()->mutable_facts()->set_memory_mb(30'000);
  apply(report);
  const Node& shrunk = *machine_.node(NodeId(id));
  ASSERT_EQ(shrunk.devices.size(), 2U) << "the third was free and is gone";
  EXPECT_EQ(shrunk.devices[0].facts.memory_mb(), 24'000U);
  EXPECT_EQ(shrunk.memory_mb_free, 0U) << "40 of 30 GB are leased";
  for (const std::uint32_t wrong : {1U, 7U}) {
    report.mutable_report_node()->mutable_facts()->mutable_devices(0)->set_index(wrong);
    EXPECT_EQ(refusal_of(report), v1::VALUE_INVALID);
  }
}

TEST_F(MachineTest, WorkIsSpreadOverTicks) {
  Limits limits;
  limits.placements_per_command_max = 10;
  Machine small(limits);
  const auto apply_small = [&](const v1::Command& command) {
    now_ = now_ + milliseconds(1);
    events_.clear();
    small.apply(LogIndex(small.last_index().value + 1), now_, command, events_);
    small.check_invariants();
  };
  apply_small(test_found());
  v1::Command both;
  both.mutable_open_account()->set_name("both");
  both.mutable_open_account()->add_scopes(v1::RENTER);
  both.mutable_open_account()->add_scopes(v1::PROVIDER);
  apply_small(both);
  const std::uint64_t account = small.last_index().value * 4'096;
  apply_small(token(account, 60));
  apply_small(join(60, 61, 64));
  const std::uint64_t id = small.last_index().value * 4'096;
  v1::Command link;
  link.mutable_set_node_link()->set_node(id);
  link.mutable_set_node_link()->set_connected(true);
  apply_small(link);
  v1::Command offer;
  offer.mutable_set_offer()->set_node(id);
  apply_small(offer);
  apply_small(submit(account, 64));
  v1::Command tick;
  tick.mutable_tick();
  std::size_t placed = 10;
  while (small.counts().leases_open < 64) {
    EXPECT_EQ(small.counts().leases_open, placed);
    ASSERT_EQ(small.next_deadline(), small.now()) << "more is due at once";
    apply_small(tick);
    placed += 10;
    ASSERT_LT(placed, 100U);
  }
  EXPECT_GT(*small.next_deadline(), small.now());
}

TEST_F(MachineTest, RequestKeysAreForgottenInOrder) {
  Limits limits;
  limits.request_keys_kept_max = 2;
  Machine small(limits);
  Events events;
  std::uint64_t index = 0;
  const auto open_with = [&](std::uint64_t key) {
    v1::Command command;
    command.mutable_open_account()->set_name("x");
    command.mutable_open_account()->add_scopes(v1::RENTER);
    command.set_request_key(test_hash(key).substr(0, 16));
    command.set_request_fingerprint("12345678");
    events.clear();
    small.apply(LogIndex(++index), now_, command, events);
    return events.at(0).kind_case();
  };
  small.apply(LogIndex(++index), now_, test_found(), events);
  EXPECT_EQ(open_with(1), v1::Event::kAccountOpened);
  EXPECT_EQ(open_with(2), v1::Event::kAccountOpened);
  EXPECT_EQ(open_with(1), v1::Event::kRepeated);
  EXPECT_EQ(open_with(3), v1::Event::kAccountOpened);
  EXPECT_EQ(open_with(2), v1::Event::kRepeated);
  EXPECT_EQ(open_with(1), v1::Event::kAccountOpened) << "1 was the oldest and is forgotten";
}

TEST_F(MachineTest, DigestFollowsEveryChange) {
  const Digest empty = machine_.digest();
  found();
  const Digest founded = machine_.digest();
  EXPECT_NE(empty, founded);
  EXPECT_EQ(machine_.digest(), founded);
  Machine twin;
  Events events;
  twin.apply(LogIndex(1), now_, test_found(), events);
  EXPECT_EQ(twin.digest(), founded);
  open(v1::RENTER);
  EXPECT_NE(machine_.digest(), founded);
}

TEST(MachineDeathTest, TheLogGoesOnByOneAndNeverBack) {
  Machine machine;
  Events events;
  machine.apply(LogIndex(1), Time{1'000}, test_found(), events);
  EXPECT_DEATH(machine.apply(LogIndex(3), Time{1'000}, {}, events), "came after");
  EXPECT_DEATH(machine.apply(LogIndex(2), Time{999}, {}, events), "after one of");
}

}  // namespace
}  // namespace fallow::core
