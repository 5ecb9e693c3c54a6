#include "core/speed.h"

#include <gtest/gtest.h>

#include "core/speed_table.h"

namespace fallow::core {
namespace {

std::int64_t general(std::string_view model, std::uint32_t memory_mb,
                     v1::DeviceKind kind = v1::GPU) {
  return vendor_speeds(model, memory_mb, kind)[v1::GENERAL];
}

v1::Device device(const std::string& model, std::uint32_t memory_mb = 24'000) {
  v1::Device device;
  device.set_model(model);
  device.set_memory_mb(memory_mb);
  device.set_kind(v1::GPU);
  return device;
}

TEST(Speed, FindsAModelUnderEachOfItsNames) {
  EXPECT_EQ(vendor_speeds("RTX_3090", 24'576, v1::GPU), Speeds(kSpeedUnit));
  EXPECT_EQ(vendor_speeds("NVIDIA GeForce RTX 3090", 24'576, v1::GPU), Speeds(kSpeedUnit));
  EXPECT_EQ(vendor_speeds("rtx-3090", 24'576, v1::GPU), Speeds(kSpeedUnit));
  EXPECT_GT(general("NVIDIA GeForce RTX 3090 Ti", 24'564), kSpeedUnit);
  EXPECT_GT(general("NVIDIA H100 80GB HBM3", 81'559), general("NVIDIA H100 PCIe", 81'559));
  EXPECT_GT(general("NVIDIA A100-SXM4-80GB", 81'920), general("RTX_4090", 24'564));
}

TEST(Speed, JudgesTheUnknownByItsMemoryAndTheProcessorLast) {
  EXPECT_LT(general("RTX_30900", 24'576), kSpeedUnit) << "another name";
  EXPECT_LT(general("NVIDIA GeForce RTX 4090 Laptop GPU", 16'376), general("RTX_4090", 24'564));
  EXPECT_GT(general("", 192'000), general("", 8'000));
  EXPECT_GT(general("", 0), 0);
  EXPECT_GT(general("", 0), general("EPYC", 512'000, v1::CPU));
  EXPECT_GT(general("EPYC", 0, v1::CPU), 0);
  EXPECT_EQ(vendor_speeds("Mystery", 24'000, v1::GPU), Speeds(general("Mystery", 24'000)))
      << "alike for every class";
}

// From the data sheets: what is best at one class of workload is not at another.
TEST(Speed, DependsOnWhatIsToRun) {
  const Speeds ada = vendor_speeds("L40S", 46'068, v1::GPU);
  const Speeds ampere = vendor_speeds("A100-SXM4-80GB", 81'920, v1::GPU);
  EXPECT_EQ(ada[v1::FP32], 1'000 * 916 / 356);
  EXPECT_EQ(ampere[v1::BANDWIDTH], 1'000 * 1'555 / 936);
  EXPECT_GT(ada[v1::FP32], ampere[v1::FP32]);
  EXPECT_LT(ada[v1::BANDWIDTH], ampere[v1::BANDWIDTH]);
  EXPECT_EQ(ada[v1::GENERAL], (ada[v1::FP32] + ada[v1::FP16]) / 2);
}

TEST(SpeedTable, WhatWasMeasuredCountsInsteadOfTheVendorsFigure) {
  SpeedTable table;
  const Speeds vendor = table.of(device("RTX_4090"));
  EXPECT_EQ(vendor, vendor_speeds("RTX_4090", 24'000, v1::GPU));
  table.set("rtx 4090", v1::FP16, 2'000);
  const Speeds measured = table.of(device("RTX_4090"));
  EXPECT_EQ(measured[v1::FP16], 2'000);
  EXPECT_EQ(measured[v1::FP32], vendor[v1::FP32]);
  EXPECT_EQ(measured[v1::GENERAL], (vendor[v1::FP32] + 2'000) / 2) << "the mean follows";
  EXPECT_EQ(table.of(device("RTX_4080")), vendor_speeds("RTX_4080", 24'000, v1::GPU));
  table.set("RTX_4090", v1::GENERAL, 7'000);
  EXPECT_EQ(table.of(device("RTX_4090"))[v1::GENERAL], 7'000) << "unless it was measured itself";
  EXPECT_EQ(table.size(), 1U);
  table.set("RTX_4090", v1::GENERAL, 0);
  table.set("RTX_4090", v1::FP16, 0);
  EXPECT_EQ(table.of(device("RTX_4090")), vendor);
  EXPECT_EQ(table.size(), 0U) << "nothing is kept of what is not set";
}

TEST(SpeedTable, KnowsWhatNobodyElseDoes) {
  SpeedTable table;
  table.set("Mystery", v1::BANDWIDTH, 5'000);
  const Speeds speeds = table.of(device("MYSTERY", 48'000));
  EXPECT_EQ(speeds[v1::BANDWIDTH], 5'000);
  EXPECT_EQ(speeds[v1::FP32], vendor_speeds("", 48'000, v1::GPU)[v1::FP32]);
}

TEST(SpeedTable, ANameOfTheVendorsTableReachesTheModelsThatItNames) {
  SpeedTable table;
  table.set("rtx_4090", v1::FP16, 2'000);
  table.set("rtx_4090", v1::FP32, 3'000);
  EXPECT_EQ(table.of(device("NVIDIA GeForce RTX 4090"))[v1::FP16], 2'000);
  EXPECT_EQ(table.counting("NVIDIA GeForce RTX 4090")[v1::FP16], 2'000);
  table.set("NVIDIA GeForce RTX 4090", v1::FP16, 1'500);
  EXPECT_EQ(table.of(device("NVIDIA GeForce RTX 4090"))[v1::FP16], 1'500) << "its own name first";
  EXPECT_EQ(table.of(device("NVIDIA GeForce RTX 4090"))[v1::FP32], 3'000);
  EXPECT_EQ(table.of(device("RTX_4090"))[v1::FP16], 2'000);
  for (const char* other : {"NVIDIA GeForce RTX 4090 Laptop GPU", "RTX_4080", "Mystery"}) {
    EXPECT_EQ(table.of(device(other)), vendor_speeds(other, 24'000, v1::GPU)) << other;
  }
}

TEST(SpeedTable, TakesNoImpossibleSnapshot) {
  SpeedTable table;
  Speeds speeds;
  EXPECT_FALSE(table.restore("rtx_4090", speeds)) << "nothing is set";
  speeds[v1::FP16] = 5;
  EXPECT_FALSE(table.restore("RTX 4090", speeds)) << "no canonical word";
  EXPECT_TRUE(table.restore("rtx_4090", speeds));
  EXPECT_FALSE(table.restore("rtx_4090", speeds)) << "twice";
  speeds[v1::FP16] = std::int64_t{kSpeedMax} + 1;
  EXPECT_FALSE(table.restore("rtx_4080", speeds));
  speeds[v1::FP16] = -1;
  EXPECT_FALSE(table.restore("rtx_4080", speeds));
}

}  // namespace
}  // namespace fallow::core
