#include "server/proof_plan.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/speed.h"

namespace fallow::server {
namespace {

constexpr std::uint64_t kLeavesPerMb = (std::uint64_t{1} << 20U) / proof::kLeafBytes;
constexpr std::uint32_t kChunks = 256;
constexpr std::uint32_t kSpots = 32;
constexpr std::uint64_t kMemoryPercent =
    92;  // of what is claimed: drivers keep some for themselves

// At least so many int8 operations a second for each thousandth of an RTX 3090 (core/speed.h): a
// seventh of what plain integer units of that card do, which needs no matrix units and no luck.
constexpr std::int64_t kInt8OpsMin = 1'000'000'000;
// No memory of a GPU is filled slower, the hashing included.
constexpr std::int64_t kFillBytesMin = 4'000'000'000;

// Models of core/speed.h whose FP64 rate is a quarter or more of their FP32 rate, by their data
// sheets. By whole names: an RTX A1000 is no A100.
constexpr auto kFullFp64 = std::to_array<std::string_view>(
    {"a100", "a30", "h100", "h100_nvl", "h100_pcie", "h200", "h200_nvl", "v100", "v100_pcie",
     "p100", "mi100", "mi210", "mi250", "mi250x"});
constexpr std::uint32_t kFullFp64Ppm = 200'000;

Duration span_of(std::uint64_t units, std::int64_t units_a_second) {
  return Duration(static_cast<std::int64_t>(UnsignedWide{units} * 1'000'000 /
                                            static_cast<std::uint64_t>(units_a_second)));
}

// Before a lease: a sixteenth of a card's memory, but no more than so much.
constexpr std::uint32_t kLeaseSpots = 16;
constexpr std::uint64_t kLeaseMemoryMbMax = 512;
constexpr std::uint64_t kLeaseMemoryShare = 16;
// The product is so short that a stall of the network would count for much of it.
constexpr Duration kLeaseStall = milliseconds(250);

}  // namespace

proof::ExamPlan plan_for(const v1::Device& device) {
  proof::ExamPlan plan;
  plan.spots = kSpots;
  plan.rows = 16;
  if (device.kind() != v1::GPU) {
    plan.matrix_size = 512;
    plan.rows = 4;
    plan.rounds = 4;
    plan.shape = {64, kLeavesPerMb / 2};
    plan.answer_max = seconds(60);
    return plan;
  }
  plan.matrix_size = device.memory_mb() >= 4'096 ? 16'384 : 8'192;
  plan.rounds = 2;
  const std::uint64_t leaves = device.memory_mb() * kLeavesPerMb * kMemoryPercent / 100;
  plan.shape = {kChunks, static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
                             leaves / kChunks, 1, proof::kFillLeavesMax / kChunks))};
  const std::uint64_t n = plan.matrix_size;
  const std::int64_t speed =
      core::mean_speed(core::vendor_speeds(device.model(), device.memory_mb(), device.kind()));
  plan.matrix_max = span_of(2 * n * n * n * plan.rounds, speed * kInt8OpsMin);
  plan.fill_max = seconds(1) + span_of(plan.shape.bytes(), kFillBytesMin);
  plan.leaves_max = milliseconds(250);
  // Beyond a multiple of what is slow already an answer has no worth.
  plan.answer_max = std::max(
      {seconds(60), Duration(4 * plan.matrix_max.value), Duration(4 * plan.fill_max.value)});
  const bool full =
      std::count(kFullFp64.begin(), kFullFp64.end(), core::vendor_model(device.model())) > 0;
  plan.fp64_ppm_min = full ? kFullFp64Ppm : 0;
  return plan;
}

proof::ExamPlan lease_plan_for(const v1::Device& device, bool is_whole) {
  proof::ExamPlan plan = plan_for(device);
  plan.asks_speeds = false;
  plan.fp64_ppm_min = 0;
  plan.spots = kLeaseSpots;
  if (device.kind() == v1::GPU) {
    plan.matrix_size = device.memory_mb() >= 4'096 ? 8'192 : 4'096;
    plan.rounds = 1;
    const std::uint64_t leaves =
        std::min(device.memory_mb() / kLeaseMemoryShare, kLeaseMemoryMbMax) * kLeavesPerMb;
    plan.shape.chunk_leaves =
        static_cast<std::uint32_t>(std::max<std::uint64_t>(leaves / kChunks, 1));
    const std::uint64_t n = plan.matrix_size;
    const std::int64_t speed =
        core::mean_speed(core::vendor_speeds(device.model(), device.memory_mb(), device.kind()));
    plan.matrix_max = kLeaseStall + span_of(2 * n * n * n, speed * kInt8OpsMin);
    plan.fill_max = seconds(1) + span_of(plan.shape.bytes(), kFillBytesMin);
  } else {
    plan.matrix_size = 256;
    plan.rounds = 1;
    plan.shape = {16, kLeavesPerMb / 16};
  }
  plan.answer_max = seconds(60);
  if (is_whole) return plan;
  plan.matrix_max = Duration();
  plan.fill_max = Duration();
  plan.leaves_max = Duration();
  return plan;
}

}  // namespace fallow::server
