// All that a training needs to go on: how far it is, and the weights. And its file, which is whole
// or not there.
//
// A value; free functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace fallow::train {

struct State {
  std::uint32_t seed = 1;
  std::uint32_t step = 0;             // that comes next
  std::vector<std::int32_t> weights;  // network.cl says of what

  bool operator==(const State&) const = default;
};

constexpr std::uint32_t kUnits = 64;  // of the hidden layer
constexpr std::size_t kWeights = 4 * kUnits + 1;

// At step 0, from the seed.
State first_state(std::uint32_t seed);
// Of the weights, in hex.
std::string digest_of_weights(const State& state);

// Writes <folder>/state by way of a name that begins with a dot: whoever looks sees the former one
// or this. The folder exists.
Status save(const State& state, const std::string& folder);
// kNotFound: there is none; kCorrupt: the file is damaged or another's; kInvalid: its training has
// another seed or more steps.
Result<State> load(const std::string& folder, std::uint32_t seed, std::uint32_t steps);

}  // namespace fallow::train
