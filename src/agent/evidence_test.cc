#include "agent/evidence.h"

#include <gtest/gtest.h>

namespace fallow::agent {
namespace {

TEST(Evidence, EveryLineStandsInItsPlace) {
  for (int i = 0; i <= static_cast<int>(kEvidenceLast); ++i) {
    const auto evidence = static_cast<Evidence>(i);
    const Verdict& verdict = verdict_of(evidence);
    EXPECT_NE(verdict.reason, v1::END_REASON_UNSPECIFIED) << i;
    // Of these two the exit code says it.
    const bool is_plain = evidence == Evidence::kExitedWell || evidence == Evidence::kExitCode;
    EXPECT_EQ(verdict.words.empty(), is_plain) << i;
  }
}

// What a renter can bring about is the renter's, what only the machine can is the provider's.
TEST(Evidence, OfExits) {
  struct Case {
    ExitCause cause;
    int code, signal;
    v1::EndReason reason;
  };
  for (const Case& one : {Case{ExitCause::kExited, 0, 0, v1::COMPLETED},
                          Case{ExitCause::kExited, 7, 0, v1::EXIT_CODE},
                          Case{ExitCause::kExited, 139, 11, v1::EXIT_CODE},
                          Case{ExitCause::kOutOfMemory, 137, 9, v1::OUT_OF_MEMORY},
                          Case{ExitCause::kHostOutOfMemory, 137, 9, v1::WORKLOAD_LOST},
                          Case{ExitCause::kDiskFull, 1, 0, v1::DISK_LIMIT},
                          Case{ExitCause::kHostDiskFull, 1, 0, v1::WORKLOAD_LOST},
                          Case{ExitCause::kFenced, 137, 9, v1::HOST_LOST},
                          Case{ExitCause::kLost, 0, 0, v1::WORKLOAD_LOST},
                          Case{ExitCause::kStartFailed, 0, 0, v1::START_FAILED}}) {
    const Exited event{LeaseId(7), {}, one.cause, one.code, one.signal, ""};
    EXPECT_EQ(verdict_of(evidence_of(event)).reason, one.reason) << static_cast<int>(one.cause);
  }
}

TEST(Evidence, IsPutIntoWords) {
  Exited event{LeaseId(7), {}, ExitCause::kExited, 139, 11, ""};
  EXPECT_EQ(words_of(event), "signal 11 (Segmentation fault) ended it");
  event = {LeaseId(7), {}, ExitCause::kExited, 7, 0, ""};
  EXPECT_EQ(words_of(event), "");
  event = {LeaseId(7), {}, ExitCause::kHostDiskFull, 1, 0, ""};
  EXPECT_EQ(words_of(event), verdict_of(Evidence::kHostDiskFull).words);
  event.detail = "more is known";
  EXPECT_EQ(words_of(event), "more is known");
}

TEST(Evidence, OfImagesInputsAndOutputs) {
  const auto image = [](ErrorCode code) { return verdict_of(evidence_of_image(code)).reason; };
  EXPECT_EQ(image(ErrorCode::kNotFound), v1::INPUT_INVALID);
  EXPECT_EQ(image(ErrorCode::kDenied), v1::INPUT_INVALID);
  EXPECT_EQ(evidence_of_image(ErrorCode::kDenied), Evidence::kImageDenied);
  EXPECT_EQ(image(ErrorCode::kUnreachable), v1::IMAGE_UNAVAILABLE);
  EXPECT_EQ(image(ErrorCode::kTimedOut), v1::IMAGE_UNAVAILABLE);
  EXPECT_EQ(image(ErrorCode::kTooLarge), v1::IMAGE_UNAVAILABLE);
  EXPECT_EQ(image(ErrorCode::kFailed), v1::START_FAILED);
  const auto input = [](ErrorCode code) { return verdict_of(evidence_of_input(code)).reason; };
  EXPECT_EQ(input(ErrorCode::kNotFound), v1::INPUT_INVALID);
  EXPECT_EQ(input(ErrorCode::kTooLarge), v1::DISK_LIMIT);
  EXPECT_EQ(input(ErrorCode::kUnreachable), v1::START_FAILED);
  const auto output = [](ErrorCode code) { return verdict_of(evidence_of_output(code)).reason; };
  EXPECT_EQ(output(ErrorCode::kTooLarge), v1::DISK_LIMIT);
  EXPECT_EQ(output(ErrorCode::kUnreachable), v1::HOST_LOST);
  EXPECT_EQ(output(ErrorCode::kFull), v1::STORE_FULL);
}

TEST(Evidence, OfTheDriversComplaints) {
  EXPECT_EQ(evidence_of_xid(79), Evidence::kDeviceLost);
  for (const std::uint64_t xid : {48U, 64U, 94U, 95U, 140U}) {
    EXPECT_EQ(evidence_of_xid(xid), Evidence::kDeviceMemory) << xid;
  }
  for (const std::uint64_t xid : {62U, 74U, 119U, 120U}) {
    EXPECT_EQ(evidence_of_xid(xid), Evidence::kDeviceBroken) << xid;
  }
  // A renter's kernel that reads where it must not, and what was corrected.
  for (const std::uint64_t xid : {0U, 13U, 31U, 43U, 45U, 63U, 92U}) {
    EXPECT_FALSE(evidence_of_xid(xid)) << xid;
  }
}

}  // namespace
}  // namespace fallow::agent
