#include "runtime/lease_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "base/number.h"
#include "runtime/host_network.h"

namespace fallow::runtime {
namespace {

constexpr int kAnswerMsMax = 2'000;
constexpr const char* kInnerInterface = "eth0";
constexpr const char* kOwnNamespace = "/proc/self/ns/net";
// A question for the servers of the root, which every resolver can answer.
constexpr std::string_view kQuestion(
    "\x46\x57\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01", 17);

Result<Fd> make_namespace(const Fd& host) {
  if (::unshare(CLONE_NEWNET) != 0) {
    return tl::unexpected(file_error("make", "a network namespace", errno));
  }
  auto made = open_file(kOwnNamespace, O_RDONLY);
  if (::setns(host.get(), CLONE_NEWNET) != 0) {
    return tl::unexpected(file_error("return to", "the host's network", errno));
  }
  return made;
}

// Both ends of a link with addresses that no other lease has. The route says whether they are
// free: of two that are alike the kernel refuses the second.
Result<LeaseLink> make_link(const EgressPolicy& policy, LeaseId lease, pid_t supervisor,
                            const Fd& inside) {
  Status refused;
  for (std::uint32_t attempt = 0; attempt < kLinkAttempts; ++attempt) {
    const LeaseLink link = lease_link(policy, lease.value, supervisor, attempt);
    refused =
        run_network_tool("ip", "network.link",
                         fmt::format("link add {0} type veth peer name {1} netns /proc/{2}/fd/{3}\n"
                                     "link set {0} addrgenmode none\n"
                                     "address add {4}/30 dev {0} noprefixroute\n"
                                     "link set {0} up\n"
                                     "route add {5} dev {0} src {4}\n",
                                     link.interface, kInnerInterface, ::getpid(), inside.get(),
                                     link.gateway, link.block));
    if (refused) return link;
    remove_interface(link.interface);
    if (refused.error().message.find("File exists") == std::string::npos) break;
  }
  return tl::unexpected(refused.error());
}

// Each end queues what goes to the other.
Status shape(const EgressPolicy& policy, const std::string& interface, std::string_view script) {
  return run_network_tool(
      "tc", script,
      fmt::format("qdisc add dev {} root tbf rate {}mbit burst {}kb latency 100ms\n", interface,
                  policy.mbps_max, std::max<std::uint32_t>(policy.mbps_max * 2, 64)));
}

Status furnish(const EgressPolicy& policy, const LeaseLink& link) {
  // A kernel without IPv6 has nothing to switch off.
  if (const auto file = open_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY)) {
    FALLOW_TRY(write_all(*file, "1", "disable_ipv6"));
  }
  FALLOW_TRY(shape(policy, kInnerInterface, "network.outward"));
  return run_network_tool(
      "ip", "network.inside",
      fmt::format("link set lo up\naddress add {1}/30 dev {0}\nlink set {0} up\n"
                  "route add default via {2}\n",
                  kInnerInterface, link.address, link.gateway));
}

bool answers(const std::string& resolver) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(53);
  ::inet_pton(AF_INET, resolver.c_str(), &to.sin_addr);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0 ||
      ::send(socket.get(), kQuestion.data(), kQuestion.size(), 0) < 0) {
    return false;
  }
  pollfd readable{socket.get(), POLLIN, 0};
  std::array<char, 512> answer{};
  return ::poll(&readable, 1, kAnswerMsMax) > 0 &&
         ::recv(socket.get(), answer.data(), answer.size(), 0) > 2 && answer[0] == kQuestion[0] &&
         answer[1] == kQuestion[1];
}

}  // namespace

Result<LeaseNetwork> LeaseNetwork::make(const EgressPolicy& policy, LeaseId lease, pid_t supervisor,
                                        std::uint64_t bytes_max) {
  FALLOW_ASSIGN(const Fd lock, lock_host_network());
  LeaseNetwork network;
  FALLOW_ASSIGN(network.host_, open_file(kOwnNamespace, O_RDONLY));
  FALLOW_ASSIGN(network.name_space_, make_namespace(network.host_));
  // Nothing passes before its rules stand: both ends are known to the rules by name and address,
  // and the host forwards for them last.
  FALLOW_ASSIGN(const LeaseLink link, make_link(policy, lease, supervisor, network.name_space_));
  const HostRoutes routes = host_routes();
  FALLOW_TRY(run_network_tool("nft", "network.rules",
                              egress_rules(policy, link, routes.ranges, bytes_max)));
  FALLOW_TRY(shape(policy, link.interface, "network.inward"));
  FALLOW_TRY(network.within([&] { return furnish(policy, link); }));
  FALLOW_TRY(open_forwarding(link.interface, routes.uplinks));
  return network;
}

void LeaseNetwork::remove(const EgressPolicy& policy, LeaseId lease, pid_t supervisor) {
  const auto lock = lock_host_network();
  const LeaseLink link = lease_link(policy, lease.value, supervisor);
  remove_interface(link.interface);
  (void)remove_table(link.table);
  close_forwarding();
}

Status LeaseNetwork::within(const std::function<Status()>& act) const {
  if (::setns(name_space_.get(), CLONE_NEWNET) != 0) {
    return tl::unexpected(file_error("enter", "the lease's network", errno));
  }
  const Status done = act();
  if (::setns(host_.get(), CLONE_NEWNET) != 0) {
    return tl::unexpected(file_error("return to", "the host's network", errno));
  }
  return done;
}

Status LeaseNetwork::try_resolvers(const EgressPolicy& policy) const {
  return within([&]() -> Status {
    for (const std::string& resolver : policy.resolvers) {
      if (answers(resolver)) return {};
    }
    return fail(
        ErrorCode::kFailed,
        "no resolver answered a sandbox's question ({}); is it reachable from here, and does "
        "no other table of nftables or iptables drop what is forwarded?",
        fmt::join(policy.resolvers, ", "));
  });
}

Status LeaseNetwork::hide_from_runsc() const {
  return within([]() -> Status {
    constexpr const char* kFolder = "/proc/sys/net/core";
    if (::access("/proc/sys/net/core/rmem_default", F_OK) != 0) return {};
    if (::mount("fallow", kFolder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k") == 0) {
      return {};
    }
    return tl::unexpected(file_error("mount over", kFolder, errno));
  });
}

void sweep_networks(const std::string& owner,
                    const std::function<bool(LeaseId, pid_t supervisor)>& lives) {
  const std::string prefix = "fallow_" + owner + "_";
  const auto tables = our_tables(prefix);
  if (!tables) return;
  EgressPolicy policy;
  policy.owner = owner;
  for (const std::string& table : *tables) {
    // fallow_OWNER_LEASE_SUPERVISOR
    const std::string_view rest = std::string_view(table).substr(prefix.size());
    const std::size_t line = rest.find('_');
    const auto number = parse_number<std::uint64_t>(rest.substr(0, line));
    if (!number || line == std::string_view::npos) continue;
    const LeaseId lease(*number);
    const pid_t supervisor = parse_number<pid_t>(rest.substr(line + 1)).value_or(0);
    if (!lives(lease, supervisor)) LeaseNetwork::remove(policy, lease, supervisor);
  }
  // Also when the last of them had ended by itself and only the forwarding was left.
  const auto lock = lock_host_network();
  close_forwarding();
}

}  // namespace fallow::runtime
