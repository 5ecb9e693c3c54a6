#include "train/trainer.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "train/kernel_source.h"

namespace fallow::train {
namespace {

// Points for right_per_mille(), whose step no training reaches.
constexpr std::uint32_t kUnseenStep = 0xFFFFFFFF;
constexpr std::uint32_t kUnseen = 1'000;
static_assert(kUnseen >= kSamples);
// The kernels' arguments.
constexpr cl_uint kStepPlace = 5;
constexpr cl_uint kSamplesPlace = 6;
constexpr cl_uint kRatePlace = 7;
constexpr int kOne = 1 << 16;

using opencl::Session;

}  // namespace

std::uint32_t rate_bits(std::uint32_t step) {
  // 2^-9 of the sum over 64 samples is 2^-3 of their mean.
  return 9 + std::min(step / 2'000, 4U);
}

Result<Trainer> Trainer::open(const opencl::Device& device, State state) {
  Trainer trainer;
  FALLOW_ASSIGN(trainer.session_, Session::open(device, {kKernelSource, kKernelSourceBytes}));
  const Session& session = trainer.session_;
  FALLOW_ASSIGN(trainer.forward_, session.kernel("forward"));
  FALLOW_ASSIGN(trainer.update_, session.kernel("update"));
  const auto hold = [&session](const std::vector<std::int32_t>& numbers) {
    return session.buffer(CL_MEM_READ_WRITE, numbers.data(), numbers.size() * sizeof(std::int32_t));
  };
  FALLOW_ASSIGN(trainer.weights_, hold(state.weights));
  FALLOW_ASSIGN(trainer.hidden_, hold(std::vector<std::int32_t>(std::size_t{kUnseen} * kUnits)));
  FALLOW_ASSIGN(trainer.errors_, hold(std::vector<std::int32_t>(kUnseen)));
  for (const cl_kernel kernel : {trainer.forward_.get(), trainer.update_.get()}) {
    FALLOW_TRY(Session::set(kernel, 0, trainer.weights_));
    FALLOW_TRY(Session::set(kernel, 1, trainer.hidden_));
    FALLOW_TRY(Session::set(kernel, 2, trainer.errors_));
    FALLOW_TRY(Session::set(kernel, 3, kUnits));
    FALLOW_TRY(Session::set(kernel, 4, state.seed));
    FALLOW_TRY(Session::set(kernel, kSamplesPlace, kSamples));
  }
  trainer.state_ = std::move(state);
  return trainer;
}

Status Trainer::run(std::uint32_t steps) {
  for (std::uint32_t i = 0; i < steps; ++i, ++state_.step) {
    FALLOW_TRY(Session::set(forward_.get(), kStepPlace, state_.step));
    FALLOW_TRY(Session::set(update_.get(), kStepPlace, state_.step));
    FALLOW_TRY(Session::set(update_.get(), kRatePlace, rate_bits(state_.step)));
    FALLOW_TRY(session_.launch(forward_.get(), kSamples));
    FALLOW_TRY(session_.launch(update_.get(), kUnits + 1));
  }
  return session_.finish();
}

Result<State> Trainer::state() {
  FALLOW_TRY(
      session_.read(weights_, state_.weights.data(), state_.weights.size() * sizeof(std::int32_t)));
  return state_;
}

Result<std::uint32_t> Trainer::right_per_mille() {
  FALLOW_TRY(Session::set(forward_.get(), kStepPlace, kUnseenStep));
  FALLOW_TRY(Session::set(forward_.get(), kSamplesPlace, kUnseen));
  FALLOW_TRY(session_.launch(forward_.get(), kUnseen));
  FALLOW_TRY(Session::set(forward_.get(), kSamplesPlace, kSamples));
  std::vector<std::int32_t> errors(kUnseen);
  FALLOW_TRY(session_.read(errors_, errors.data(), errors.size() * sizeof(std::int32_t)));
  // The labels are 1 and -1: off by less than one, the output is on the right side of nought.
  return static_cast<std::uint32_t>(std::count_if(
      errors.begin(), errors.end(), [](std::int32_t error) { return std::abs(error) < kOne; }));
}

}  // namespace fallow::train
