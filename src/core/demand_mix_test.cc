#include "core/demand_mix.h"

#include <gtest/gtest.h>

#include <array>

#include "core/book_test_nodes.h"
#include "core/placement.h"
#include "core/test_machine.h"

namespace fallow::core {
namespace {

constexpr Time kStart{1'700'000'000'000'000};

std::int64_t fragments(const DemandMix& mix, const std::vector<std::uint32_t>& free) {
  return mix.fragments(free);
}

TEST(DemandMix, WithoutDemandNothingIsAFragment) {
  const DemandMix mix;
  EXPECT_TRUE(mix.empty());
  EXPECT_EQ(fragments(mix, {1'000, 300}), 0);
  EXPECT_EQ(mix.fragments(7), 0);
}

TEST(DemandMix, WhatCannotBeUsedIsAFragment) {
  DemandMix mix;
  mix.count({1, 500}, 2, kStart);    // half of what is asked for
  mix.count({2, 1'000}, 1, kStart);  // a quarter
  mix.count({8, 1'000}, 1, kStart);  // a quarter
  // 300 are too little for a half; for the others all 1,300 are.
  EXPECT_EQ(fragments(mix, {1'000, 300}), (2 * 300 + 1'300 + 1'300) / 4);
  EXPECT_EQ(fragments(mix, {1'000, 1'000, 0}), 2'000 / 4);
  EXPECT_EQ(mix.fragments(2), 2'000 / 4);
  EXPECT_EQ(mix.fragments(8), 0);
  EXPECT_EQ(mix.fragments(7), 7'000 / 4);
  EXPECT_EQ(mix.fragments(1, 2, 300), (2 * 600 + 1'600 + 1'600) / 4);
}

TEST(DemandMix, TheClosedFormsSayTheSame) {
  DemandMix mix;
  mix.count({1, 1'000}, 5, kStart);
  mix.count({1, 350}, 3, kStart);
  mix.count({2, 800}, 2, kStart);
  mix.count({4, 1'000}, 1, kStart);
  for (std::uint32_t whole = 0; whole <= 8; ++whole) {
    EXPECT_EQ(mix.fragments(whole), fragments(mix, std::vector<std::uint32_t>(whole, 1'000)));
    for (std::uint32_t others = 0; others <= 3; ++others) {
      for (const std::uint32_t left : {0U, 200U, 350U, 800U, 999U}) {
        std::vector<std::uint32_t> free(whole, 1'000);
        free.insert(free.end(), others, left);
        EXPECT_EQ(mix.fragments(whole, others, left), fragments(mix, free));
      }
    }
  }
}

TEST(DemandMix, TheLatestDemandCounts) {
  DemandMix mix;
  mix.count({8, 1'000}, 10, kStart);
  EXPECT_EQ(mix.fragments(4), 4'000);
  // After three weeks nothing is left of it.
  mix.count({1, 1'000}, 1, kStart + hours(24 * 21));
  EXPECT_EQ(mix.fragments(4), 0);
  mix.count({8, 1'000}, 1, kStart + hours(24 * 21));
  EXPECT_EQ(mix.fragments(4), 2'000);
}

TEST(DemandMix, ManyShapesPushOutTheRarest) {
  DemandMix mix;
  mix.count({2, 1'000}, 64, kStart);
  for (std::uint32_t share = 1; share <= 200; ++share) mix.count({1, share}, 1, kStart);
  const std::int64_t of_one = mix.fragments(1);
  EXPECT_GT(of_one, 700) << "three quarters or more are for two devices";
  EXPECT_LT(of_one, 1'000);
}

TEST(DemandMix, OneOrderDoesNotMakeTheMix) {
  DemandMix mix;
  mix.count({8, 1'000}, 100'000, kStart);
  for (int i = 0; i < 64; ++i) mix.count({1, 1'000}, 1, kStart);
  EXPECT_EQ(mix.fragments(1), 500);
}

// The fields of a mix as a snapshot keeps them: out in their order, and in again.
struct Values {
  template <class... Fields>
  void operator()(const Fields&... fields) {
    (values.push_back(static_cast<std::uint64_t>(fields)), ...);
  }
  std::vector<std::uint64_t> values;
};
struct Back {
  template <class... Fields>
  void operator()(Fields&... fields) {
    ((fields = static_cast<Fields>(values.at(at++))), ...);
  }
  std::vector<std::uint64_t> values;
  std::size_t at = 0;
};

DemandMix read_back(const DemandMix& mix) {
  Values out;
  DemandMix::fields(out, mix);
  Back in{out.values};
  DemandMix read;
  DemandMix::fields(in, read);
  EXPECT_TRUE(read.restore());
  return read;
}

TEST(DemandMix, IsTheSameAfterASnapshotEvenWhenAShapeWasPushedOut) {
  DemandMix mix;
  mix.count({3, 1'000}, 1, kStart);
  for (int i = 0; i < 9; ++i) mix.count({2, 1'000}, 64, kStart);
  for (std::uint32_t share = 1; share <= 14; ++share) mix.count({1, share}, 2, kStart);
  EXPECT_EQ(mix.fragments(2), 3) << "1 of 577 takes three, which two are not";
  mix.count({4, 1'000}, 1, kStart);  // pushes that out, and is too little to renew the mix
  const DemandMix restored = read_back(mix);
  EXPECT_EQ(restored.fragments(2), 0);
  for (std::uint32_t whole = 0; whole <= DemandMix::kGpusMax; ++whole) {
    EXPECT_EQ(mix.fragments(whole), restored.fragments(whole));
    EXPECT_EQ(mix.fragments(whole, 1, 500), restored.fragments(whole, 1, 500));
  }
  EXPECT_EQ(mix.within({64, 1'000}), restored.within({64, 1'000}));
}

TEST(DemandMix, BeyondTheLargestNodeNothingCounts) {
  DemandMix mix;
  mix.count({65, 1'000}, 1, kStart);
  EXPECT_TRUE(mix.empty());
}

// What the book does with it: a small order goes where it spoils least, unless that is dearer than
// it is worth.
class FragmentsTest : public testing::Test {
 protected:
  FragmentsTest() {
    scoring_.fragmentation_weight = 100;
    scoring_.mix.count({1, 1'000}, 1, kStart);
    scoring_.mix.count({4, 1'000}, 1, kStart);
    put(test_node(1, 100'000, std::vector<TestDevice>(4)));  // whole
    std::vector<TestDevice> used(4);
    for (std::size_t i = 0; i < 3; ++i) used[i].free_thousandths = 0;
    put(test_node(2, 101'000, used));  // one is left of it
  }
  void put(Node node) {
    const NodeId id = node.id;
    nodes_[id] = std::move(node);
    book_->update(nodes_[id]);
  }
  std::uint64_t matched(const Demand& demand) {
    const auto placement = book_->match(demand);
    return placement ? placement->node->id.value : 0;
  }

  Scoring scoring_;
  std::map<NodeId, Node> nodes_;
  std::unique_ptr<Book> book_ = make_book(scoring_);
};

TEST_F(FragmentsTest, ASmallOrderLeavesTheWholeNodeAlone) {
  // On the first 3 devices become useless for half of what is asked for, and the task takes one
  // that was not: 2.5 devices at 1 % of 0.10 are 0.0025. On the second half a device was a
  // fragment: 0.0005.
  Demand small = test_demand();
  EXPECT_EQ(matched(small), 2U);
  nodes_[NodeId(2)].offer.device_hour = Micros(102'000);
  book_->update(nodes_[NodeId(2)]);
  EXPECT_EQ(matched(small), 1U) << "0.102 and 0.00051 are more than 0.10 and 0.0025";
  small.by_price = true;
  EXPECT_EQ(matched(small), 1U);
  Demand big = test_demand();
  big.requirements.set_gpus(4);
  EXPECT_EQ(matched(big), 1U);
}

TEST_F(FragmentsTest, NoMixMakesAPriceCountForMuchMore) {
  Scoring scoring;
  scoring.fragmentation_weight = 100;
  scoring.mix.count({64, 1'000}, 64, kStart);
  const std::unique_ptr<Book> book = make_book(scoring);
  const Node whole = test_node(1, 100'000, std::vector<TestDevice>(64));
  book->update(whole);
  Node single = test_node(2, 103'900);
  book->update(single);
  EXPECT_EQ(book->match(test_demand())->node->id, single.id);
  single.offer.device_hour = Micros(104'100);
  book->update(single);
  EXPECT_EQ(book->match(test_demand())->node->id, whole.id) << "four devices of it count at most";
}

class LeasedMixTest : public MachineTest {
 protected:
  const DemandMix& mix() { return machine_.book().scoring().mix; }
};

TEST_F(LeasedMixTest, OnlyWhatIsLeasedCounts) {
  found();
  const std::uint64_t renter = open(v1::RENTER);
  const std::uint64_t provider = open(v1::PROVIDER);
  deposit(renter, 100'000'000);
  const std::uint64_t first = node(provider, 400'000, 2);
  v1::Command pair = submit(renter);
  pair.mutable_submit_order()->mutable_requirements()->set_gpus(2);
  const std::uint64_t order = next_id();
  ASSERT_EQ(refusal_of(pair, renter), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(mix().fragments(1), 1'000) << "all that was leased takes two";
  ASSERT_EQ(refusal_of(submit(renter, 3), renter), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(mix().fragments(1), 1'000) << "three more only wait";
  v1::Command remove;
  remove.mutable_remove_node()->set_node(first);
  ASSERT_EQ(refusal_of(remove, provider), v1::REFUSAL_UNSPECIFIED);
  (void)node(provider, 400'000, 5);
  ASSERT_EQ(machine_.order(OrderId(order))->tasks[0].attempts, 2U);
  EXPECT_EQ(mix().fragments(1), 250) << "one of four takes two: again is not anew";
}

TEST_F(FragmentsTest, ThePriceOfThePlacementIsItsOwn) {
  const auto placement = book_->match(test_demand());
  ASSERT_TRUE(placement);
  EXPECT_EQ(placement->rate_hour, Micros(101'000)) << "what ranks is no price";
}

TEST_F(FragmentsTest, WithoutWeightThePriceAloneDecides) {
  scoring_.fragmentation_weight = 0;
  EXPECT_EQ(matched(test_demand()), 1U);
}

}  // namespace
}  // namespace fallow::core
