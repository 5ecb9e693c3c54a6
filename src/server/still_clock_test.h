// A clock that stands still unless it is set. Test's thread only.
#pragma once

#include "base/env.h"

namespace fallow::server {

class StillClock final : public Clock {
 public:
  Time now() const override { return at; }
  Time monotonic() const override { return at; }

  Time at{1'000'000'000};
};

}  // namespace fallow::server
