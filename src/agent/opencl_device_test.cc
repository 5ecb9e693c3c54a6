#include "agent/opencl_device.h"

#include <gtest/gtest.h>

#include "proof/host_device.h"
#include "proof/matrix.h"
#include "proof/test_exam.h"

namespace fallow::agent {
namespace {

using proof::FillShape;
using proof::HostDevice;
using proof::StreamKey;

// Every OpenCL device of this machine; PoCL where there is no GPU.
class OpenCl : public testing::Test {
 protected:
  void SetUp() override {
    visit_opencl_devices(
        false, [&](cl_device_id device, const auto&, const auto&) { ids_.push_back(device); });
    if (ids_.empty()) GTEST_SKIP() << "no OpenCL device: install pocl-opencl-icd";
  }
  template <class Do>
  void on_each(Do&& run) {
    for (const cl_device_id id : ids_) {
      SCOPED_TRACE(text_of(id, CL_DEVICE_NAME));
      auto device = open_opencl_device(id);
      ASSERT_TRUE(device) << device.error().message;
      run(**device);
    }
  }
  std::vector<cl_device_id> ids_;
};

TEST_F(OpenCl, MultipliesAndHashesAsTheHostDoes) {
  const Digest seed = digest_of("seed");
  on_each([&](proof::Device& device) {
    for (const std::uint32_t size : {64U, 192U}) {
      HostDevice host;
      ASSERT_TRUE(host.begin_matrix(size, proof::right_key(seed)));
      const Status begun = device.begin_matrix(size, proof::right_key(seed));
      ASSERT_TRUE(begun) << begun.error().message;
      for (std::uint32_t round = 0; round < 2; ++round) {
        const StreamKey left = proof::left_key(seed, round, Digest{});
        EXPECT_EQ(*host.multiply(left), *device.multiply(left));
        EXPECT_EQ(*host.row(left, size - 1), *device.row(left, size - 1));
      }
      device.end_matrix();
    }
  });
}

TEST_F(OpenCl, FillsAsTheHostDoes) {
  const StreamKey key = proof::stream_key("fill", digest_of("seed"));
  on_each([&](proof::Device& device) {
    for (const FillShape shape : {FillShape{2, 1}, FillShape{7, 3}, FillShape{64, 16}}) {
      HostDevice host;
      const auto hashes = device.fill(shape, key);
      ASSERT_TRUE(hashes) << hashes.error().message;
      EXPECT_EQ(*host.fill(shape, key), *hashes);
      for (const std::uint64_t leaf : {std::uint64_t{0}, shape.leaves() / 2, shape.leaves() - 1}) {
        EXPECT_EQ(*host.leaf(leaf), *device.leaf(leaf));
      }
      device.release();
    }
  });
}

TEST_F(OpenCl, PassesAnExamAndMeasuresItsRates) {
  on_each([](proof::Device& device) {
    proof::Exam exam(proof::small_plan(), digest_of("secret"), 1, 0);
    proof::Prover prover(device);
    const v1::ProofResult result = proof::examine(exam, prover);
    EXPECT_EQ(result.outcome(), v1::PROOF_PASSED) << result.detail();
    EXPECT_GT(result.speeds().fp32_mflops(), 0U);
    EXPECT_GT(result.speeds().copy_mbps(), 0U);
  });
}

}  // namespace
}  // namespace fallow::agent
