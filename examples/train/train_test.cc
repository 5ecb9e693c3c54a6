// The training, and what a cut of it leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "train/trainer.h"

namespace fallow::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// network.cl as the host's compiler reads it.
namespace twin {
using uint = std::uint32_t;
using std::clamp;
std::size_t item = 0;
std::size_t get_global_id(uint) { return item; }
#include "train/network.cl"
}  // namespace twin

void run_on_host(State& state, std::uint32_t steps) {
  std::vector<std::int32_t> hidden(std::size_t{kSamples} * kUnits);
  std::vector<std::int32_t> errors(kSamples);
  for (; steps > 0; --steps, ++state.step) {
    for (twin::item = 0; twin::item < kSamples; ++twin::item) {
      twin::forward(state.weights.data(), hidden.data(), errors.data(), kUnits, state.seed,
                    state.step, kSamples);
    }
    for (twin::item = 0; twin::item <= kUnits; ++twin::item) {
      twin::update(state.weights.data(), hidden.data(), errors.data(), kUnits, state.seed,
                   state.step, kSamples, rate_bits(state.step));
    }
  }
}

class TrainTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { opencl::prepare_pocl(); }
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_train_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string words_of_load(std::uint32_t seed, std::uint32_t steps) const {
    const auto state = load(folder_, seed, steps);
    return state ? "no error" : state.error().message;
  }

  std::string folder_;
};

class OnDevice : public TrainTest {
 protected:
  void SetUp() override {
    TrainTest::SetUp();
    if (opencl::all_devices().empty()) GTEST_SKIP() << "this machine has no OpenCL device";
    device_ = opencl::choose_device("auto").value();
  }
  opencl::Device device_;
};

// The steps at which the rate changes, and those just after the beginning, are among the cuts.
TEST_F(OnDevice, WhereItIsCutLeavesNoTrace) {
  constexpr std::uint32_t kSteps = 2'100;
  auto whole = Trainer::open(device_, first_state(7)).value();
  ASSERT_TRUE(whole.run(kSteps));
  const State expected = whole.state().value();
  EXPECT_EQ(expected.step, kSteps);

  State state = first_state(7);
  for (const std::uint32_t until :
       {1U, 2U, 3U, 31U, 32U, 33U, 1'000U, 1'999U, 2'000U, 2'001U, kSteps}) {
    auto part = Trainer::open(device_, state).value();
    ASSERT_TRUE(part.run(until - state.step));
    ASSERT_TRUE(save(part.state().value(), folder_));
    state = load(folder_, 7, kSteps).value();
    EXPECT_EQ(state.step, until);
  }
  EXPECT_EQ(state, expected);
  EXPECT_EQ(digest_of_weights(state), digest_of_weights(expected));
}

TEST_F(OnDevice, LearnsTheRing) {
  auto trainer = Trainer::open(device_, first_state(1)).value();
  EXPECT_LT(trainer.right_per_mille().value(), 700U);
  ASSERT_TRUE(trainer.run(8'000));
  EXPECT_GT(trainer.right_per_mille().value(), 930U);
}

// Looking at it changes nothing, and the host's compiler makes the same of the same text.
TEST_F(OnDevice, EqualsTheHost) {
  auto trainer = Trainer::open(device_, first_state(3)).value();
  State host = first_state(3);
  for (const std::uint32_t steps : {1U, 49U, 250U}) {
    ASSERT_TRUE(trainer.run(steps));
    ASSERT_TRUE(trainer.right_per_mille());
    run_on_host(host, steps);
    EXPECT_EQ(trainer.state().value(), host) << "after step " << host.step;
  }
}

TEST_F(TrainTest, OtherSeedsTrainOtherwise) {
  State one = first_state(1);
  State two = first_state(2);
  two.weights = one.weights;  // the seed draws the points, too
  run_on_host(one, 10);
  run_on_host(two, 10);
  EXPECT_NE(digest_of_weights(one), digest_of_weights(two));
}

// What every device and every compiler must arrive at.
TEST_F(TrainTest, TheWeightsAreThese) {
  State state = first_state(1);
  EXPECT_EQ(digest_of_weights(state),
            "80b135ec69b04f66ee1d01676715a4722bf9140ce9ce9bec0b7757e384c412f4");
  run_on_host(state, 200);
  EXPECT_EQ(digest_of_weights(state),
            "f06714692be5b66279831a761b24f6bd29acd7d25726419c964eaa1bf0f92335");
}

TEST_F(TrainTest, ADamagedStateIsRefused) {
  EXPECT_EQ(load(folder_, 3, 9).error().code, ErrorCode::kNotFound);
  State state = first_state(3);
  state.step = 9;
  ASSERT_TRUE(save(state, folder_));
  EXPECT_EQ(load(folder_, 3, 9).value(), state);
  const std::string path = folder_ + "/state";
  const std::string bytes = read_file(path, 1 << 20).value();
  const auto refused = [&](const std::string& damaged) {
    ASSERT_TRUE(replace_file(path, damaged));
    ASSERT_EQ(load(folder_, 3, 9).error().code, ErrorCode::kCorrupt) << damaged.size();
    EXPECT_THAT(words_of_load(3, 9), HasSubstr("remove it to begin anew"));
  };
  refused("");
  refused("a diary");
  refused(bytes + "x");
  for (std::size_t size = 0; size < bytes.size(); size += 61) refused(bytes.substr(0, size));
  for (std::size_t at = 0; at < bytes.size(); at += 17) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    refused(damaged);
  }
}

TEST_F(TrainTest, AnotherTrainingsStateIsRefused) {
  State state = first_state(3);
  state.step = 9;
  ASSERT_TRUE(save(state, folder_));
  EXPECT_THAT(words_of_load(4, 9), HasSubstr("of a training with seed 3, not 4"));
  EXPECT_THAT(words_of_load(3, 8), HasSubstr("9 steps behind it, and --steps says 8"));
  EXPECT_EQ(load(folder_, 4, 9).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(load(folder_, 3, 8).error().code, ErrorCode::kInvalid);
}

// The program: what it prints, and its exit code.
class Program : public OnDevice {
 protected:
  int run(const std::string& words) {
    const std::string command = std::string("env -u FALLOW_OUT -u FALLOW_CHECKPOINT_DIR ") +
                                environment_ + " " FALLOW_TRAIN " " + words + " 2>&1";
    FILE* const pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return -1;
    said_.clear();
    for (int letter = std::fgetc(pipe); letter != EOF; letter = std::fgetc(pipe)) {
      said_.push_back(static_cast<char>(letter));
    }
    const int status = ::pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string environment_;
  std::string said_;
};

TEST_F(Program, LeavesAtANoticeAndGoesOn) {
  environment_ = "FALLOW_CHECKPOINT_DIR=" + folder_ + " FALLOW_NOTICE=" + folder_ + "/.notice";
  EXPECT_EQ(run("--steps 200"), 0);
  const std::size_t weights = said_.find("weights ");
  ASSERT_NE(weights, std::string::npos) << said_;
  const std::string digest = said_.substr(weights);
  std::filesystem::remove(folder_ + "/state");

  ASSERT_TRUE(replace_file(folder_ + "/.notice", "{\"reason\":\"STOPPED\",\"seconds\":10}\n"));
  EXPECT_EQ(run("--steps 200"), 75);
  EXPECT_THAT(said_, HasSubstr("leaves at step 0: {\"reason\":\"STOPPED\",\"seconds\":10}"));
  std::filesystem::remove(folder_ + "/.notice");
  EXPECT_EQ(
      run("--steps 200 --steps-per-second 40 --every 0 >" + folder_ + "/said & " +
          "until grep -q '^step 20 ' " + folder_ + "/said || ! kill -0 $!; do sleep 0.05; done; " +
          "kill -TERM $!; wait $!; code=$?; cat " + folder_ + "/said; exit $code"),
      75);
  EXPECT_THAT(said_, HasSubstr("goes on at step 0\n"));
  EXPECT_THAT(said_, HasSubstr("\nleaves at step "));
  EXPECT_EQ(run("--steps 200"), 0);
  EXPECT_THAT(said_, HasSubstr("goes on at step "));
  EXPECT_THAT(said_, Not(HasSubstr("goes on at step 0\n")));
  EXPECT_THAT(said_, HasSubstr(digest));

  EXPECT_EQ(run("--steps 200 --seed 2"), 2);
  EXPECT_THAT(said_, HasSubstr("train: "));
  EXPECT_EQ(run("--steps 0"), 2);
}

}  // namespace
}  // namespace fallow::train
