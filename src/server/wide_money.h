// Sums of money that may pass what one amount can be.
//
// A pure function, any thread.
#pragma once

#include <string>

#include "base/types.h"

namespace fallow::server {

// As format_money() has it.
std::string wide_money(Wide micros);

}  // namespace fallow::server
