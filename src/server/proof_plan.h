// What a device is asked to prove, by what its node claims it to be.
//
// A pure function; any thread. docs/gpu-proof.md says where the numbers come from.
#pragma once

#include "fallow/v1/types.pb.h"
#include "proof/exam.h"

namespace fallow::server {

// A processor has no model to be held to: it is asked for little, and counts for what it shows.
proof::ExamPlan plan_for(const v1::Device& device);
// Before a lease begins: about a tenth of a second of the device, and a small part of its memory.
// `is_whole`: the lease has all of it; else others may be at work on it, and times say nothing.
proof::ExamPlan lease_plan_for(const v1::Device& device, bool is_whole);

}  // namespace fallow::server
