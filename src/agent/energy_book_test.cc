#include "agent/energy_book.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fallow::agent {
namespace {

v1::DeviceSample drawing(std::uint32_t device, std::uint32_t milliwatts) {
  v1::DeviceSample sample;
  sample.set_device(device);
  sample.set_milliwatts(milliwatts);
  return sample;
}

class EnergyBookTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "fallow_energy_XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/energy"; }

  std::string folder_;
};

TEST_F(EnergyBookTest, PowerTimesTimeOfALeasesDevices) {
  EnergyBook book(path());
  const std::vector<v1::DeviceSample> samples{drawing(0, 300'000), drawing(1, 200'000),
                                              drawing(2, 50'000)};
  book.add({{LeaseId(7), {0, 1}}, {LeaseId(8), {2}}}, samples, seconds(2));
  EXPECT_EQ(book.leases().at(LeaseId(7)).microjoules, 1'000'000'000U) << "500 W for 2 s";
  EXPECT_EQ(book.leases().at(LeaseId(8)).microjoules, 100'000'000U);
  book.add({{LeaseId(7), {0, 1}}}, samples, seconds(1));
  EXPECT_EQ(book.leases().at(LeaseId(7)).microjoules, 1'500'000'000U);
  EXPECT_EQ(book.leases().at(LeaseId(7)).measured, seconds(3));
  EXPECT_EQ(book.leases().at(LeaseId(8)).measured, seconds(2));
}

TEST_F(EnergyBookTest, WhatIsSharedIsPartedAndWhatIsUnknownIsNoMeasure) {
  EnergyBook book(path());
  v1::DeviceSample unknown;
  unknown.set_device(1);
  book.add({{LeaseId(7), {0}}, {LeaseId(8), {0}}, {LeaseId(9), {1}}},
           {drawing(0, 300'000), unknown}, seconds(1));
  EXPECT_EQ(book.leases().at(LeaseId(7)).microjoules, 150'000'000U);
  EXPECT_EQ(book.leases().at(LeaseId(8)).microjoules, 150'000'000U);
  EXPECT_FALSE(book.leases().contains(LeaseId(9)));
}

TEST_F(EnergyBookTest, TheNextAgentGoesOn) {
  {
    EnergyBook book(path());
    book.add({{LeaseId(7), {0}}}, {drawing(0, 1'000)}, seconds(1));
    ASSERT_TRUE(book.store());
  }
  std::ofstream(path(), std::ios::app) << "no line\n8 5\n9 18446744073709551615 1\n9 5 -1\n";
  EnergyBook book(path());
  ASSERT_EQ(book.leases().size(), 1U);
  book.add({{LeaseId(7), {0}}}, {drawing(0, 1'000)}, seconds(1));
  ASSERT_TRUE(book.store());
  const auto stored = read_energy(path());
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_EQ(stored[0].lease, LeaseId(7));
  EXPECT_EQ(stored[0].microjoules, 2'000'000U);
  EXPECT_EQ(stored[0].measured, seconds(2));
  EXPECT_TRUE(read_energy(folder_ + "/none").empty());
}

TEST_F(EnergyBookTest, TheNewestAreKept) {
  EnergyBook book(path());
  for (std::uint64_t lease = 1; lease <= EnergyBook::kLeasesMax + 5; ++lease) {
    book.add({{LeaseId(lease), {0}}}, {drawing(0, 1'000)}, seconds(1));
  }
  EXPECT_EQ(book.leases().size(), EnergyBook::kLeasesMax);
  EXPECT_EQ(book.leases().begin()->first, LeaseId(6));
}

TEST_F(EnergyBookTest, WhatRunsIsKeptHoweverOldItIs) {
  EnergyBook book(path());
  for (std::uint64_t lease = 2; lease <= EnergyBook::kLeasesMax + 5; ++lease) {
    book.add({{LeaseId(1), {0}}, {LeaseId(lease), {1}}}, {drawing(0, 1'000), drawing(1, 1'000)},
             seconds(1));
  }
  EXPECT_EQ(book.leases().size(), EnergyBook::kLeasesMax);
  ASSERT_TRUE(book.leases().contains(LeaseId(1)));
  EXPECT_EQ(book.leases().at(LeaseId(1)).measured,
            seconds(static_cast<std::int64_t>(EnergyBook::kLeasesMax) + 4));
  EXPECT_FALSE(book.leases().contains(LeaseId(2)));
}

}  // namespace
}  // namespace fallow::agent
