// The laboratory of proofs: how often each kind of liar is found out, and how often an honest
// device is called one.
//
// The market's own Exam and Prover run over simulated devices (proof_devices.h) and a simulated
// network; limits of time come from proofs of honest devices, as docs/gpu-proof.md has it. A
// function of its options: the same seed gives the same report.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/types.h"
#include "fallow/v1/commands.pb.h"

namespace fallow::sim {

struct ProofLabOptions {
  std::uint64_t seed = 1;
  std::uint32_t runs = 1'000;         // of every kind
  std::uint32_t calibration = 1'000;  // proofs of honest devices that set the limits
};

// What one kind came to.
struct ProofLabRow {
  std::string kind;
  std::string what;
  bool honest = false;
  std::uint32_t runs = 0;
  std::array<std::uint32_t, 5> outcomes{};  // by v1::ProofOutcome
  std::uint32_t flagged = 0;                // not passed; of pairs: at least one of the two
  double expected = -1;                     // share that a formula gives; -1: there is none
};

struct ProofLabReport {
  ProofLabOptions options;
  Duration product_max;  // the limits that were set
  Duration fill_max;
  Duration leaves_max;
  std::vector<ProofLabRow> rows;
  Digest digest{};  // of all outcomes
};

ProofLabReport run_proof_lab(const ProofLabOptions& options);
std::string to_json(const ProofLabReport& report);

}  // namespace fallow::sim
