#include "proof/prover.h"

#include <span>
#include <utility>

#include "base/cut.h"
#include "proof/matrix.h"
#include "proof/openings.h"

namespace fallow::proof {
namespace {

// A driver's report of a failed compilation may be long, and the market keeps no more of it.
constexpr std::size_t kFailureSentBytesMax = 1'000;

template <class Paths>
void put_path(const std::vector<Digest>& path, Paths* out) {
  for (const Digest& sibling : path) *out->Add() = to_bytes(sibling);
}

}  // namespace

v1::ProofAnswer Prover::answer(const v1::ProofAsk& ask) {
  v1::ProofAnswer answer;
  answer.set_proof(ask.proof());
  answer.set_device(ask.device());
  answer.set_step(ask.step());
  Status done;
  switch (ask.step()) {
    case v1::PROOF_ECHO:
      break;
    case v1::PROOF_MATRIX:
      done = multiply(ask, answer);
      break;
    case v1::PROOF_ROWS:
      done = open_rows(ask, answer);
      break;
    case v1::PROOF_MEMORY:
      done = fill(ask, answer);
      break;
    case v1::PROOF_LEAVES:
      done = read_spots(ask, answer);
      break;
    case v1::PROOF_CONTENTS:
      done = open_leaves(answer);
      break;
    case v1::PROOF_SPEED: {
      auto speeds = device_.speeds();
      if (speeds) {
        *answer.mutable_speeds() = *std::move(speeds);
      } else {
        done = tl::unexpected(speeds.error());
      }
      break;
    }
    case v1::PROOF_OVER:
      forget();
      break;
    default:
      done = fail(ErrorCode::kInvalid, "this agent does not know step {} of a proof; is it older?",
                  static_cast<int>(ask.step()));
  }
  if (!done) answer.set_failure(std::string(cut(done.error().message, kFailureSentBytesMax)));
  return answer;
}

Status Prover::multiply(const v1::ProofAsk& ask, v1::ProofAnswer& answer) {
  FALLOW_ASSIGN(const Digest seed, digest_from_bytes(ask.seed()));
  if (ask.matrix_size() == 0 || ask.matrix_size() > kMatrixSizeMax ||
      ask.matrix_size() % kMatrixTile != 0 || ask.rounds() == 0 || ask.rounds() > kRoundsMax) {
    return fail(ErrorCode::kInvalid, "{} rounds of size {} are asked for, beyond what is agreed",
                ask.rounds(), ask.matrix_size());
  }
  forget();
  size_ = ask.matrix_size();
  FALLOW_TRY(device_.begin_matrix(size_, right_key(seed)));
  Digest before{};
  for (std::uint32_t round = 0; round < ask.rounds(); ++round) {
    const StreamKey left = left_key(seed, round, before);
    FALLOW_ASSIGN(std::vector<Digest> hashes, device_.multiply(left));
    rounds_.push_back({left, MerkleLevels(std::move(hashes))});
    before = rounds_.back().rows.root();
    answer.add_roots(to_bytes(before));
  }
  return {};
}

Status Prover::open_rows(const v1::ProofAsk& ask, v1::ProofAnswer& answer) {
  FALLOW_ASSIGN(const Digest seed, digest_from_bytes(ask.seed()));
  if (rounds_.empty() || ask.openings() > kOpeningsMax) {
    return fail(ErrorCode::kInvalid, "{} rows are asked for of {} rounds", ask.openings(),
                rounds_.size());
  }
  for (std::uint32_t round = 0; round < rounds_.size(); ++round) {
    for (const std::uint32_t row : opened_rows(seed, round, size_, ask.openings())) {
      FALLOW_ASSIGN(std::string values, device_.row(rounds_[round].left, row));
      v1::ProofRow& opened = *answer.add_rows();
      opened.set_round(round);
      opened.set_row(row);
      opened.set_values(std::move(values));
      put_path(rounds_[round].rows.path(row), opened.mutable_path());
    }
  }
  device_.end_matrix();
  rounds_.clear();
  return {};
}

Status Prover::fill(const v1::ProofAsk& ask, v1::ProofAnswer& answer) {
  FALLOW_ASSIGN(const Digest seed, digest_from_bytes(ask.seed()));
  shape_ = {ask.memory_chunks(), ask.chunk_leaves()};
  if (shape_.chunks < 2 || shape_.chunks > kChunksMax || shape_.chunk_leaves == 0 ||
      shape_.leaves() > kFillLeavesMax) {
    return fail(ErrorCode::kInvalid, "a fill of {} chunks of {} leaves is asked for", shape_.chunks,
                shape_.chunk_leaves);
  }
  key_ = stream_key("fill", seed);
  FALLOW_ASSIGN(std::vector<Digest> hashes, device_.fill(shape_, key_));
  leaves_.emplace(std::move(hashes));
  answer.add_roots(to_bytes(leaves_->root()));
  return {};
}

// What was read stays for open_leaves().
Status Prover::read_leaf(std::uint64_t leaf) {
  FALLOW_ASSIGN(std::string content, device_.leaf(leaf));
  read_leaves_.push_back(leaf);
  read_contents_.push_back(std::move(content));
  return {};
}

// Of every spot: its own leaf, that of the cell before it, and those of the two others.
Status Prover::read_spots(const v1::ProofAsk& ask, v1::ProofAnswer& answer) {
  FALLOW_ASSIGN(const Digest seed, digest_from_bytes(ask.seed()));
  if (!leaves_ || ask.openings() == 0 || ask.openings() > kOpeningsMax) {
    return fail(ErrorCode::kInvalid, "{} leaves are asked for, of a memory that was {}filled",
                ask.openings(), leaves_ ? "" : "not ");
  }
  read_leaves_.clear();
  read_contents_.clear();
  Digest before{};
  for (std::uint32_t place = 0; place < ask.openings(); ++place) {
    const Spot spot = spot_at(seed, place, before, shape_);
    FALLOW_TRY(read_leaf(spot.leaf));
    FALLOW_TRY(read_leaf(spot.leaf - shape_.chunk_leaves));
    const Cell above = cell_of(read_contents_.back(), spot.cell);
    const auto chunk = static_cast<std::uint32_t>(spot.leaf / shape_.chunk_leaves);
    for (std::uint32_t which = 0; which < kOthers; ++which) {
      FALLOW_TRY(read_leaf(other_cell(key_, shape_, chunk, above, which) / kLeafCells));
    }
    before = link_of(seed, before, std::span(read_contents_).last(kSpotLeaves));
  }
  answer.add_roots(to_bytes(before));
  return {};
}

Status Prover::open_leaves(v1::ProofAnswer& answer) {
  if (!leaves_) return fail(ErrorCode::kInvalid, "leaves are to be opened that were not read");
  for (std::size_t i = 0; i < read_leaves_.size(); ++i) {
    v1::ProofLeaf& opened = *answer.add_leaves();
    opened.set_leaf(read_leaves_[i]);
    opened.set_content(std::move(read_contents_[i]));
    put_path(leaves_->path(read_leaves_[i]), opened.mutable_path());
  }
  forget();
  return {};
}

void Prover::forget() {
  device_.end_matrix();
  device_.release();
  rounds_.clear();
  leaves_.reset();
  read_leaves_.clear();
  read_contents_.clear();
}

}  // namespace fallow::proof
