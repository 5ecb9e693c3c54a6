#include "proof/exam.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/cut.h"
#include "base/merkle.h"
#include "proof/matrix.h"
#include "proof/openings.h"

namespace fallow::proof {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;
constexpr std::size_t kFailureBytesMax = 300;
// What an answer holds beside what was asked for. A failure may be a driver's whole report.
constexpr std::size_t kOtherBytesMax = std::size_t{64} << 10U;
// Of a tree that is larger than any that is asked for.
constexpr int kPathMax = 40;
constexpr std::size_t kPathBytesMax = kPathMax * (sizeof(Digest) + 2);
constexpr std::size_t kOpenedBytesMax = kPathBytesMax + 64;  // beside the contents

std::optional<Digest> root_over(const Digest& hash, std::uint64_t leaf, std::uint64_t leaves,
                                const google::protobuf::RepeatedPtrField<std::string>& path) {
  std::vector<Digest> siblings;
  for (const std::string& bytes : path) {
    const auto sibling = digest_from_bytes(bytes);
    if (!sibling) return std::nullopt;
    siblings.push_back(*sibling);
  }
  return merkle_root_over(hash, leaf, leaves, siblings);
}

double in_seconds(Duration span) { return static_cast<double>(span.value) / 1e6; }

// Units a second out of units and a time; microseconds make them millions.
std::uint64_t millions_a_second(std::uint64_t units, Duration took) {
  return units / static_cast<std::uint64_t>(std::max<std::int64_t>(took.value, 1));
}

}  // namespace

Exam::Exam(const ExamPlan& plan, const Digest& seed, std::uint64_t proof, std::uint32_t device)
    : plan_(plan), seed_(seed), proof_(proof), device_(device) {
  FALLOW_CHECK(plan.matrix_size > 0 && plan.rounds > 0 && plan.rows > 0 && plan.shape.chunks > 1 &&
                   plan.spots > 0 && plan.answer_max > Duration(),
               "an exam of device {} that asks nothing", device);
  result_.set_device(device);
}

Digest Exam::step_seed(v1::ProofStep step) const {
  const Digest own = derived_seed("device", derived_seed("proof", seed_, proof_), device_);
  return derived_seed("step", own, static_cast<std::uint64_t>(step));
}

v1::ProofAsk Exam::ask(Time now) {
  FALLOW_CHECK(!is_over(), "proof {} of device {} is over", proof_, device_);
  asked_at_ = now;
  v1::ProofAsk ask;
  ask.set_proof(proof_);
  ask.set_device(device_);
  ask.set_step(step_);
  if (step_ != v1::PROOF_ECHO) ask.set_seed(to_bytes(step_seed(step_)));
  if (step_ == v1::PROOF_MATRIX) {
    ask.set_matrix_size(plan_.matrix_size);
    ask.set_rounds(plan_.rounds);
  } else if (step_ == v1::PROOF_ROWS) {
    ask.set_openings(plan_.rows);
  } else if (step_ == v1::PROOF_MEMORY) {
    ask.set_memory_chunks(plan_.shape.chunks);
    ask.set_chunk_leaves(plan_.shape.chunk_leaves);
  } else if (step_ == v1::PROOF_LEAVES) {
    ask.set_openings(plan_.spots);
  }
  return ask;
}

bool Exam::awaits(const v1::ProofAnswer& answer) const {
  return !is_over() && answer.step() == step_ && answer.proof() == proof_ &&
         answer.device() == device_;
}

bool Exam::is_oversized(const v1::ProofAnswer& answer) const {
  std::size_t roots = 0;
  std::size_t rows = 0;
  std::size_t leaves = 0;
  if (step_ == v1::PROOF_MATRIX) roots = plan_.rounds;
  if (step_ == v1::PROOF_MEMORY || step_ == v1::PROOF_LEAVES) roots = 1;
  if (step_ == v1::PROOF_ROWS) rows = std::size_t{plan_.rounds} * plan_.rows;
  if (step_ == v1::PROOF_CONTENTS) leaves = std::size_t{kSpotLeaves} * plan_.spots;
  const std::size_t row_bytes = plan_.matrix_size * sizeof(std::int32_t) + kOpenedBytesMax;
  const std::size_t leaf_bytes = kLeafBytes + kOpenedBytesMax;
  // Counts as well as bytes: a thing of no bytes takes memory too.
  const auto has_long_path = [](const auto& opened) { return opened.path_size() > kPathMax; };
  return static_cast<std::size_t>(answer.roots_size()) > roots ||
         static_cast<std::size_t>(answer.rows_size()) > rows ||
         static_cast<std::size_t>(answer.leaves_size()) > leaves ||
         std::any_of(answer.rows().begin(), answer.rows().end(), has_long_path) ||
         std::any_of(answer.leaves().begin(), answer.leaves().end(), has_long_path) ||
         answer.ByteSizeLong() >
             rows * row_bytes + leaves * leaf_bytes + roots * sizeof(Digest) + kOtherBytesMax;
}

void Exam::refuse(std::string why) {
  if (!is_over()) end(v1::PROOF_WRONG, std::move(why));
}

bool Exam::judge(const v1::ProofAnswer& answer, Time now) {
  if (!awaits(answer)) return false;
  evidence_ = Digester()
                  .update(std::span<const std::uint8_t>(evidence_))
                  .update(answer.SerializeAsString())
                  .finish();
  const Duration took = now - asked_at_;
  if (took > plan_.answer_max) {
    miss(fmt::format("an answer took {:.1f} s", in_seconds(took)));
    return true;
  }
  if (!answer.failure().empty()) {
    miss(std::string(cut(answer.failure(), kFailureBytesMax)));
    return true;
  }
  if (step_ == v1::PROOF_ECHO) way_ = std::min(took, plan_.way_max);
  took_ = std::max(took - way_, Duration(1));
  switch (step_) {
    case v1::PROOF_MATRIX: {
      if (!take_roots(answer, plan_.rounds, rounds_)) break;
      is_slow(took_, plan_.matrix_max, "the matrix product");
      const std::uint64_t n = plan_.matrix_size;
      result_.mutable_speeds()->set_int8_mops(
          millions_a_second(2 * n * n * n * plan_.rounds, took_));
      break;
    }
    case v1::PROOF_ROWS:
      judge_rows(answer);
      break;
    case v1::PROOF_MEMORY:
      if (!take_roots(answer, 1, memory_)) break;
      is_slow(took_, plan_.fill_max, "filling the memory");
      result_.mutable_speeds()->set_fill_mbps(millions_a_second(plan_.shape.bytes(), took_));
      break;
    case v1::PROOF_LEAVES:
      if (!take_roots(answer, 1, last_)) break;
      is_slow(took_, plan_.leaves_max, "reading the memory");
      break;
    case v1::PROOF_CONTENTS:
      judge_contents(answer);
      break;
    case v1::PROOF_SPEED:
      judge_speeds(answer);
      break;
    default:
      break;
  }
  if (!is_over()) go_on();
  return true;
}

void Exam::go_on() {
  // The first echo waits for the driver, and the second is the way.
  if (step_ == v1::PROOF_ECHO && !std::exchange(opened_, true)) return;
  if (step_ == (plan_.asks_speeds ? v1::PROOF_SPEED : v1::PROOF_CONTENTS)) {
    return slow_.empty() ? end(v1::PROOF_PASSED, "") : end(v1::PROOF_SLOW, slow_);
  }
  step_ = static_cast<v1::ProofStep>(step_ + 1);
}

void Exam::miss(std::string why) {
  if (!is_over()) end(v1::PROOF_MISSED, std::move(why));
}

void Exam::end(v1::ProofOutcome outcome, std::string detail) {
  result_.set_outcome(outcome);
  result_.set_detail(std::move(detail));
  result_.set_evidence(to_bytes(evidence_));
  // Of an answer that was wrong nothing counts.
  if (outcome == v1::PROOF_WRONG || outcome == v1::PROOF_MISSED) {
    result_.clear_speeds();
    result_.clear_memory_mb();
  }
}

bool Exam::is_slow(Duration took, Duration took_max, const char* what) {
  if (took_max == Duration() || took <= took_max) return false;
  if (slow_.empty()) {
    slow_ = fmt::format("{} took {:.3f} s; its model is known to need at most {:.3f} s", what,
                        in_seconds(took), in_seconds(took_max));
  }
  return true;
}

bool Exam::take_roots(const v1::ProofAnswer& answer, std::size_t count,
                      std::vector<Digest>& roots) {
  for (const std::string& bytes : answer.roots()) {
    if (const auto root = digest_from_bytes(bytes)) roots.push_back(*root);
  }
  if (roots.size() == count && static_cast<std::size_t>(answer.roots_size()) == count) return true;
  end(v1::PROOF_WRONG, fmt::format("{} roots came instead of {}", answer.roots_size(), count));
  return false;
}

void Exam::judge_rows(const v1::ProofAnswer& answer) {
  const Digest seed = step_seed(v1::PROOF_ROWS);
  const Digest matrix_seed = step_seed(v1::PROOF_MATRIX);
  const auto wrong = [&](std::uint32_t round, std::uint32_t row, const char* what) {
    end(v1::PROOF_WRONG, fmt::format("row {} of round {} {}", row, round, what));
  };
  if (static_cast<std::uint64_t>(answer.rows_size()) != std::uint64_t{plan_.rounds} * plan_.rows) {
    return end(v1::PROOF_WRONG, fmt::format("{} rows were opened", answer.rows_size()));
  }
  const RowCheck check(plan_.matrix_size, right_key(matrix_seed), stream_key("check", seed));
  int place = 0;
  Digest before{};
  for (std::uint32_t round = 0; round < plan_.rounds; ++round) {
    const StreamKey left = left_key(matrix_seed, round, before);
    before = rounds_[round];
    for (const std::uint32_t row : opened_rows(seed, round, plan_.matrix_size, plan_.rows)) {
      const v1::ProofRow& opened = answer.rows(place++);
      if (opened.round() != round || opened.row() != row) return wrong(round, row, "is not there");
      if (root_over(merkle_leaf(opened.values()), row, plan_.matrix_size, opened.path()) !=
          rounds_[round]) {
        return wrong(round, row, "is not the one that was committed to");
      }
      if (!check.holds(left, row, opened.values())) return wrong(round, row, "is not the product");
    }
  }
}

void Exam::judge_contents(const v1::ProofAnswer& answer) {
  const Digest seed = step_seed(v1::PROOF_LEAVES);
  const StreamKey key = stream_key("fill", step_seed(v1::PROOF_MEMORY));
  const FillShape& shape = plan_.shape;
  const auto wrong = [&](std::uint64_t leaf, const char* what) {
    end(v1::PROOF_WRONG, fmt::format("leaf {} of the memory {}", leaf, what));
  };
  if (static_cast<std::uint64_t>(answer.leaves_size()) !=
      kSpotLeaves * std::uint64_t{plan_.spots}) {
    return end(v1::PROOF_WRONG, fmt::format("{} leaves were opened", answer.leaves_size()));
  }
  // The leaf of that number, if it is the one that was committed to.
  int place = 0;
  const auto opened = [&](std::uint64_t leaf) -> const std::string* {
    const v1::ProofLeaf& next = answer.leaves(place++);
    if (next.leaf() != leaf || next.content().size() != kLeafBytes) {
      wrong(leaf, "is not there");
      return nullptr;
    }
    if (root_over(merkle_leaf(next.content()), leaf, shape.leaves(), next.path()) != memory_[0]) {
      wrong(leaf, "is not the one that was committed to");
      return nullptr;
    }
    return &next.content();
  };
  Digest before{};
  for (std::uint32_t i = 0; i < plan_.spots; ++i) {
    const Spot spot = spot_at(seed, i, before, shape);
    const std::string* const own = opened(spot.leaf);
    if (own == nullptr) return;
    const std::string* const above = opened(spot.leaf - shape.chunk_leaves);
    if (above == nullptr) return;
    const Cell above_cell = cell_of(*above, spot.cell);
    const auto chunk = static_cast<std::uint32_t>(spot.leaf / shape.chunk_leaves);
    std::array<std::string, kSpotLeaves> contents{*own, *above};
    std::array<Cell, kOthers> others;
    bool from_seed = true;
    for (std::uint32_t which = 0; which < kOthers; ++which) {
      const std::uint64_t number = other_cell(key, shape, chunk, above_cell, which);
      const std::string* const leaf = opened(number / kLeafCells);
      if (leaf == nullptr) return;
      contents[2 + which] = *leaf;
      others[which] = cell_of(*leaf, static_cast<std::uint32_t>(number % kLeafCells));
      const bool is_first = number < shape.chunk_cells();
      from_seed = from_seed && (!is_first || first_cell(key, number) == others[which]);
    }
    if (next_cell(key, cell_number(spot), above_cell, others[0], others[1]) !=
        cell_of(*own, spot.cell)) {
      return wrong(spot.leaf, "does not follow from those before it");
    }
    // The first chunk has none before it: it is checked against the key wherever it is met.
    const std::uint64_t above_number = cell_number(spot) - shape.chunk_cells();
    if (!from_seed || (chunk == 1 && first_cell(key, above_number) != above_cell)) {
      return wrong(spot.leaf, "does not follow from the seed");
    }
    before = link_of(seed, before, contents);
  }
  if (before != last_[0])
    return wrong(0, "is not where the chain ends: it was not read, or not in time");
  result_.set_memory_mb(static_cast<std::uint32_t>(shape.bytes() >> 20U));
}

void Exam::judge_speeds(const v1::ProofAnswer& answer) {
  const v1::DeviceSpeeds& own = answer.speeds();
  if (Duration(answer.elapsed_us()) > took_ + way_) {
    return end(v1::PROOF_WRONG, "its own clock says that more time passed than did");
  }
  v1::DeviceSpeeds& speeds = *result_.mutable_speeds();
  speeds.set_fp16_mflops(own.fp16_mflops());
  speeds.set_fp32_mflops(own.fp32_mflops());
  speeds.set_fp64_mflops(own.fp64_mflops());
  speeds.set_copy_mbps(own.copy_mbps());
  // Of nothing every ratio is right.
  if (plan_.fp64_ppm_min > 0 && own.fp32_mflops() == 0) {
    return end(v1::PROOF_WRONG, "it tells no FP32 rate, which its FP64 rate is held against");
  }
  if (UnsignedWide{own.fp64_mflops()} * kMillion <
          UnsignedWide{own.fp32_mflops()} * plan_.fp64_ppm_min &&
      slow_.empty()) {
    slow_ = fmt::format("its FP64 rate is {:.3f} of its FP32 rate; that of its model is {:.3f}",
                        static_cast<double>(own.fp64_mflops()) /
                            static_cast<double>(std::max<std::uint64_t>(own.fp32_mflops(), 1)),
                        plan_.fp64_ppm_min / 1e6);
  }
}

}  // namespace fallow::proof
