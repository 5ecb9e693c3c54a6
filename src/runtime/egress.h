// Egress: what leases with `network: egress` may reach, as rules of nftables. docs/security.md says
// it in words, docs/decisions/0020-egress.md says why.
//
// Pure functions and a value: nothing here touches the machine but what reads its settings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fallow::runtime {

// What a provider allows. The same for every lease of an agent.
struct EgressPolicy {
  // Whose networks these are: names on the host begin with it, and the sweep at start-up removes no
  // others. Made of the agent's folder; letters and digits.
  std::string owner;
  // Asked by workloads, on port 53, wherever they stand. Addresses of IPv4; not empty.
  std::vector<std::string> resolvers;
  // Denied beside what always is: "203.0.113.0/24".
  std::vector<std::string> denied;
  std::uint32_t mbps_max = 100;               // each way
  std::uint32_t packets_second_max = 20'000;  // outwards
  std::uint32_t connections_max = 1'024;      // at a time
  std::uint32_t connections_second_max = 100;
  // The only ports of TCP and UDP that are reached, but for the resolvers' and never mail's. Empty:
  // all.
  std::vector<std::uint32_t> ports;
};

// The name by which all of a folder's networks begin.
std::string egress_owner(const std::string& folder);

// Checks what a provider wrote. kInvalid: a sentence that names it.
Status check_address(std::string_view address);  // "192.0.2.1"
Status check_range(std::string_view range);      // "192.0.2.0/24", or an address

// The resolvers for workloads: those given, else the machine's own that are public. kInvalid when
// there is none; the sentence says what to name.
Result<std::vector<std::string>> choose_resolvers(const std::vector<std::string>& given);
// The same for the text of a resolv.conf. Loopback stubs and addresses of IPv6 are left out.
std::vector<std::string> resolvers_in(std::string_view text);

// The workload's /etc/resolv.conf.
std::string resolv_conf(const EgressPolicy& policy);

// One lease's part of the host's network.
struct LeaseLink {
  std::string table;      // of nftables, in the family inet
  std::string interface;  // the host's end
  std::string gateway;    // its address
  std::string address;    // the workload's
  std::string block;      // both: "198.18.4.8/30"
};
// The names of a lease; its addresses are the `attempt`-th that it may have.
LeaseLink lease_link(const EgressPolicy& policy, std::uint64_t lease, std::int64_t supervisor,
                     std::uint32_t attempt = 0);
constexpr std::uint32_t kLinkAttempts = 64;
// Every interface of ours begins so.
constexpr std::string_view kInterfacePrefix = "fw-";

// What the host's end is told: a table of its own, made in one step.
// `host_ranges` are the networks that the host itself stands in, also the public ones.
// What goes out is counted by its IP packets, and after `bytes_max` refused (0: never), the
// resolvers' too.
std::string egress_rules(const EgressPolicy& policy, const LeaseLink& link,
                         const std::vector<std::string>& host_ranges, std::uint64_t bytes_max);
// By this name that count stands in the table.
constexpr std::string_view kSentObject = "sent";

// The ranges that the host has routes of their own for, and the interfaces that lead out; from the
// text of /proc/net/route.
struct HostRoutes {
  std::vector<std::string> ranges;
  std::vector<std::string> uplinks;
};
HostRoutes parse_routes(std::string_view text);

}  // namespace fallow::runtime
