// train: a training that can be ended anywhere and goes on from its checkpoint.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>

#include "base/file.h"
#include "train/trainer.h"

namespace fallow::train {
namespace {

constexpr int kLeft = 75;  // EX_TEMPFAIL: asked to end, not done
// Between two looks at the clock, at signals and at the notice.
constexpr std::uint32_t kStepsAtOnce = 20;
constexpr std::chrono::milliseconds kLook(20);
constexpr std::size_t kNoticeBytesMax = 4096;

volatile std::sig_atomic_t signalled = 0;

std::string from_environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Options {
  std::uint32_t steps = 8'000;
  std::uint32_t seed = 1;
  std::string device = "auto";
  std::string checkpoint = from_environment("FALLOW_CHECKPOINT_DIR");
  std::string notice = from_environment("FALLOW_NOTICE");
  std::string out = from_environment("FALLOW_OUT");
  double every_s = 5;
  double steps_per_second = 0;  // 0: as fast as the device can
};

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

Result<State> begin(const Options& options) {
  if (!options.checkpoint.empty()) {
    auto state = load(options.checkpoint, options.seed, options.steps);
    if (state) say(fmt::format("goes on at step {}", state->step));
    if (state || state.error().code != ErrorCode::kNotFound) return state;
  }
  say("begins");
  return first_state(options.seed);
}

// The notice is there before the signal is, and also where a shell between keeps the signal to
// itself.
bool asked_to_end(const Options& options) {
  return signalled != 0 || (!options.notice.empty() && ::access(options.notice.c_str(), F_OK) == 0);
}

Result<int> train(const Options& options) {
  FALLOW_ASSIGN(State first, begin(options));
  const std::uint32_t first_step = first.step;
  FALLOW_ASSIGN(const opencl::Device device, opencl::choose_device(options.device));
  FALLOW_ASSIGN(Trainer trainer, Trainer::open(device, std::move(first)));
  say("on " + trainer.device());
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  const auto began = Clock::now();
  auto saved = began;
  const auto keep = [&]() -> Status {
    if (options.checkpoint.empty()) return {};
    FALLOW_ASSIGN(const State now, trainer.state());
    FALLOW_TRY(save(now, options.checkpoint));
    saved = Clock::now();
    return {};
  };
  while (trainer.step() < options.steps && !asked_to_end(options)) {
    FALLOW_TRY(trainer.run(std::min(kStepsAtOnce, options.steps - trainer.step())));
    if (options.steps_per_second > 0) {
      const Seconds due((trainer.step() - first_step) / options.steps_per_second);
      while (Seconds(Clock::now() - began) < due && !asked_to_end(options)) {
        std::this_thread::sleep_for(kLook);
      }
    }
    if (Seconds(Clock::now() - saved).count() < options.every_s) continue;
    FALLOW_TRY(keep());
    say(fmt::format("step {} of {}", trainer.step(), options.steps));
  }
  FALLOW_TRY(keep());
  if (trainer.step() < options.steps) {
    const auto notice = read_file(options.notice, kNoticeBytesMax);
    say(fmt::format("leaves at step {}{}", trainer.step(),
                    notice ? ": " + notice->substr(0, notice->find('\n')) : ""));
    return kLeft;
  }
  FALLOW_ASSIGN(const State end, trainer.state());
  FALLOW_ASSIGN(const std::uint32_t right, trainer.right_per_mille());
  say(fmt::format("right {}.{} %", right / 10, right % 10));
  say("weights " + digest_of_weights(end));
  if (!options.out.empty()) FALLOW_TRY(save(end, options.out));
  return 0;
}

}  // namespace
}  // namespace fallow::train

int main(int count, char** words) {
  using namespace fallow;
  train::Options options;
  CLI::App app("Trains a small network on an OpenCL device, and goes on where it was ended.");
  app.footer(
      "SIGTERM, SIGINT or the file $FALLOW_NOTICE ask it to end: it saves and leaves.\n"
      "Exit codes: 0 done, 75 left, 1 the world failed, 2 the input or the checkpoint is wrong.");
  app.add_option("--steps", options.steps, "of the whole training")
      ->capture_default_str()
      ->check(CLI::Range(1U, 1'000'000'000U));
  app.add_option("--seed", options.seed, "of its points and first weights")->capture_default_str();
  app.add_option("--device", options.device, "auto, a number or part of a name")
      ->capture_default_str();
  app.add_option("--checkpoint", options.checkpoint,
                 "folder of the checkpoint; default: $FALLOW_CHECKPOINT_DIR, or none");
  app.add_option("--every", options.every_s, "seconds between checkpoints")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--steps-per-second", options.steps_per_second,
                 "at most so many, to share a device; 0: as many as it can")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--out", options.out, "folder for the weights; default: $FALLOW_OUT, or none");
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  struct sigaction action {};
  action.sa_handler = [](int) { train::signalled = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  opencl::prepare_pocl();
  const auto done = train::train(options);
  if (done) return *done;
  std::fprintf(stderr, "train: %s\n", done.error().message.c_str());
  const ErrorCode code = done.error().code;
  return code == ErrorCode::kInvalid || code == ErrorCode::kCorrupt ? 2 : 1;
}
