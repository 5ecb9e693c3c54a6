#include "agent/rapl.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fallow::agent {
namespace {

class RaplTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "fallow_rapl_XXXXXX";
    ASSERT_NE(::mkdtemp(root_.data()), nullptr);
    zone("intel-rapl:0", "package-0");
    zone("intel-rapl:0:0", "core");
    zone("intel-rapl:0:1", "dram");
    zone("intel-rapl:1", "psys");
    zone("intel-rapl-mmio:0", "package-0");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void zone(const std::string& zone, const std::string& name) {
    std::filesystem::create_directories(root_ + "/sys/class/powercap/" + zone);
    put(zone, "name", name);
    put(zone, "max_energy_range_uj", "1000000000");
    put(zone, "energy_uj", "0");
  }
  void put(const std::string& zone, const std::string& file, const std::string& text) {
    std::ofstream(root_ + "/sys/class/powercap/" + zone + "/" + file) << text << "\n";
  }
  void count(const std::string& zone, std::uint64_t uj) {
    put(zone, "energy_uj", std::to_string(uj));
  }

  std::string root_;
};

TEST_F(RaplTest, PackagesAndTheirMemoryCountOnce) {
  Rapl rapl(root_);
  EXPECT_FALSE(rapl.milliwatts(Time{1'000'000})) << "nothing was counted before";
  count("intel-rapl:0", 60'000'000);
  count("intel-rapl:0:0", 40'000'000);
  count("intel-rapl:0:1", 5'000'000);
  count("intel-rapl:1", 90'000'000);
  count("intel-rapl-mmio:0", 60'000'000);
  EXPECT_EQ(rapl.milliwatts(Time{2'000'000}), 65'000U);
  EXPECT_EQ(rapl.milliwatts(Time{4'000'000}), 0U) << "nothing was used since";
}

TEST_F(RaplTest, ACounterThatBeginsAnewGoesOn) {
  count("intel-rapl:0", 990'000'000);
  Rapl rapl(root_);
  rapl.milliwatts(Time{0});
  count("intel-rapl:0", 20'000'000);
  EXPECT_EQ(rapl.milliwatts(Time{1'000'000}), 30'000U);
}

TEST_F(RaplTest, ASpanThatWasNotLookedAtIsNone) {
  Rapl rapl(root_);
  rapl.milliwatts(Time{0});
  count("intel-rapl:0", 10'000'000);
  rapl.begin();
  EXPECT_FALSE(rapl.milliwatts(Time{1'000'000}));
  count("intel-rapl:0", 15'000'000);
  EXPECT_EQ(rapl.milliwatts(Time{2'000'000}), 5'000U);
}

TEST_F(RaplTest, WhatOneReadingMissedIsNotTheNextSpans) {
  Rapl rapl(root_);
  rapl.milliwatts(Time{0});
  count("intel-rapl:0", 10'000'000);
  put("intel-rapl:0:1", "energy_uj", "");
  EXPECT_FALSE(rapl.milliwatts(Time{1'000'000}));
  count("intel-rapl:0", 25'000'000);
  count("intel-rapl:0:1", 4'000'000);
  EXPECT_FALSE(rapl.milliwatts(Time{2'000'000})) << "the memory's energy is of two seconds";
  count("intel-rapl:0", 45'000'000);
  count("intel-rapl:0:1", 5'000'000);
  EXPECT_EQ(rapl.milliwatts(Time{3'000'000}), 21'000U);
}

TEST_F(RaplTest, WhatCannotBeReadIsLeftOut) {
  std::filesystem::remove(root_ + "/sys/class/powercap/intel-rapl:0/energy_uj");
  std::filesystem::remove(root_ + "/sys/class/powercap/intel-rapl:0:1/energy_uj");
  Rapl rapl(root_);
  rapl.milliwatts(Time{0});
  EXPECT_FALSE(rapl.milliwatts(Time{1'000'000}));
  EXPECT_FALSE(Rapl(root_ + "/none").milliwatts(Time{0}));
}

}  // namespace
}  // namespace fallow::agent
