// Ports of this machine that lead to ports of a lease's workload.
//
// Owner: one command, on one thread. The ports are taken at once and kept from lease to lease:
// callers that come while none is reached wait.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/context.h"
#include "tunnel/endpoint.h"

namespace fallow::cli {

class Reach;

struct LocalPort {
  std::uint32_t inside = 0;
  std::uint32_t here = 0;
};

// What is wrong with "PORT" or "PORT:LOCAL", or nothing.
std::string ports_complaint(const std::string& text);

class LocalPorts {
 public:
  // Listens at `address` for each of `texts`, which ports_complaint() lets through; LOCAL 0 is any
  // free port. kInvalid, kFailed: no such address, or a port is taken.
  static Result<LocalPorts> listen(const std::vector<std::string>& texts,
                                   const std::string& address);

  // From now on callers are joined to the workload that `reach`, which is ready, leads to. Both
  // outlive what comes of that, and this object, too.
  void join(Reach& reach, const Context& context);

  const std::vector<LocalPort>& ports() const { return ports_; }

 private:
  std::vector<LocalPort> ports_;
  std::vector<tunnel::SharedDescriptor> listeners_;  // one for each of them
};

}  // namespace fallow::cli
