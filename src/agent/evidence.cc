#include "agent/evidence.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "base/check.h"

namespace fallow::agent {
namespace {

struct EvidenceLine {
  Evidence evidence;
  Verdict verdict;
};

constexpr std::array<EvidenceLine, static_cast<std::size_t>(kEvidenceLast) + 1> kEvidenceTable{{
    {Evidence::kExitedWell, {v1::COMPLETED, ""}},
    {Evidence::kExitCode, {v1::EXIT_CODE, ""}},
    {Evidence::kSignal, {v1::EXIT_CODE, "a signal ended it"}},
    {Evidence::kOutOfMemory, {v1::OUT_OF_MEMORY, "it used more memory than it asked for"}},
    {Evidence::kDiskLimit, {v1::DISK_LIMIT, "it used more disk than it asked for"}},
    {Evidence::kHostOutOfMemory,
     {v1::WORKLOAD_LOST, "the node ran out of memory, and ended it within its limit"}},
    {Evidence::kHostDiskFull,
     {v1::WORKLOAD_LOST, "the node's disk was full, though it had not used what it asked for"}},
    {Evidence::kFenced,
     {v1::HOST_LOST, "the node was cut off from the market and stopped the workload"}},
    {Evidence::kLostSight, {v1::WORKLOAD_LOST, "the node lost sight of the workload"}},
    {Evidence::kSandboxFailed, {v1::START_FAILED, "the sandbox could not be made"}},
    {Evidence::kDeviceLost, {v1::DEVICE_FAULT, "the device fell off its bus"}},
    {Evidence::kDeviceMemory,
     {v1::DEVICE_FAULT, "the device's memory had an error that could not be corrected"}},
    {Evidence::kDeviceBroken, {v1::DEVICE_FAULT, "the device failed"}},
    {Evidence::kOrderInvalid, {v1::INPUT_INVALID, "the order cannot be run as it is"}},
    {Evidence::kInputWrong, {v1::INPUT_INVALID, "the input is missing, or not what it should be"}},
    {Evidence::kInputTooLarge, {v1::DISK_LIMIT, "the input is larger than the disk it asked for"}},
    {Evidence::kInputUnreachable, {v1::START_FAILED, "the input could not be fetched"}},
    {Evidence::kImageWrong, {v1::INPUT_INVALID, "there is no such image, or it cannot be run"}},
    {Evidence::kImageDenied, {v1::INPUT_INVALID, "the registry denies the image"}},
    {Evidence::kRegistryUnreachable,
     {v1::IMAGE_UNAVAILABLE, "the registry, or the way to it, did not answer"}},
    {Evidence::kImageTooLarge, {v1::IMAGE_UNAVAILABLE, "the node has no room for the image"}},
    {Evidence::kImageFailed, {v1::START_FAILED, "the node could not make the image ready"}},
    {Evidence::kOutputWrong, {v1::DISK_LIMIT, "the output cannot be stored as it is"}},
    {Evidence::kOutputUnreachable, {v1::HOST_LOST, "the output could not be stored"}},
    {Evidence::kOutputNoRoom, {v1::STORE_FULL, "the market's store had no room for the output"}},
}};

}  // namespace

const Verdict& verdict_of(Evidence evidence) {
  const EvidenceLine& line = kEvidenceTable.at(static_cast<std::size_t>(evidence));
  FALLOW_CHECK(line.evidence == evidence, "the table of evidence is out of order");
  return line.verdict;
}

Evidence evidence_of(const Exited& event) {
  switch (event.cause) {
    case ExitCause::kStartFailed:
      return Evidence::kSandboxFailed;
    case ExitCause::kOutOfMemory:
      return Evidence::kOutOfMemory;
    case ExitCause::kDiskFull:
      return Evidence::kDiskLimit;
    case ExitCause::kFenced:
      return Evidence::kFenced;
    case ExitCause::kLost:
      return Evidence::kLostSight;
    case ExitCause::kHostOutOfMemory:
      return Evidence::kHostOutOfMemory;
    case ExitCause::kHostDiskFull:
      return Evidence::kHostDiskFull;
    case ExitCause::kExited:
      break;
  }
  if (event.signal != 0) return Evidence::kSignal;
  return event.exit_code == 0 ? Evidence::kExitedWell : Evidence::kExitCode;
}

std::string words_of(const Exited& event) {
  if (!event.detail.empty()) return event.detail;
  const Evidence evidence = evidence_of(event);
  std::string words(verdict_of(evidence).words);
  if (evidence == Evidence::kSignal) {
    const char* const name = ::sigdescr_np(event.signal);
    words = fmt::format("signal {}{} ended it", event.signal,
                        name == nullptr ? "" : fmt::format(" ({})", name));
  }
  return words;
}

Evidence evidence_of_image(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
    case ErrorCode::kNotFound:
    case ErrorCode::kCorrupt:
      return Evidence::kImageWrong;
    case ErrorCode::kDenied:
      return Evidence::kImageDenied;
    case ErrorCode::kUnreachable:
    case ErrorCode::kTimedOut:
      return Evidence::kRegistryUnreachable;
    case ErrorCode::kTooLarge:
      return Evidence::kImageTooLarge;
    default:
      return Evidence::kImageFailed;
  }
}

bool is_artifact_at_fault(ErrorCode code) {
  return code == ErrorCode::kInvalid || code == ErrorCode::kCorrupt ||
         code == ErrorCode::kNotFound || code == ErrorCode::kTooLarge;
}

Evidence evidence_of_input(ErrorCode code) {
  if (code == ErrorCode::kTooLarge) return Evidence::kInputTooLarge;
  return is_artifact_at_fault(code) ? Evidence::kInputWrong : Evidence::kInputUnreachable;
}

Evidence evidence_of_output(ErrorCode code) {
  if (code == ErrorCode::kFull) return Evidence::kOutputNoRoom;
  return is_artifact_at_fault(code) ? Evidence::kOutputWrong : Evidence::kOutputUnreachable;
}

// By NVIDIA's list. Left out on purpose: 13, 31, 43, 45 and their like, which a program of the
// renter's can bring about, and what only tells of an error that was corrected (63, 92).
std::optional<Evidence> evidence_of_xid(std::uint64_t xid) {
  switch (xid) {
    case 79:  // fallen off the bus
      return Evidence::kDeviceLost;
    case 48:   // a double-bit error
    case 64:   // a page or row that could not be retired
    case 94:   // an uncorrected error, contained
    case 95:   // an uncorrected error, not contained
    case 140:  // an unrecovered error
      return Evidence::kDeviceMemory;
    case 62:   // the device's own controller halted
    case 74:   // NVLink
    case 119:  // the system processor does not answer
    case 120:  // the system processor failed
      return Evidence::kDeviceBroken;
    default:
      return std::nullopt;
  }
}

}  // namespace fallow::agent
