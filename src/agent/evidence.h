// Evidence: what a node sees of an end, and the ending that follows from it. The one table of the
// agent's; whom an ending is charged to stands in core/blame.h. docs/provider.md has both in one.
//
// Pure functions and values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/actions.h"
#include "base/result.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

enum class Evidence : std::uint8_t {
  // Of a workload that ran.
  kExitedWell,
  kExitCode,         // another one than 0
  kSignal,           // that nobody of ours sent
  kOutOfMemory,      // its own limit
  kDiskLimit,        // its own limit
  kHostOutOfMemory,  // the machine's memory, not its limit
  kHostDiskFull,     // the machine's disk, not its limit
  kFenced,           // the node was cut off from the market for too long
  kLostSight,        // its supervisor is gone, or the machine started anew
  kSandboxFailed,    // the sandbox, or its network, could not be made
  kDeviceLost,       // the device fell off its bus (Xid 79), or its driver has lost it
  kDeviceMemory,     // an error in the device's memory that could not be corrected
  kDeviceBroken,     // another fault of the device's own
  // Of what it needed before its start.
  kOrderInvalid,         // a command or a variable that cannot be
  kInputWrong,           // missing, or not what its digest says
  kInputTooLarge,        // for its own disk limit
  kInputUnreachable,     // the market's store
  kImageWrong,           // no such image, or it cannot be run or unpacked
  kImageDenied,          // the registry wants other credentials
  kRegistryUnreachable,  // or the way to it; or it limits the rate
  kImageTooLarge,        // for the node's store
  kImageFailed,          // this machine could not
  // Of what it left.
  kOutputWrong,        // beyond its limits, or nothing that can be stored
  kOutputUnreachable,  // the market's store
  kOutputNoRoom,       // in the market's store
};
constexpr Evidence kEvidenceLast = Evidence::kOutputNoRoom;

struct Verdict {
  v1::EndReason reason;
  std::string_view words;  // for the renter, where nothing more can be said
};
const Verdict& verdict_of(Evidence evidence);

Evidence evidence_of(const Exited& event);
// What the renter is told of it: its own detail, or that of the table.
std::string words_of(const Exited& event);
// Of an image, an input, an output that could not be had or stored; agent/images.h says what the
// codes of images mean.
Evidence evidence_of_image(ErrorCode code);
Evidence evidence_of_input(ErrorCode code);
Evidence evidence_of_output(ErrorCode code);
// Asking again cannot help: the artifact itself is at fault.
bool is_artifact_at_fault(ErrorCode code);

// Of the driver's complaint of that number: a fault of the device's own, or nothing: a program's,
// or one that does not tell whose.
std::optional<Evidence> evidence_of_xid(std::uint64_t xid);

}  // namespace fallow::agent
