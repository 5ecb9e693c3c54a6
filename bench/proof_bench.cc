// What it costs the market to check a proof: seconds of one processor.
//
//   proof_bench [--json]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "base/merkle.h"
#include "proof/exam.h"
#include "proof/host_device.h"
#include "proof/matrix.h"
#include "proof/prover.h"

namespace fallow::proof {
namespace {

// Of the processor: whatever else the machine does does not count.
class Watch {
 public:
  double seconds() const {
    return static_cast<double>(std::clock() - from_) / static_cast<double>(CLOCKS_PER_SEC);
  }

 private:
  std::clock_t from_ = std::clock();
};

// Everything of the product's check: the vector, then rows with their hashes. The rows are made by
// the host, which is not counted.
struct MatrixCost {
  double vector_s = 0;
  double rows_s = 0;
};

MatrixCost check_matrix(std::uint32_t size, std::uint32_t rows) {
  const Digest seed = digest_of("bench");
  MatrixCost cost;
  const Watch vector;
  const RowCheck check(size, right_key(seed), stream_key("check", seed));
  cost.vector_s = vector.seconds();
  HostDevice device;
  if (!device.begin_matrix(size, right_key(seed))) std::abort();
  const StreamKey left = left_key(seed, 0, Digest{});
  for (std::uint32_t i = 0; i < rows; ++i) {
    const auto values = device.row(left, i);
    if (!values) std::abort();
    const Watch one;
    const Digest hash = merkle_leaf(*values);
    if (!check.holds(left, i, *values) || hash == Digest{}) std::abort();
    cost.rows_s += one.seconds();
  }
  return cost;
}

// What judging each answer of a whole exam of 64 MiB takes, all together.
double check_memory(std::uint32_t spots) {
  ExamPlan plan;
  plan.matrix_size = kMatrixTile;
  plan.rounds = plan.rows = 1;
  plan.shape = {64, 256};
  plan.spots = spots;
  plan.answer_max = hours(1);
  HostDevice device;
  Prover prover(device);
  Exam exam(plan, digest_of("bench"), 1, 0);
  double cost = 0;
  Time now{1};
  while (!exam.is_over()) {
    const v1::ProofAnswer answer = prover.answer(exam.ask(now));
    const Watch one;
    exam.judge(answer, now = now + seconds(1));
    cost += one.seconds();
  }
  if (exam.result().outcome() != v1::PROOF_PASSED) std::abort();
  return cost;
}

int run(bool json) {
  constexpr std::uint32_t kRows = 8;
  constexpr std::uint32_t kSpots = 32;
  if (!json) std::printf("%8s %12s %18s %10s\n", "n", "vector s", "8 rows, hashed s", "total s");
  std::string list;
  for (const std::uint32_t size : {4'096U, 8'192U, 16'384U}) {
    const MatrixCost cost = check_matrix(size, kRows);
    if (!json) {
      std::printf("%8u %12.3f %18.4f %10.3f\n", size, cost.vector_s, cost.rows_s,
                  cost.vector_s + cost.rows_s);
    }
    char text[128];
    std::snprintf(text, sizeof text, "%s{\"size\":%u,\"vector_s\":%.4f,\"rows_s\":%.5f}",
                  list.empty() ? "" : ",", size, cost.vector_s, cost.rows_s);
    list += text;
  }
  const double memory = check_memory(kSpots);
  if (json) {
    std::printf("{\"matrix\":[%s],\"spots\":%u,\"memory_s\":%.5f}\n", list.c_str(), kSpots, memory);
  } else {
    std::printf("%u spots of memory, and the rest of an exam: %.4f s\n", kSpots, memory);
  }
  return 0;
}

}  // namespace
}  // namespace fallow::proof

int main(int argc, char** argv) {
  return fallow::proof::run(argc > 1 && std::strcmp(argv[1], "--json") == 0);
}
