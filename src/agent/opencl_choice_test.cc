#include "agent/opencl_choice.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fallow::agent {
namespace {

constexpr std::uint32_t kIntelVendor = 0x8086;

OpenClFacts gpu_at(std::size_t platform, std::uint32_t vendor, const std::string& pci) {
  return {platform, false, vendor, pci};
}

class OpenClChoiceTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "fallow_choice_XXXXXX";
    ASSERT_NE(::mkdtemp(root_.data()), nullptr);
    std::filesystem::create_directories(root_ + "/dev/dri");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  // A card with a render node, as the kernel shows it.
  void plug(const std::string& pci, const std::string& node, const std::string& vendor) {
    std::filesystem::create_directories(root_ + "/sys/bus/pci/devices/" + pci + "/drm/" + node);
    std::filesystem::create_directories(root_ + "/sys/class/drm/" + node + "/device");
    std::ofstream(root_ + "/sys/class/drm/" + node + "/device/vendor") << vendor << "\n";
    std::ofstream(root_ + "/dev/dri/" + node) << "";
  }
  void plug_amd() {
    plug("0000:03:00.0", "renderD128", "0x1002");
    plug("0000:0a:00.0", "renderD129", "0x1002");
    std::ofstream(root_ + "/dev/kfd") << "";
  }

  std::string root_;
};

TEST_F(OpenClChoiceTest, ACardOfTwoDriversIsOneDevice) {
  plug_amd();
  OpenClChoice choice(false, root_);
  EXPECT_TRUE(choice.judge(gpu_at(0, kAmdVendor, "0000:03:00.0")).is_taken);
  EXPECT_TRUE(choice.judge(gpu_at(0, kAmdVendor, "0000:0a:00.0")).is_taken);
  EXPECT_FALSE(choice.judge(gpu_at(1, kAmdVendor, "0000:03:00.0")).is_taken);
  EXPECT_FALSE(choice.judge(gpu_at(1, kAmdVendor, "0000:0a:00.0")).is_taken);
}

TEST_F(OpenClChoiceTest, ACardThatOnlyTheSecondDriverKnowsIsADeviceToo) {
  plug_amd();
  OpenClChoice choice(false, root_);
  EXPECT_TRUE(choice.judge(gpu_at(0, kAmdVendor, "0000:03:00.0")).is_taken);
  EXPECT_FALSE(choice.judge(gpu_at(1, kAmdVendor, "0000:03:00.0")).is_taken);
  EXPECT_TRUE(choice.judge(gpu_at(1, kAmdVendor, "0000:0a:00.0")).is_taken);
}

TEST_F(OpenClChoiceTest, WithoutAPlaceOneDriverOfAMakersCounts) {
  plug("0000:03:00.0", "renderD128", "0x1002");
  OpenClChoice nameless_last(false, root_);
  EXPECT_TRUE(nameless_last.judge(gpu_at(0, kAmdVendor, "0000:03:00.0")).is_taken);
  EXPECT_FALSE(nameless_last.judge(gpu_at(1, kAmdVendor, "")).is_taken);
  OpenClChoice nameless_first(false, root_);
  EXPECT_TRUE(nameless_first.judge(gpu_at(0, kAmdVendor, "")).is_taken);
  EXPECT_FALSE(nameless_first.judge(gpu_at(1, kAmdVendor, "0000:03:00.0")).is_taken);
  // Another maker's is another card.
  EXPECT_TRUE(nameless_first.judge(gpu_at(1, kIntelVendor, "0000:00:02.0")).is_taken);
}

TEST_F(OpenClChoiceTest, NvidiasAreNvmlsAndProcessorsOne) {
  OpenClChoice with_nvml(true, root_);
  EXPECT_FALSE(with_nvml.judge(gpu_at(0, kNvidiaVendor, "0000:01:00.0")).is_taken);
  OpenClChoice without(false, root_);
  EXPECT_TRUE(without.judge(gpu_at(0, kNvidiaVendor, "0000:01:00.0")).is_taken);
  EXPECT_TRUE(without.judge({0, true, kIntelVendor, ""}).is_taken);
  EXPECT_FALSE(without.judge({1, true, kIntelVendor, ""}).is_taken);
}

TEST_F(OpenClChoiceTest, ADeviceGetsItsOwnFilesAlone) {
  plug_amd();
  plug("0000:00:02.0", "renderD130", "0x8086");
  OpenClChoice choice(false, root_);
  EXPECT_EQ(choice.judge(gpu_at(0, kAmdVendor, "0000:0a:00.0")).files,
            (std::vector<std::string>{"/dev/dri/renderD129", "/dev/kfd"}));
  EXPECT_EQ(choice.judge(gpu_at(1, kIntelVendor, "0000:00:02.0")).files,
            std::vector<std::string>{"/dev/dri/renderD130"});
}

TEST_F(OpenClChoiceTest, WhatCannotBeToldApartIsLeftOutAndSaidSo) {
  plug_amd();
  OpenClChoice choice(false, root_);
  const auto verdict = choice.judge(gpu_at(0, kAmdVendor, ""));
  EXPECT_FALSE(verdict.is_taken);
  EXPECT_NE(verdict.why, "");
  EXPECT_TRUE(verdict.files.empty());
  // Another driver knows where they are.
  EXPECT_TRUE(choice.judge(gpu_at(1, kAmdVendor, "0000:03:00.0")).is_taken);
}

TEST_F(OpenClChoiceTest, ARenderNodeIsNeverGivenTwice) {
  plug("0000:03:00.0", "renderD128", "0x1002");
  OpenClChoice choice(false, root_);
  EXPECT_TRUE(choice.judge(gpu_at(0, kAmdVendor, "")).is_taken);
  const auto second = choice.judge(gpu_at(0, kAmdVendor, ""));
  EXPECT_FALSE(second.is_taken);
  EXPECT_NE(second.why, "");
}

// Its kernel driver shows none, or is not loaded: the node of the other card is not its.
TEST_F(OpenClChoiceTest, ACardWithoutARenderNodeGetsNoOthers) {
  plug("0000:03:00.0", "renderD128", "0x1002");
  std::filesystem::create_directories(root_ + "/sys/bus/pci/devices/0000:0a:00.0");
  OpenClChoice choice(false, root_);
  const auto bare = choice.judge(gpu_at(0, kAmdVendor, "0000:0a:00.0"));
  EXPECT_TRUE(bare.is_taken);
  EXPECT_TRUE(bare.files.empty());
  EXPECT_EQ(choice.judge(gpu_at(0, kAmdVendor, "0000:03:00.0")).files,
            std::vector<std::string>{"/dev/dri/renderD128"});
}

TEST_F(OpenClChoiceTest, TheOnlyRenderNodeIsItsOwnUnlessAnotherMakers) {
  plug("0000:03:00.0", "renderD128", "0x1002");
  EXPECT_EQ(OpenClChoice(false, root_).judge(gpu_at(0, kAmdVendor, "")).files,
            std::vector<std::string>{"/dev/dri/renderD128"});
  const auto other = OpenClChoice(false, root_).judge(gpu_at(0, kIntelVendor, ""));
  EXPECT_TRUE(other.is_taken);
  EXPECT_TRUE(other.files.empty());
}

}  // namespace
}  // namespace fallow::agent
