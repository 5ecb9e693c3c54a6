// A sample of the node in the text format of Prometheus. A pure function.
#pragma once

#include <string>
#include <vector>

#include "agent/launch.h"
#include "fallow/v1/telemetry.pb.h"

namespace fallow::agent {

// What was not measured is left out; `devices` are the node's.
std::string metrics_text(const v1::TelemetrySample& sample,
                         const std::vector<LocalDevice>& devices);

}  // namespace fallow::agent
