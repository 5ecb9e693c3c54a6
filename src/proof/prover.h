// Prover: answers the asks of a proof with a device. The same for every device.
//
// Owner: whoever has the device; one thread, which answer() keeps for as long as the device takes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/merkle.h"
#include "base/result.h"
#include "fallow/v1/agent.pb.h"
#include "proof/device.h"

namespace fallow::proof {

class Prover {
 public:
  // `device` outlives it.
  explicit Prover(Device& device) : device_(device) {}

  // Asks come in the order of their steps; a MATRIX begins anew. What goes wrong stands in
  // `failure`. An ask beyond the stated maxima is refused.
  v1::ProofAnswer answer(const v1::ProofAsk& ask);

 private:
  Status multiply(const v1::ProofAsk& ask, v1::ProofAnswer& answer);
  Status open_rows(const v1::ProofAsk& ask, v1::ProofAnswer& answer);
  Status fill(const v1::ProofAsk& ask, v1::ProofAnswer& answer);
  Status read_spots(const v1::ProofAsk& ask, v1::ProofAnswer& answer);
  Status open_leaves(v1::ProofAnswer& answer);
  Status read_leaf(std::uint64_t leaf);
  void forget();

  struct Round {
    StreamKey left;
    MerkleLevels rows;
  };
  Device& device_;
  std::uint32_t size_ = 0;
  std::vector<Round> rounds_;
  FillShape shape_;
  StreamKey key_;
  std::optional<MerkleLevels> leaves_;
  // kSpotLeaves a spot, at most kSpotLeaves * kOpeningsMax.
  std::vector<std::uint64_t> read_leaves_;
  std::vector<std::string> read_contents_;
};

}  // namespace fallow::proof
