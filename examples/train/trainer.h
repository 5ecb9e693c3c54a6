// Trainer: the network of network.cl on an OpenCL device, step by step.
//
// One thread. Where a training is cut leaves no trace: a step depends on the state before it alone.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "opencl/opencl.h"
#include "train/state.h"

namespace fallow::train {

constexpr std::uint32_t kSamples = 64;  // of a step
// How far step `step` goes, as update() of network.cl has it. Smaller and smaller, so that it
// settles.
std::uint32_t rate_bits(std::uint32_t step);

class Trainer {
 public:
  // Copies the state to the device.
  static Result<Trainer> open(const opencl::Device& device, State state);

  // So many steps more.
  Status run(std::uint32_t steps);
  // As it is after them.
  Result<State> state();
  // How many of a thousand points that no step has seen it tells right.
  Result<std::uint32_t> right_per_mille();

  const std::string& device() const { return session_.name; }
  std::uint32_t step() const { return state_.step; }

 private:
  opencl::Session session_;
  State state_;  // its weights are those of the last state()
  opencl::Owned<cl_kernel> forward_;
  opencl::Owned<cl_kernel> update_;
  opencl::Owned<cl_mem> weights_;
  opencl::Owned<cl_mem> hidden_;
  opencl::Owned<cl_mem> errors_;
};

}  // namespace fallow::train
