#include "core/survival.h"

#include <gtest/gtest.h>

#include "core/book_test_nodes.h"
#include "core/test_machine.h"

namespace fallow::core {
namespace {

TEST(Survival, SpansAreTheFirstThatAreNoShorter) {
  EXPECT_EQ(survival_span(Duration(0)), 0U);
  EXPECT_EQ(survival_span(hours(1)), 0U);
  EXPECT_EQ(survival_span(hours(1) + Duration(1)), 1U);
  EXPECT_EQ(survival_span(hours(168)), 4U);
  EXPECT_EQ(survival_span(hours(9'000)), 4U);
}

TEST(Survival, ACodeIsNeverAboveWhatWasSaid) {
  EXPECT_EQ(survival_ppm(survival_code(kSurely)), kSurely);
  for (std::uint32_t ppm = 4'000; ppm <= kSurely; ppm += 997) {
    const std::uint32_t kept = survival_ppm(survival_code(ppm));
    EXPECT_LE(kept, ppm);
    EXPECT_GT(kept + kSurely / 200, ppm);
  }
  EXPECT_EQ(survival_code(0), 1) << "0 is for the unknown";
}

TEST(Uptime, CountsStretchesAndWhatCutThem) {
  Uptime uptime;
  EXPECT_FALSE(uptime.since());
  uptime.follow(false, Time{1'000'000}, false);
  EXPECT_EQ(uptime.size(), 0U);
  uptime.follow(true, Time{2'000'000}, false);
  uptime.follow(true, Time{3'000'000}, false);
  EXPECT_EQ(uptime.since()->us, 2'000'000);
  uptime.follow(false, Time{62'000'000}, false);
  uptime.follow(true, Time{70'000'000}, false);
  uptime.follow(false, Time{70'000'000}, true);
  ASSERT_EQ(uptime.size(), 2U);
  EXPECT_EQ(uptime[0].seconds, 60U);
  EXPECT_FALSE(uptime[0].cut);
  EXPECT_EQ(uptime[1].seconds, 1U) << "the least that is counted";
  EXPECT_TRUE(uptime[1].cut);
  EXPECT_FALSE(uptime.since());
}

TEST(Uptime, KeepsTheLatest) {
  Uptime uptime;
  for (std::int64_t i = 0; i < 40; ++i) {
    uptime.follow(true, Time{1'000 + i * 1'000'000'000}, false);
    uptime.follow(false, Time{1'000 + i * 1'000'000'000} + seconds(i + 1), false);
  }
  ASSERT_EQ(uptime.size(), Uptime::kStretchesMax);
  EXPECT_EQ(uptime[0].seconds, 25U);
  EXPECT_EQ(uptime[15].seconds, 40U);
  EXPECT_TRUE(uptime.can_be(Time{1}));
}

class SurvivalTest : public MachineTest {
 protected:
  static v1::Command survival(std::uint64_t node, const std::vector<std::uint32_t>& ppm) {
    v1::Command command;
    v1::NodeSurvival& told = *command.mutable_set_survival()->add_nodes();
    told.set_node(node);
    for (const std::uint32_t one : ppm) told.add_lasting_ppm(one);
    return command;
  }
  const Uptime& uptime(std::uint64_t node) { return machine_.node(NodeId(node))->uptime; }
  void link(std::uint64_t node, bool connected, bool by_market = false) {
    v1::Command command;
    command.mutable_set_node_link()->set_node(node);
    command.mutable_set_node_link()->set_connected(connected);
    command.mutable_set_node_link()->set_by_market(by_market);
    apply(command);
  }
};

TEST_F(SurvivalTest, OnlyWhatCanBeIsAccepted) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t bob = node(provider, 400'000);
  const std::vector<std::uint32_t> falling{900'000, 800'000, 700'000, 600'000, 500'000};
  EXPECT_EQ(refusal_of(survival(bob, falling), provider), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(survival(bob, {900'000})), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(survival(bob, {1'000'001, 1, 1, 1, 1})), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(survival(bob, {5, 4, 3, 2, 3})), v1::VALUE_INVALID);
  v1::Command many;
  for (int i = 0; i < 1'025; ++i) many.mutable_set_survival()->add_nodes()->set_node(bob);
  EXPECT_EQ(refusal_of(many), v1::LIMIT_REACHED);
  EXPECT_FALSE(machine_.node(NodeId(bob))->survival.is_known());
  EXPECT_EQ(refusal_of(survival(bob, falling)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(events_[0].survival_set().nodes(), 1U);
  EXPECT_EQ(machine_.node(NodeId(bob))->survival.codes[4], survival_code(500'000));
  apply(survival(bob + 1, falling));
  EXPECT_EQ(events_[0].survival_set().nodes(), 0U) << "a node that went meanwhile";
  apply(survival(bob, {}));
  EXPECT_FALSE(machine_.node(NodeId(bob))->survival.is_known());
}

TEST_F(SurvivalTest, CostToCompleteGoesByHowLongTheTaskIs) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t attic = node(provider, 400'000);   // good for an hour
  const std::uint64_t garage = node(provider, 500'000);  // good for a day
  apply(survival(attic, {900'000, 500'000, 300'000, 200'000, 100'000}));
  apply(survival(garage, {910'000, 900'000, 880'000, 700'000, 600'000}));
  v1::Requirements wanted;
  wanted.set_objective(v1::COST_TO_COMPLETE);
  const auto best = [&](Duration time) {
    wanted.set_duration_us(time.value);
    return machine_.estimate(wanted, 1, now_)->offers.at(0).node->id.value;
  };
  EXPECT_EQ(best(hours(1)), attic);
  EXPECT_EQ(best(hours(5)), garage);
  // What is known of nodes in general counts for those of which nothing is.
  apply(survival(garage, {}));
  apply(survival(0, {890'000, 100'000, 90'000, 80'000, 70'000}));
  EXPECT_EQ(best(hours(5)), attic);
}

TEST_F(SurvivalTest, StretchesAreOfNodesThatCanBeLeased) {
  found();
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t bob = node(provider, 400'000);
  ASSERT_TRUE(uptime(bob).since());
  now_ = now_ + seconds(90);
  link(bob, false);
  ASSERT_EQ(uptime(bob).size(), 1U);
  EXPECT_EQ(uptime(bob)[0].seconds, 90U);
  link(bob, true);
  now_ = now_ + seconds(30);
  v1::Command home;
  home.mutable_observe()->set_node(bob);
  home.mutable_observe()->set_owner(v1::OWNER_PRESENT);
  apply(home);
  EXPECT_FALSE(uptime(bob).since());
  home.mutable_observe()->set_owner(v1::OWNER_AWAY);
  apply(home);
  now_ = now_ + seconds(20);
  v1::Command resume;
  resume.mutable_resume();
  apply(resume);
  ASSERT_EQ(uptime(bob).size(), 3U);
  EXPECT_FALSE(uptime(bob)[1].cut) << "the owner came home";
  EXPECT_TRUE(uptime(bob)[2].cut) << "the market was away, which is not the node's doing";
}

TEST_F(SurvivalTest, AServerThatStopsEndsNoStretch) {
  found();
  const std::uint64_t bob = node(open(v1::PROVIDER), 400'000);
  now_ = now_ + seconds(60);
  link(bob, false, true);
  v1::Command resume;
  resume.mutable_resume();
  apply(resume);
  link(bob, true);
  now_ = now_ + seconds(40);
  link(bob, false);
  ASSERT_EQ(uptime(bob).size(), 2U);
  EXPECT_EQ(uptime(bob)[0].seconds, 60U);
  EXPECT_TRUE(uptime(bob)[0].cut);
  EXPECT_FALSE(uptime(bob)[1].cut);
}

TEST(Survival, ANodeThatBreaksItsLeasesIsNotLikelyToLast) {
  Scoring scoring;
  scoring.survival_weight = 200;
  const std::unique_ptr<Book> book = make_book(scoring);
  Node breaks = test_node(1, 400'000);
  breaks.leases_broken = 100;  // 19 of 120 count as kept
  breaks.survival.codes.fill(survival_code(990'000));
  const Node fresh = test_node(2, 405'000);
  book->update(breaks);
  book->update(fresh);
  // 0.40 * (1 + 0.02 * 0.84) = 0.407 against 0.405 * (1 + 0.02 * 0.05) = 0.4054.
  EXPECT_EQ(book->match(test_demand())->node->id, fresh.id);
  Demand complete = test_demand();
  complete.requirements.set_objective(v1::COST_TO_COMPLETE);
  EXPECT_EQ(book->match(complete)->node->id, fresh.id);
}

}  // namespace
}  // namespace fallow::core
