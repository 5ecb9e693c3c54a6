// Notice: the file that tells a workload why it is asked to end and how long it has.
//
// docs/checkpoints.md says what is in it. Free functions; any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "base/types.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

// Where the workload finds its checkpoint's folder and, in it, the notice.
inline constexpr const char* kCheckpointFolder = "/checkpoint";
inline constexpr const char* kNoticePath = "/checkpoint/.notice";

// Into `folder`, on the host, which a stranger writes to: nothing is followed. The file appears
// whole, in the place of whatever had its name.
Status write_notice(const std::string& folder, v1::EndReason reason, Duration grace);

}  // namespace fallow::agent
