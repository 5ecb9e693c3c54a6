// What a provider's command line says about egress, as the runtime takes it.
#pragma once

#include "base/result.h"
#include "cli/host.h"
#include "runtime/egress.h"

namespace fallow::bin {

// kInvalid: an address is none, or there is no resolver that strangers may ask.
Result<runtime::EgressPolicy> egress_policy(const cli::AgentArguments& arguments);

}  // namespace fallow::bin
