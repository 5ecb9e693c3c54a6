// A provider with as many nodes as a benchmark of the server wants, made through the engine.
//
// Owner: one benchmark, any thread but the market's. What fails ends the benchmark with a sentence.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/result.h"
#include "engine/engine.h"

namespace fallow::bench {

template <class T>
T must(Result<T> result) {
  FALLOW_CHECK(result.has_value(), "{}", result.error().message);
  return std::move(*result);
}

// The i-th node: RTX 4090s, every other node in "us".
v1::NodeFacts bench_facts(std::size_t i, std::uint32_t devices = 1);

// Carries the command out; the id of the first thing that it makes.
std::uint64_t apply(engine::Engine& engine, const v1::Command& command);

class Provider {
 public:
  // `engine` must outlive this.
  Provider(engine::Engine& engine, std::uint32_t nodes_max);

  std::uint64_t account() const { return account_; }
  // The i-th node with its public key of 32 bytes; its id.
  std::uint64_t join(std::size_t i, std::string public_key, std::uint32_t devices = 1);

 private:
  engine::Engine& engine_;
  std::uint64_t account_ = 0;
};

}  // namespace fallow::bench
