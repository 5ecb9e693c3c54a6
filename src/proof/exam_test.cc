#include "proof/exam.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/merkle.h"
#include "proof/host_device.h"
#include "proof/openings.h"
#include "proof/test_exam.h"

namespace fallow::proof {
namespace {

using testing::HasSubstr;

const Digest kSeed = digest_of("the market's secret");

v1::ProofResult examined(Device& device, const Courier& courier, ExamPlan plan = small_plan(),
                         const Digest& seed = kSeed) {
  Exam exam(plan, seed, 4096, 2);
  Prover prover(device);
  return examine(exam, prover, courier);
}

Duration a_second(const v1::ProofAsk&, v1::ProofAnswer&) { return seconds(1); }

TEST(Exam, AnHonestDevicePasses) {
  HostDevice device;
  const v1::ProofResult result = examined(device, a_second);
  EXPECT_EQ(result.outcome(), v1::PROOF_PASSED) << result.detail();
  EXPECT_EQ(result.device(), 2U);
  EXPECT_EQ(result.detail(), "");
  EXPECT_EQ(result.evidence().size(), 32U);
  // 2 * 64^3 * 3 operations in 0.7 s: the way of 1 s counts for at most 0.3 s.
  EXPECT_EQ(result.speeds().int8_mops(), 2U * 64 * 64 * 64 * 3 / 700'000);
}

TEST(Exam, EveryAskHasASeedOfItsOwn) {
  std::set<std::string> seeds;
  for (std::uint64_t proof = 1; proof <= 2; ++proof) {
    for (std::uint32_t index = 0; index < 2; ++index) {
      HostDevice device;
      Exam exam(small_plan(), kSeed, proof, index);
      Prover prover(device);
      examine(exam, prover, [&](const v1::ProofAsk& ask, v1::ProofAnswer&) {
        EXPECT_EQ(ask.seed().empty(), ask.step() == v1::PROOF_ECHO);
        EXPECT_TRUE(ask.seed().empty() || seeds.insert(ask.seed()).second);
        return seconds(1);
      });
    }
  }
  EXPECT_EQ(seeds.size(), 4U * 6);
  EXPECT_FALSE(seeds.contains(to_bytes(kSeed)));
}

// The first 4 bytes of what an opened thing holds.
void spoil(std::string& bytes) { bytes[1] = static_cast<char>(bytes[1] ^ 1); }

TEST(Exam, NoAnswerIsTakenThatWasChanged) {
  struct Change {
    v1::ProofStep step;
    std::function<void(v1::ProofAnswer&)> apply;
    const char* why;
  };
  const std::vector<Change> changes = {
      {v1::PROOF_MATRIX, [](auto& a) { spoil(*a.mutable_roots(1)); }, "committed"},
      {v1::PROOF_MATRIX, [](auto& a) { a.mutable_roots()->RemoveLast(); }, "2 roots"},
      {v1::PROOF_MATRIX, [](auto& a) { a.add_roots(a.roots(0)); }, "4 roots"},
      {v1::PROOF_MATRIX, [](auto& a) { a.mutable_roots(0)->pop_back(); }, "roots"},
      {v1::PROOF_ROWS, [](auto& a) { spoil(*a.mutable_rows(9)->mutable_values()); }, "committed"},
      {v1::PROOF_ROWS, [](auto& a) { spoil(*a.mutable_rows(9)->mutable_path(0)); }, "committed"},
      {v1::PROOF_ROWS, [](auto& a) { a.mutable_rows()->SwapElements(0, 1); }, "not there"},
      {v1::PROOF_ROWS, [](auto& a) { a.mutable_rows()->RemoveLast(); }, "23 rows"},
      {v1::PROOF_ROWS, [](auto& a) { a.mutable_rows(0)->clear_values(); }, "committed"},
      {v1::PROOF_MEMORY, [](auto& a) { spoil(*a.mutable_roots(0)); }, "committed"},
      {v1::PROOF_LEAVES, [](auto& a) { spoil(*a.mutable_roots(0)); }, "chain ends"},
      {v1::PROOF_CONTENTS, [](auto& a) { spoil(*a.mutable_leaves(4)->mutable_content()); },
       "committed"},
      {v1::PROOF_CONTENTS, [](auto& a) { a.mutable_leaves(4)->clear_content(); }, "not there"},
      {v1::PROOF_CONTENTS, [](auto& a) { a.mutable_leaves()->RemoveLast(); }, "95 leaves"},
      {v1::PROOF_CONTENTS, [](auto& a) { a.mutable_leaves(0)->add_path("x"); }, "committed"},
      {v1::PROOF_SPEED, [](auto& a) { a.set_elapsed_us(1'000'001); }, "clock"},
  };
  for (const Change& change : changes) {
    HostDevice device;
    const v1::ProofResult result =
        examined(device, [&](const v1::ProofAsk& ask, v1::ProofAnswer& answer) {
          if (ask.step() == change.step) change.apply(answer);
          return seconds(1);
        });
    EXPECT_EQ(result.outcome(), v1::PROOF_WRONG) << change.step;
    EXPECT_THAT(result.detail(), HasSubstr(change.why));
    EXPECT_EQ(result.speeds().int8_mops(), 0U);
    EXPECT_EQ(result.memory_mb(), 0U);
  }
}

// Committed to, and wrong: only the check of the product finds it.
class WrongProduct : public HostDevice {
 public:
  Result<std::vector<Digest>> multiply(const StreamKey& left) override {
    std::vector<Digest> hashes;
    for (std::uint32_t i = 0; i < 64; ++i) hashes.push_back(merkle_leaf(*row(left, i)));
    return hashes;
  }
  Result<std::string> row(const StreamKey& left, std::uint32_t row) override {
    auto values = HostDevice::row(left, row);
    if (values) spoil(*values);
    return values;
  }
};

class WrongMemory : public HostDevice {
 public:
  Result<std::vector<Digest>> fill(const FillShape& shape, const StreamKey& key) override {
    FALLOW_TRY(HostDevice::fill(shape, key));
    std::vector<Digest> hashes;
    for (std::uint64_t i = 0; i < shape.leaves(); ++i) hashes.push_back(merkle_leaf(*leaf(i)));
    return hashes;
  }
  Result<std::string> leaf(std::uint64_t) override { return std::string(kLeafBytes, '\0'); }
};

TEST(Exam, WhatWasCommittedToMustBeRight) {
  WrongProduct product;
  EXPECT_THAT(examined(product, a_second).detail(), HasSubstr("not the product"));
  WrongMemory memory;
  EXPECT_THAT(examined(memory, a_second).detail(), HasSubstr("does not follow"));
}

// The tree alone names no chain: a memory that is far away is not read where that is timed.
TEST(Exam, HashesAreNoMemory) {
  HostDevice device;
  const v1::ProofResult result =
      examined(device, [&](const v1::ProofAsk& ask, v1::ProofAnswer& answer) {
        if (ask.step() != v1::PROOF_LEAVES) return seconds(1);
        const Digest seed = *digest_from_bytes(ask.seed());
        Digest before{};
        for (std::uint32_t i = 0; i < ask.openings(); ++i) {
          const Spot spot = spot_at(seed, i, before, small_plan().shape);
          before = merkle_leaf(*device.leaf(spot.leaf));  // stands in the tree
        }
        answer.set_roots(0, to_bytes(before));
        return seconds(1);
      });
  EXPECT_EQ(result.outcome(), v1::PROOF_WRONG);
  EXPECT_THAT(result.detail(), HasSubstr("chain ends"));
}

TEST(Exam, ALinkNeedsEveryLeafAndTheSeed) {
  const std::vector<std::string> contents = {"own", "above", "one", "two"};
  const Digest link = link_of(kSeed, Digest{}, contents);
  for (std::size_t i = 0; i < contents.size(); ++i) {
    std::vector<std::string> other = contents;
    spoil(other[i]);
    EXPECT_NE(link_of(kSeed, Digest{}, other), link);
  }
  EXPECT_NE(link_of(digest_of("another"), Digest{}, contents), link);
  EXPECT_NE(link_of(kSeed, kSeed, contents), link);
}

TEST(Exam, WhatIsLargerThanAnyRightAnswerIsRefused) {
  HostDevice device;
  Exam exam(small_plan(), kSeed, 1, 0);
  Prover prover(device);
  const std::string much(1'000'000, 'x');
  const std::vector<std::function<void(v1::ProofAnswer&)>> swellings = {
      [](auto& a) {
        for (int i = 0; i < 4; ++i) a.add_roots("");
      },
      [](auto& a) {
        for (int i = 0; i < 25; ++i) a.add_rows();
      },
      [](auto& a) {
        for (int i = 0; i < 97; ++i) a.add_leaves();
      },
      [&](auto& a) { a.set_failure(much); },
      [&](auto& a) { a.GetReflection()->MutableUnknownFields(&a)->AddLengthDelimited(99, much); },
  };
  Time now{1'000'000};
  while (!exam.is_over()) {
    const v1::ProofAnswer answer = prover.answer(exam.ask(now));
    EXPECT_TRUE(exam.awaits(answer));
    EXPECT_FALSE(exam.is_oversized(answer)) << answer.step();
    for (std::size_t i = 0; i < swellings.size(); ++i) {
      v1::ProofAnswer large = answer;
      swellings[i](large);
      EXPECT_TRUE(exam.is_oversized(large)) << answer.step() << " " << i;
    }
    if (answer.step() == v1::PROOF_ROWS || answer.step() == v1::PROOF_CONTENTS) {
      v1::ProofAnswer large = answer;
      auto* const path = answer.step() == v1::PROOF_ROWS ? large.mutable_rows(0)->mutable_path()
                                                         : large.mutable_leaves(0)->mutable_path();
      while (path->size() <= 40) path->Add();
      EXPECT_TRUE(exam.is_oversized(large));
    }
    now = now + seconds(1);
    EXPECT_TRUE(exam.judge(answer, now));
    EXPECT_FALSE(exam.awaits(answer) && answer.step() != v1::PROOF_ECHO);
  }
  EXPECT_EQ(exam.result().outcome(), v1::PROOF_PASSED);
}

TEST(Exam, AFailureIsCutBetweenCharacters) {
  HostDevice device;
  const v1::ProofResult result = examined(device, [](const v1::ProofAsk&, v1::ProofAnswer& answer) {
    std::string text(299, 'a');
    for (int i = 0; i < 9; ++i) text += "\u00e4";
    answer.set_failure(text);
    return seconds(1);
  });
  EXPECT_EQ(result.detail(), std::string(299, 'a'));
}

TEST(Exam, AnAnswerOfAnotherProofIsWorthNothing) {
  std::vector<v1::ProofAnswer> recorded;
  HostDevice device;
  examined(device, [&](const v1::ProofAsk&, v1::ProofAnswer& answer) {
    recorded.push_back(answer);
    return seconds(1);
  });
  std::size_t next = 0;
  const v1::ProofResult result = examined(
      device,
      [&](const v1::ProofAsk&, v1::ProofAnswer& answer) {
        answer = recorded[next++];
        return seconds(1);
      },
      small_plan(), digest_of("the next secret"));
  EXPECT_EQ(result.outcome(), v1::PROOF_WRONG);
}

// Threat 9, of proofs alone: two devices of one proof compute other things.
TEST(Exam, AnAnswerOfTheDeviceBesideItIsWorthNothing) {
  std::vector<v1::ProofAnswer> copied;
  const Digest seed = digest_of("secret");
  HostDevice one;
  Prover honest(one);
  Exam first(small_plan(), seed, 7, 0);
  const v1::ProofResult shown =
      examine(first, honest, [&](const v1::ProofAsk&, v1::ProofAnswer& answer) {
        copied.push_back(answer);
        return seconds(1);
      });
  ASSERT_EQ(shown.outcome(), v1::PROOF_PASSED);
  HostDevice other;
  Prover copier(other);
  Exam second(small_plan(), seed, 7, 1);
  std::size_t next = 0;
  const v1::ProofResult result =
      examine(second, copier, [&](const v1::ProofAsk&, v1::ProofAnswer& answer) {
        answer = copied.at(next++);
        answer.set_device(1);
        return seconds(1);
      });
  EXPECT_EQ(result.outcome(), v1::PROOF_WRONG);
}

TEST(Exam, SlowerThanItsModelIsSlow) {
  for (const v1::ProofStep slow : {v1::PROOF_MATRIX, v1::PROOF_MEMORY, v1::PROOF_LEAVES}) {
    ExamPlan plan = small_plan();
    plan.matrix_max = plan.fill_max = plan.leaves_max = seconds(2);
    HostDevice device;
    const auto at = [&](Duration took) {
      return examined(
          device,
          [&](const v1::ProofAsk& ask, v1::ProofAnswer&) {
            return ask.step() == slow ? took : milliseconds(100);
          },
          plan);
    };
    EXPECT_EQ(at(milliseconds(2'100)).outcome(), v1::PROOF_PASSED);
    const v1::ProofResult late = at(milliseconds(2'101));
    EXPECT_EQ(late.outcome(), v1::PROOF_SLOW);
    EXPECT_GT(late.speeds().fill_mbps() + late.speeds().int8_mops(), 0U)
        << "what it showed still counts";
    EXPECT_EQ(at(milliseconds(60'001)).outcome(), v1::PROOF_MISSED);
  }
}

TEST(Exam, ADeviceMustHaveTheRatiosOfItsModel) {
  ExamPlan plan = small_plan();
  plan.fp64_ppm_min = 250'000;
  HostDevice device;
  const auto with = [&](std::uint64_t fp64_mflops) {
    return examined(
        device,
        [&](const v1::ProofAsk&, v1::ProofAnswer& answer) {
          answer.mutable_speeds()->set_fp32_mflops(1'000);
          answer.mutable_speeds()->set_fp64_mflops(fp64_mflops);
          return seconds(1);
        },
        plan);
  };
  EXPECT_EQ(with(250).outcome(), v1::PROOF_PASSED);
  EXPECT_EQ(with(249).outcome(), v1::PROOF_SLOW);
  const v1::ProofResult silent = examined(
      device,
      [](const v1::ProofAsk&, v1::ProofAnswer& answer) {
        answer.clear_speeds();
        return seconds(1);
      },
      plan);
  EXPECT_EQ(silent.outcome(), v1::PROOF_WRONG) << "of nothing every ratio is right";
}

TEST(Exam, WhoCannotAnswerMisses) {
  HostDevice device;
  const v1::ProofResult result = examined(device, [](const v1::ProofAsk&, v1::ProofAnswer& answer) {
    answer.set_failure("no driver");
    return seconds(1);
  });
  EXPECT_EQ(result.outcome(), v1::PROOF_MISSED);
  EXPECT_EQ(result.detail(), "no driver");

  Exam exam(small_plan(), kSeed, 1, 0);
  const v1::ProofAsk ask = exam.ask(Time{5});
  EXPECT_EQ(exam.deadline(), Time{5} + seconds(60));
  v1::ProofAnswer other;
  other.set_proof(1);
  other.set_step(v1::PROOF_ROWS);
  EXPECT_FALSE(exam.judge(other, Time{6}));
  exam.miss("it is gone");
  exam.miss("a second time");
  EXPECT_EQ(exam.result().detail(), "it is gone");
}

TEST(Prover, RefusesWhatIsBeyondTheAgreed) {
  HostDevice device;
  Prover prover(device);
  v1::ProofAsk ask;
  ask.set_seed(to_bytes(kSeed));
  const auto failure = [&](v1::ProofStep step) {
    ask.set_step(step);
    return prover.answer(ask).failure();
  };
  EXPECT_THAT(failure(v1::PROOF_ROWS), HasSubstr("of 0 rounds"));
  EXPECT_THAT(failure(v1::PROOF_LEAVES), HasSubstr("not filled"));
  EXPECT_THAT(failure(v1::PROOF_CONTENTS), HasSubstr("not read"));
  ask.set_rounds(1);
  for (const std::uint32_t size : {0U, 63U, 32'768U, 0xffffffc0U}) {
    ask.set_matrix_size(size);
    EXPECT_THAT(failure(v1::PROOF_MATRIX), HasSubstr("beyond"));
  }
  for (const std::uint32_t leaves : {0U, 0xffffffffU}) {
    ask.set_memory_chunks(4'096);
    ask.set_chunk_leaves(leaves);
    EXPECT_THAT(failure(v1::PROOF_MEMORY), HasSubstr("fill"));
  }
  EXPECT_THAT(failure(static_cast<v1::ProofStep>(99)), HasSubstr("does not know"));
  ask.set_seed("short");
  EXPECT_NE(failure(v1::PROOF_MATRIX), "");
}

}  // namespace
}  // namespace fallow::proof
