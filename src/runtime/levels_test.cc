#include "runtime/levels.h"

#include <gtest/gtest.h>

namespace fallow::runtime {
namespace {

std::vector<Level> levels(bool bubblewrap, bool runc, bool gvisor, bool microvm = false) {
  std::vector<Level> all(4);
  all[0].isolation = v1::BUBBLEWRAP;
  all[0].works = bubblewrap;
  all[1].isolation = v1::RUNC;
  all[1].works = runc;
  all[2].isolation = v1::GVISOR;
  all[2].works = gvisor;
  all[3].isolation = v1::MICROVM;
  all[3].works = microvm;
  return all;
}

v1::Isolation chosen(const std::vector<Level>& all, v1::Isolation asked) {
  const Level* level = choose_level(all, asked);
  return level == nullptr ? v1::ISOLATION_UNSPECIFIED : level->isolation;
}

TEST(Levels, RuncIsTheDefaultAndNothingWeakerThanAskedForIsGiven) {
  const auto all = levels(true, true, true);
  EXPECT_EQ(chosen(all, v1::BUBBLEWRAP), v1::RUNC);
  EXPECT_EQ(chosen(all, v1::RUNC), v1::RUNC);
  EXPECT_EQ(chosen(all, v1::GVISOR), v1::GVISOR);
  EXPECT_EQ(chosen(all, v1::MICROVM), v1::ISOLATION_UNSPECIFIED);
  EXPECT_EQ(chosen(levels(true, true, true, true), v1::MICROVM), v1::MICROVM);
  EXPECT_EQ(chosen(levels(true, true, true, true), v1::GVISOR), v1::GVISOR);

  const auto weak = levels(true, false, false);
  EXPECT_EQ(chosen(weak, v1::BUBBLEWRAP), v1::BUBBLEWRAP);
  EXPECT_EQ(chosen(weak, v1::RUNC), v1::ISOLATION_UNSPECIFIED);

  // gVisor is for those who ask, and for those who ask for less where nothing less is strong
  // enough.
  const auto gap = levels(true, false, true);
  EXPECT_EQ(chosen(gap, v1::BUBBLEWRAP), v1::BUBBLEWRAP);
  EXPECT_EQ(chosen(gap, v1::RUNC), v1::GVISOR);
  EXPECT_EQ(chosen(levels(false, false, true), v1::BUBBLEWRAP), v1::GVISOR);
  EXPECT_EQ(chosen(levels(false, false, false), v1::BUBBLEWRAP), v1::ISOLATION_UNSPECIFIED);
}

TEST(Levels, TheStrongestThatCanTakeTheDevicesIsOffered) {
  EXPECT_EQ(strongest(levels(true, true, true), false, false), v1::GVISOR);
  EXPECT_EQ(strongest(levels(true, true, true), true, false), v1::RUNC);
  EXPECT_EQ(strongest(levels(true, false, true), true, false), v1::BUBBLEWRAP);
  EXPECT_EQ(strongest(levels(false, false, true), true, false), v1::ISOLATION_UNSPECIFIED);
  const auto all = levels(true, true, true, true);
  EXPECT_EQ(strongest(all, false, false), v1::MICROVM);
  EXPECT_EQ(strongest(all, true, false), v1::RUNC);
  // What would be refused when it starts is not offered.
  EXPECT_EQ(strongest(all, false, true), v1::GVISOR);
}

TEST(Levels, WhatIsNotInstalledSaysSoAndHowToGetIt) {
  SandboxTools tools;
  tools.runsc = "/no/such/runsc";
  const auto tried = try_levels(tools, {"/bin/false"}, testing::TempDir(), {}, {}, v1::GVISOR);
  ASSERT_TRUE(tried);
  ASSERT_EQ(tried->size(), 1U);
  EXPECT_FALSE((*tried)[0].works);
  EXPECT_NE((*tried)[0].why.find("/no/such/runsc is not installed"), std::string::npos);
  EXPECT_NE((*tried)[0].remedy.find("install"), std::string::npos);
}

}  // namespace
}  // namespace fallow::runtime
