// What a device is asked to prove, by what its node claims it to be.
//
// A pure function; any thread. docs/gpu-proof.md says where the numbers come from.
#pragma once

#include "fallow/v1/types.pb.h"
#include "proof/exam.h"

namespace fallow::server {

// A processor has no model to be held to: it is asked for little, and counts for what it shows.
proof::ExamPlan plan_for(const v1::Device& device);

}  // namespace fallow::server
