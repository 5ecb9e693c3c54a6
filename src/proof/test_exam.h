// Exams of small devices, for tests: the whole protocol, by hand.
#pragma once

#include <functional>

#include "proof/exam.h"
#include "proof/prover.h"

namespace fallow::proof {

inline ExamPlan small_plan() {
  ExamPlan plan;
  plan.matrix_size = 64;
  plan.rounds = 3;
  plan.rows = 8;
  plan.shape = {8, 4};
  plan.spots = 24;
  plan.answer_max = seconds(60);
  return plan;
}

// What lies between the two: may change answers and says how long they took.
using Courier = std::function<Duration(const v1::ProofAsk& ask, v1::ProofAnswer& answer)>;

inline v1::ProofResult examine(
    Exam& exam, Prover& prover,
    const Courier& courier = [](const v1::ProofAsk&, v1::ProofAnswer&) { return seconds(1); }) {
  Time now{1'000'000};
  while (!exam.is_over()) {
    const v1::ProofAsk ask = exam.ask(now);
    v1::ProofAnswer answer = prover.answer(ask);
    now = now + courier(ask, answer);
    if (!exam.judge(answer, now)) exam.miss("the answer was to another ask");
  }
  return exam.result();
}

}  // namespace fallow::proof
