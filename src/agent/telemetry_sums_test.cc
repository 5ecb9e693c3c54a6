#include "agent/telemetry_sums.h"

#include <gtest/gtest.h>

#include "agent/metrics_text.h"

namespace fallow::agent {
namespace {

v1::DeviceSample device_at(std::uint32_t percent, std::uint32_t celsius) {
  v1::DeviceSample device;
  device.set_device(2);
  device.set_percent(percent);
  device.set_celsius(celsius);
  return device;
}

WorkloadUse used(Duration processor, std::uint64_t written) {
  WorkloadUse use;
  use.processor = processor;
  use.memory_bytes = std::uint64_t{300} << 20;
  use.disk_read_bytes = 0;
  use.disk_written_bytes = written;
  return use;
}

TEST(TelemetrySums, RatesAreThoseSinceTheLastSample) {
  TelemetrySums sums;
  v1::TelemetrySample sample = sums.add({}, {{LeaseId(7), used({}, 0)}}, Time{0});
  ASSERT_EQ(sample.workloads_size(), 1);
  EXPECT_EQ(sample.workloads(0).memory_mb(), 300U);
  EXPECT_FALSE(sample.workloads(0).has_cpu_thousandths()) << "since when?";
  sample = sums.add({}, {{LeaseId(7), used(milliseconds(1'500), 3'000'000)}}, Time{1'000'000});
  EXPECT_EQ(sample.workloads(0).lease(), 7U);
  EXPECT_EQ(sample.workloads(0).cpu_thousandths(), 1'500U);
  EXPECT_EQ(sample.workloads(0).disk_read_kbps(), 0U);
  EXPECT_EQ(sample.workloads(0).disk_written_kbps(), 3'000U);
  EXPECT_FALSE(sample.workloads(0).has_network_in_kbps()) << "it has no network";
  // Of two seconds; and processes that ended took what they wrote with them.
  sample = sums.add({}, {{LeaseId(7), used(milliseconds(2'500), 0)}}, Time{3'000'000});
  EXPECT_EQ(sample.workloads(0).cpu_thousandths(), 500U);
  EXPECT_EQ(sample.workloads(0).disk_written_kbps(), 0U);
}

TEST(TelemetrySums, AMinuteHasMeansAndMaxima) {
  TelemetrySums sums;
  v1::DeviceSample hot = device_at(90, 85);
  hot.add_throttled_by(v1::THROTTLED_BY_HEAT);
  hot.set_ecc_corrected(1);
  hot.set_xid(31);
  for (int i = 0; i < 60; ++i) {
    EXPECT_FALSE(sums.take_minute(Time{i * 1'000'000}, false));
    sums.add({i == 20 ? hot : device_at(30, 60)}, {}, Time{i * 1'000'000});
  }
  const auto minute = sums.take_minute(Time{60'000'000}, false);
  ASSERT_TRUE(minute);
  EXPECT_EQ(minute->seconds(), 60U);
  ASSERT_EQ(minute->mean().devices_size(), 1);
  EXPECT_EQ(minute->mean().devices(0).device(), 2U);
  EXPECT_EQ(minute->mean().devices(0).percent(), 31U);
  EXPECT_EQ(minute->max().devices(0).percent(), 90U);
  EXPECT_EQ(minute->max().devices(0).celsius(), 85U);
  ASSERT_EQ(minute->max().devices(0).throttled_by_size(), 1);
  EXPECT_EQ(minute->max().devices(0).throttled_by(0), v1::THROTTLED_BY_HEAT);
  EXPECT_TRUE(minute->mean().devices(0).throttled_by().empty());
  EXPECT_EQ(minute->max().devices(0).ecc_corrected(), 1U);
  EXPECT_FALSE(minute->max().devices(0).has_milliwatts());
  EXPECT_FALSE(sums.take_minute(Time{61'000'000}, true)) << "it was taken";
}

TEST(TelemetrySums, WhatIsOverIsAMinuteHoweverShort) {
  TelemetrySums sums;
  EXPECT_FALSE(sums.take_minute(Time{0}, true));
  sums.add({device_at(50, 50)}, {{LeaseId(7), used({}, 0)}}, Time{0});
  sums.add({device_at(70, 50)}, {{LeaseId(7), used(seconds(1), 0)}}, Time{1'000'000});
  const auto minute = sums.take_minute(Time{1'500'000}, true);
  ASSERT_TRUE(minute);
  EXPECT_EQ(minute->seconds(), 2U);
  EXPECT_EQ(minute->mean().devices(0).percent(), 60U);
  EXPECT_EQ(minute->mean().workloads(0).cpu_thousandths(), 1'000U) << "of one of the two known";
}

TEST(TelemetrySums, TheMachineIsBesideItsWorkloads) {
  TelemetrySums sums;
  EXPECT_FALSE(sums.add({}, {}, Time{0}).has_host()) << "it tells nothing";
  v1::TelemetrySample sample = sums.add({}, {}, Time{1'000'000}, used(seconds(100), 8'000'000));
  EXPECT_EQ(sample.host().memory_mb(), 300U);
  EXPECT_FALSE(sample.host().has_cpu_thousandths()) << "since when?";
  sample = sums.add({}, {}, Time{2'000'000}, used(seconds(103), 9'000'000));
  EXPECT_EQ(sample.host().cpu_thousandths(), 3'000U);
  EXPECT_EQ(sample.host().disk_written_kbps(), 1'000U);
  EXPECT_FALSE(sample.host().has_network_out_kbps());
  sums.add({}, {}, Time{3'000'000}, used(seconds(104), 9'000'000));
  const auto minute = sums.take_minute(Time{3'500'000}, true);
  ASSERT_TRUE(minute);
  EXPECT_EQ(minute->mean().host().cpu_thousandths(), 2'000U);
  EXPECT_EQ(minute->max().host().cpu_thousandths(), 3'000U);
  EXPECT_EQ(minute->max().host().memory_mb(), 300U);
  // Another minute knows nothing of this one.
  sums.add({device_at(50, 50)}, {}, Time{9'000'000});
  EXPECT_FALSE(sums.take_minute(Time{9'500'000}, true)->mean().has_host());
}

TEST(MetricsText, HasWhatWasMeasured) {
  LocalDevice device;
  device.facts.set_index(2);
  device.facts.set_model("RTX_4090");
  v1::TelemetrySample sample;
  *sample.add_devices() = device_at(50, 71);
  sample.mutable_devices(0)->add_throttled_by(v1::THROTTLED_BY_HEAT);
  v1::WorkloadSample& workload = *sample.add_workloads();
  workload.set_lease(7);
  workload.set_cpu_thousandths(1'500);
  const std::string text = metrics_text(sample, {device});
  const auto has = [&](std::string_view line) { return text.find(line) != text.npos; };
  EXPECT_TRUE(has("\nfallow_device_celsius{device=\"2\",model=\"RTX_4090\"} 71\n")) << text;
  EXPECT_TRUE(
      has("\nfallow_device_throttled{device=\"2\",model=\"RTX_4090\","
          "reason=\"THROTTLED_BY_HEAT\"} 1\n"))
      << text;
  EXPECT_TRUE(has("\nfallow_lease_cpu_thousandths{lease=\"7\"} 1500\n")) << text;
  EXPECT_FALSE(has("milliwatts")) << text;
  EXPECT_EQ(metrics_text({}, {device}), "");
}

}  // namespace
}  // namespace fallow::agent
