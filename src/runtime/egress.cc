#include "runtime/egress.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/digest.h"
#include "base/file.h"
#include "base/public_address.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kResolvConfBytesMax = 64 << 10;
constexpr std::size_t kResolversMax = 3;  // as many as C libraries read
constexpr std::size_t kOwnerDigits = 8;
constexpr std::size_t kInterfaceDigits = 12;  // an interface's name has 15 characters
// 198.18.0.0/15 is set aside for trials of networks: hardly a machine has a route into it. Blocks
// of four addresses are taken from its first half.
constexpr std::uint32_t kPool = (198U << 24U) | (18U << 16U);
constexpr std::uint32_t kBlocks = 1U << 14U;
// The kernel takes no larger one; it counts like any other.
constexpr std::uint64_t kNoQuota = std::numeric_limits<std::int64_t>::max();
constexpr int kRangeBitsMin = 4;  // a wider route is a way out

std::string text_of(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24U, address >> 16U & 0xFFU, address >> 8U & 0xFFU,
                     address & 0xFFU);
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t size = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, size));
    line.remove_prefix(size);
  }
}

template <class Each>
void each_line(std::string_view text, const Each& each) {
  while (!text.empty()) {
    const std::size_t size = std::min(text.find('\n'), text.size());
    each(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
  }
}

}  // namespace

std::string egress_owner(const std::string& folder) {
  return to_hex(to_bytes(Digester().update(folder).finish())).substr(0, kOwnerDigits);
}

Status check_address(std::string_view address) {
  if (parse_ipv4(address)) return {};
  return fail(ErrorCode::kInvalid, "\"{}\" is no address of IPv4; write it as 192.0.2.1", address);
}

Status check_range(std::string_view range) {
  if (parse_ipv4_range(range)) return {};
  return fail(ErrorCode::kInvalid, "\"{}\" is no range of IPv4; write it as 192.0.2.0/24", range);
}

std::vector<std::string> resolvers_in(std::string_view text) {
  std::vector<std::string> found;
  each_line(text, [&](std::string_view line) {
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() < 2 || words[0] != "nameserver") return;
    const auto number = parse_ipv4(words[1]);
    if (number && !kLoopback.holds(*number)) found.emplace_back(words[1]);
  });
  return found;
}

Result<std::vector<std::string>> choose_resolvers(const std::vector<std::string>& given) {
  for (const std::string& address : given) {
    FALLOW_TRY(check_address(address));
    if (kLoopback.holds(*parse_ipv4(address))) {
      return fail(ErrorCode::kInvalid,
                  "--resolver {}: a workload has a loopback of its own; name the resolver that "
                  "stands behind it",
                  address);
    }
  }
  if (given.size() > kResolversMax) {
    return fail(ErrorCode::kInvalid, "--resolver is given {} times; at most {} are read",
                given.size(), kResolversMax);
  }
  if (!given.empty()) return given;
  std::vector<std::string> own;
  // systemd-resolved keeps the real ones beside its stub.
  for (const char* path : {"/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"}) {
    const auto text = read_file(path, kResolvConfBytesMax);
    if (text && own.empty()) own = resolvers_in(*text);
  }
  std::vector<std::string> open;
  for (const std::string& address : own) {
    if (is_public_address(address) && open.size() < kResolversMax) open.push_back(address);
  }
  if (open.empty()) {
    return fail(ErrorCode::kInvalid,
                "this machine names no public resolver{}: name one with --resolver ADDRESS (a "
                "public one, or one of its own network if strangers may ask it)",
                own.empty() ? "" : fmt::format(" ({})", fmt::join(own, ", ")));
  }
  return open;
}

std::string resolv_conf(const EgressPolicy& policy) {
  std::string text;
  for (const std::string& address : policy.resolvers) text += "nameserver " + address + "\n";
  return text + "options timeout:2 attempts:3\n";
}

LeaseLink lease_link(const EgressPolicy& policy, std::uint64_t lease, std::int64_t supervisor,
                     std::uint32_t attempt) {
  LeaseLink link;
  link.table = fmt::format("fallow_{}_{}_{}", policy.owner, lease, supervisor);
  const Digest digest = Digester().update(link.table).finish();
  link.interface =
      std::string(kInterfacePrefix) + to_hex(to_bytes(digest)).substr(0, kInterfaceDigits);
  const auto start = static_cast<std::uint32_t>(lease % kBlocks);
  const std::uint32_t block = kPool + 4 * ((start + attempt) % kBlocks);
  link.block = text_of(block) + "/30";
  link.gateway = text_of(block + 1);
  link.address = text_of(block + 2);
  return link;
}

std::string egress_rules(const EgressPolicy& policy, const LeaseLink& link,
                         const std::vector<std::string>& host_ranges, std::uint64_t bytes_max) {
  std::vector<std::string> denied(kNotPublic.begin(), kNotPublic.end());
  denied.insert(denied.end(), host_ranges.begin(), host_ranges.end());
  denied.insert(denied.end(), policy.denied.begin(), policy.denied.end());
  // The link's ends queue what is beyond the rate; this is for what finds a way past the inner
  // queue. nftables lets through a second's worth at once, besides.
  const std::uint64_t bytes = std::uint64_t{policy.mbps_max} * 125'000 / 4 * 5;
  std::string ports;
  if (!policy.ports.empty()) {
    ports = fmt::format("    meta l4proto {{ tcp, udp }} th dport != {{ {} }} goto refuse\n",
                        fmt::join(policy.ports, ", "));
  }
  // A packet passes `enter` before anything rewrites its address, `across` after: another table's
  // redirection leads nowhere that is denied either.
  return fmt::format(
      R"(create table inet {table}
table inet {table} {{
  set denied {{
    type ipv4_addr
    flags interval
    auto-merge
    elements = {{ {denied} }}
  }}
  set resolvers {{
    type ipv4_addr
    elements = {{ {resolvers} }}
  }}
  quota {sent} {{ over {quota} bytes }}
  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }}
  chain outward {{
    meta nfproto != ipv4 drop
    ip saddr != {address} drop
    limit rate over {bytes} bytes/second burst 65536 bytes drop
    limit rate over {packets}/second burst {packets} packets drop
    ct state established,related accept
    ct state invalid drop
    limit rate over {opened}/second burst {opened} packets drop
    ct count over {connections} goto refuse
    meta l4proto {{ tcp, udp }} th dport 53 ip daddr @resolvers accept
    fib daddr type != unicast goto refuse
    ip daddr @denied goto refuse
    tcp dport {{ 25, 465, 587 }} goto refuse
{ports}  }}
  chain outgo {{
    quota name "{sent}" goto refuse
  }}
  chain enter {{
    type filter hook prerouting priority mangle; policy accept;
    iifname "{interface}" goto outward
  }}
  chain across {{
    type filter hook forward priority filter; policy accept;
    iifname "{interface}" meta l4proto {{ tcp, udp }} th dport 53 ip daddr @resolvers goto outgo
    iifname "{interface}" ip daddr @denied drop
    iifname "{interface}" goto outgo
    oifname "{interface}" ct state established,related accept
    oifname "{interface}" drop
  }}
  chain local {{
    type filter hook output priority filter; policy accept;
    oifname "{interface}" ct state established,related accept
    oifname "{interface}" drop
  }}
  chain leave {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {address} masquerade
  }}
}}
)",
      fmt::arg("table", link.table), fmt::arg("interface", link.interface),
      fmt::arg("address", link.address), fmt::arg("denied", fmt::join(denied, ", ")),
      fmt::arg("resolvers", fmt::join(policy.resolvers, ", ")), fmt::arg("bytes", bytes),
      fmt::arg("packets", policy.packets_second_max),
      fmt::arg("opened", policy.connections_second_max),
      fmt::arg("connections", policy.connections_max), fmt::arg("ports", ports),
      fmt::arg("sent", kSentObject), fmt::arg("quota", bytes_max == 0 ? kNoQuota : bytes_max));
}

// Iface Destination Gateway Flags RefCnt Use Metric Mask ...: numbers in hex, addresses as they lie
// in memory.
HostRoutes parse_routes(std::string_view text) {
  HostRoutes routes;
  each_line(text, [&](std::string_view line) {
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() < 8 || words[0] == "Iface") return;
    const auto hex = [](std::string_view word) {
      std::uint32_t number = 0;
      std::from_chars(word.data(), word.data() + word.size(), number, 16);
      return number;
    };
    const std::uint32_t destination = ntohl(hex(words[1]));
    const std::uint32_t mask = ntohl(hex(words[7]));
    // Tunnels that take everything write halves of the whole.
    const int bits = __builtin_popcount(mask);
    if (bits < kRangeBitsMin) {
      const std::string name(words[0]);
      if (std::find(routes.uplinks.begin(), routes.uplinks.end(), name) == routes.uplinks.end()) {
        routes.uplinks.push_back(name);
      }
    } else if (!words[0].starts_with(kInterfacePrefix)) {
      routes.ranges.push_back(fmt::format("{}/{}", text_of(destination), bits));
    }
  });
  return routes;
}

}  // namespace fallow::runtime
