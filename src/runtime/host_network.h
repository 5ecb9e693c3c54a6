// HostNetwork: what of the host's network all leases with egress share: its tools, and whether it
// forwards.
//
// Changes are made under a lock of the machine (flock in /run/fallow-agent), so that the
// supervisors of several leases, and of several agents, do not undo each other's. Functions for
// any one thread; root.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "runtime/egress.h"

namespace fallow::runtime {

// Held until it is closed.
Result<Fd> lock_host_network();

// Runs a tool of the system's with a script: `nft -f`, `ip -batch`, `tc -batch`. An error holds the
// tool's first line. `script` is a file of that name in the working folder, which stays.
Status run_network_tool(std::string_view tool, std::string_view name, std::string_view script);
// "/usr/sbin/nft": where a tool is; empty: nowhere.
std::string network_tool(std::string_view tool);

HostRoutes host_routes();

// The tables of ours on the host whose names begin with `prefix`.
Result<std::vector<std::string>> our_tables(std::string_view prefix);
// Without effect when there is none.
Status remove_table(const std::string& table);
void remove_interface(const std::string& interface);

// Lets packets of `interface` and of the uplinks be forwarded, where the host forwards nothing by
// itself (net.ipv4.ip_forward is 0): for those interfaces only, and with a table that lets nothing
// new from the uplinks go anywhere but to leases. Under the lock.
Status open_forwarding(const std::string& interface, const std::vector<std::string>& uplinks);
// When no lease of any agent has a network any more: everything as it was. Under the lock.
void close_forwarding();

}  // namespace fallow::runtime
