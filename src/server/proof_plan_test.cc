#include "server/proof_plan.h"

#include <gtest/gtest.h>

namespace fallow::server {
namespace {

TEST(ProofPlan, AsksForWhatIsClaimed) {
  v1::Device device;
  device.set_kind(v1::GPU);
  device.set_model("RTX_3090");
  device.set_memory_mb(24'576);
  const proof::ExamPlan plan = plan_for(device);
  EXPECT_EQ(plan.matrix_size, 16'384U);
  EXPECT_NEAR(static_cast<double>(plan.shape.bytes() >> 20U), 0.92 * 24'576, 1);
  EXPECT_EQ(plan.fp64_ppm_min, 0U);
  EXPECT_LT(plan.matrix_max, plan.answer_max);
  device.set_model("A100_80GB");
  EXPECT_GT(plan_for(device).fp64_ppm_min, 0U);
  EXPECT_LT(plan_for(device).matrix_max, plan.matrix_max);
  for (const char* const full : {"NVIDIA A100-SXM4-80GB", "Tesla V100-PCIE-16GB", "H100 NVL"}) {
    device.set_model(full);
    EXPECT_GT(plan_for(device).fp64_ppm_min, 0U) << full;
  }
  for (const char* const few : {"NVIDIA RTX A1000", "NVIDIA RTX A3000 12GB", "A10", "RTX_4090"}) {
    device.set_model(few);
    EXPECT_EQ(plan_for(device).fp64_ppm_min, 0U) << few;
  }
  device.set_kind(v1::CPU);
  EXPECT_EQ(plan_for(device).matrix_max, Duration());
  // Whatever is claimed can be asked for.
  device.set_kind(v1::GPU);
  for (const std::uint32_t memory_mb : {0U, 1U, 4'095U, 1'000'000U, 0xffffffffU}) {
    device.set_memory_mb(memory_mb);
    const proof::ExamPlan asked = plan_for(device);
    EXPECT_GE(asked.shape.chunk_leaves, 1U);
    EXPECT_LE(asked.shape.leaves(), proof::kFillLeavesMax);
    EXPECT_GT(asked.answer_max, asked.fill_max) << "what is slow must be told from what is missed";
    const proof::Exam exam(asked, digest_of("seed"), 1, 0);
    EXPECT_FALSE(exam.is_over());
  }
}

}  // namespace
}  // namespace fallow::server
