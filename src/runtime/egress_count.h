// EgressCount: what leases with egress have sent, asked of the kernel.
//
// Each lease's table of rules holds one object that counts (runtime/egress.h). It is asked for once
// a second for each lease that runs, so not by a process, as everything that is done once a lease:
// two small messages of netlink.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fallow::runtime {

// Bytes of IP packets that the lease with this table was let send. Nothing: there is no such table
// in the caller's network namespace, or who asks is not root.
std::optional<std::uint64_t> egress_bytes_of(const std::string& table);

// The question, and what a kernel's answer says; apart, for tests.
std::string count_question(const std::string& table);
std::optional<std::uint64_t> count_in(std::string_view answer);

}  // namespace fallow::runtime
