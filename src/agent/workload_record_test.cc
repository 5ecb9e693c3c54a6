#include "agent/workload_record.h"

#include <gtest/gtest.h>

namespace fallow::agent {
namespace {

TEST(WorkloadRecordTest, WhatItsDevicesLostComesBack) {
  WorkloadRecord record;
  const std::size_t bytes_before = encode_record(record).size();
  record.slowed = seconds(2);
  const std::string bytes = encode_record(record);
  EXPECT_EQ(bytes.size(), bytes_before + 8) << "only of a workload that has lost something";
  const auto back = decode_record(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->slowed, seconds(2));
  EXPECT_EQ(back->egress_bytes, 0);
}

TEST(WorkloadRecordTest, ComesBackAndNoticesEveryAlteredByte) {
  WorkloadRecord record;
  record.desired.set_lease(9);
  record.phase = Phase::kStopping;
  record.stop_reason = v1::TIME_LIMIT;
  record.stop_detail = "why";
  record.kill_at = Time{77};
  record.started = record.suspended = true;
  record.ran = seconds(3);
  record.meter_sequence = 4;
  record.meters.emplace_back().set_sequence(4);
  record.fence_at = Time{5};
  record.end.set_detail("d");
  const std::string bytes = encode_record(record);
  const auto back = decode_record(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode_record(*back), bytes);
  EXPECT_EQ(back->stop_reason, v1::TIME_LIMIT);
  EXPECT_TRUE(back->suspended);
  EXPECT_FALSE(back->running);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string altered = bytes;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(decode_record(altered)) << i;
    EXPECT_FALSE(decode_record(bytes.substr(0, i))) << i;
  }
}

}  // namespace
}  // namespace fallow::agent
