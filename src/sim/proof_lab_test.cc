#include "sim/proof_lab.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/sanitizers.h"

namespace fallow::sim {
namespace {

class ProofLab : public testing::Test {
 protected:
  static const ProofLabReport& report() {
    static const ProofLabReport made =
        run_proof_lab({.seed = 7, .runs = 100 / kShorter, .calibration = 200 / kShorter});
    return made;
  }
  static double flagged(const std::string& kind, const std::string& what) {
    for (const ProofLabRow& row : report().rows) {
      if (row.kind == kind && row.what.find(what) != std::string::npos) {
        return static_cast<double>(row.flagged) / row.runs;
      }
    }
    ADD_FAILURE() << "no kind " << kind << ", " << what;
    return 0;
  }
};

TEST_F(ProofLab, LiarsAreFoundOutAndHonestDevicesAreNot) {
  EXPECT_LE(flagged("honest", ""), 0.02);
  EXPECT_EQ(flagged("other model", "0.50"), 1);
  EXPECT_EQ(flagged("short memory", "0.50"), 1);
  EXPECT_EQ(flagged("emulated memory", ""), 1);
  EXPECT_EQ(flagged("replay", ""), 1);
  EXPECT_EQ(flagged("one device, two nodes", ""), 1);
  EXPECT_EQ(flagged("proxied calls", "10 ms"), 1);
  EXPECT_EQ(flagged("swapped", ""), 1);
  EXPECT_EQ(flagged("hashes only", ""), 1);
}

// What the formula says, within three standard deviations of so many runs.
TEST_F(ProofLab, SkippedWorkIsFoundAsOftenAsTheFormulaSays) {
  std::size_t compared = 0;
  for (const ProofLabRow& row : report().rows) {
    if (row.expected < 0) continue;
    const double share = static_cast<double>(row.flagged) / row.runs;
    const double deviation = std::sqrt(row.expected * (1 - row.expected) / row.runs);
    EXPECT_NEAR(share, row.expected, 3 * deviation + 1e-9) << row.what;
    ++compared;
  }
  EXPECT_EQ(compared, 3U);
}

TEST_F(ProofLab, TheSameSeedGivesTheSameOutcomes) {
  const ProofLabOptions options{.seed = 3, .runs = 5, .calibration = 20};
  const ProofLabReport first = run_proof_lab(options);
  const ProofLabReport second = run_proof_lab(options);
  EXPECT_EQ(first.digest, second.digest);
  EXPECT_EQ(to_json(first), to_json(second));
}

}  // namespace
}  // namespace fallow::sim
