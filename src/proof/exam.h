// Exam: the market's side of one device's proof. It says what to ask next, takes the answers with
// the moments they came, and in the end has an outcome.
//
// Pure logic: no clock, no chance of its own. Owner: the hub's proofs; one thread at a time.
// judge() costs up to a second of processor; the rest is cheap.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/types.h"
#include "fallow/v1/agent.pb.h"
#include "fallow/v1/commands.pb.h"
#include "proof/fill.h"

namespace fallow::proof {

// What a device is asked for, and how fast it must be. A time of 0 is no limit. Times are from the
// sending of an ask to the coming of its answer, less the way there and back (at most way_max).
struct ExamPlan {
  std::uint32_t matrix_size = 0;
  std::uint32_t rounds = 0;
  std::uint32_t rows = 0;  // opened, of every round
  FillShape shape;
  std::uint32_t spots = 0;
  Duration matrix_max;  // slower is not as fast as its model
  Duration fill_max;    // likewise
  Duration leaves_max;  // slower has not its memory at hand
  Duration answer_max;  // of any ask; then it is missed
  Duration way_max = milliseconds(300);
  std::uint32_t fp64_ppm_min = 0;  // FP64 rate over FP32 rate, of models known for theirs
  bool asks_speeds = true;         // at the end, by its own clock
};

class Exam {
 public:
  // `seed` is secret: every ask has a seed of its own that follows from it.
  Exam(const ExamPlan& plan, const Digest& seed, std::uint64_t proof, std::uint32_t device);

  bool is_over() const { return result_.outcome() != v1::PROOF_OUTCOME_UNSPECIFIED; }
  // What is to be sent now; its answer's time counts from `now`. Not when it is over.
  v1::ProofAsk ask(Time now);
  // When the present ask is missed.
  Time deadline() const { return asked_at_ + plan_.answer_max; }
  // Is it an answer to the present ask, and not to another of before or after?
  bool awaits(const v1::ProofAnswer& answer) const;
  // Is it larger than any right answer to the present ask? It is cheap to say, so that nobody need
  // keep such an answer until it can be judged: refuse() ends the exam instead.
  bool is_oversized(const v1::ProofAnswer& answer) const;
  // The answer is wrong, whatever it holds.
  void refuse(std::string why);
  // The answer to the present ask, which came at `now`. Of another step: false, and nothing
  // happened. Costs what checking costs.
  bool judge(const v1::ProofAnswer& answer, Time now);
  // No answer will come.
  void miss(std::string why);

  const v1::ProofResult& result() const { return result_; }

 private:
  void end(v1::ProofOutcome outcome, std::string detail);
  void judge_rows(const v1::ProofAnswer& answer);
  void judge_contents(const v1::ProofAnswer& answer);
  void judge_speeds(const v1::ProofAnswer& answer);
  bool take_roots(const v1::ProofAnswer& answer, std::size_t count, std::vector<Digest>& roots);
  bool is_slow(Duration took, Duration took_max, const char* what);
  Digest step_seed(v1::ProofStep step) const;
  void go_on();

  const ExamPlan plan_;
  const Digest seed_;
  const std::uint64_t proof_;
  const std::uint32_t device_;
  v1::ProofStep step_ = v1::PROOF_ECHO;
  bool opened_ = false;  // the first echo came: the device is open, its kernels are there
  Time asked_at_;
  Duration took_;  // of the answer that is judged, less the way
  Duration way_;
  std::vector<Digest> rounds_;  // their roots
  std::vector<Digest> memory_;  // its root
  std::vector<Digest> last_;    // the hash of the last spot's leaf
  std::string slow_;            // what was too slow first
  Digest evidence_{};
  v1::ProofResult result_;
};

}  // namespace fallow::proof
