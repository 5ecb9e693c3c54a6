// NaiveMatcher: asks the market's book and the naive one the same random questions.
//
// Owner: the simulated server, or a test. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/env.h"
#include "core/machine.h"

namespace fallow::sim {

class NaiveMatcher {
 public:
  NaiveMatcher(const core::Limits& limits, std::function<void(std::string)> differ)
      : limits_(limits), differ_(std::move(differ)) {}

  // One question: what matches best, what is listed, could it ever match.
  void compare(const core::Machine& machine, Random& random);
  std::uint64_t matches() const { return matches_; }

 private:
  const core::Limits limits_;
  const std::function<void(std::string)> differ_;
  std::uint64_t matches_ = 0;  // questions with an answer
};

// A random wish, with queries that fit some of the simulated nodes.
v1::Requirements random_requirements(Random& random);

}  // namespace fallow::sim
