// A device under proof, as the prover drives it: what a GPU does, or something that pretends to be
// one.
//
// Owner: a Prover, one thread. Calls may take as long as the device does.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "fallow/v1/agent.pb.h"
#include "proof/fill.h"
#include "proof/keyed_stream.h"

namespace fallow::proof {

class Device {
 public:
  virtual ~Device() = default;

  // ---- product: begin_matrix() makes B, multiply() does one round and hashes every row.
  virtual Status begin_matrix(std::uint32_t size, const StreamKey& right) = 0;
  virtual Result<std::vector<Digest>> multiply(const StreamKey& left) = 0;
  // Of the product with `left`, made anew: int32, little-endian.
  virtual Result<std::string> row(const StreamKey& left, std::uint32_t row) = 0;
  virtual void end_matrix() = 0;

  // ---- memory: fill() hashes every leaf and keeps them all until release().
  virtual Result<std::vector<Digest>> fill(const FillShape& shape, const StreamKey& key) = 0;
  virtual Result<std::string> leaf(std::uint64_t leaf) = 0;
  virtual void release() = 0;

  // ---- rates, by its own clock.
  virtual Result<v1::DeviceSpeeds> speeds() = 0;
};

}  // namespace fallow::proof
