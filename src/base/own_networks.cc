#include "base/own_networks.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.h"

namespace fallow {
namespace {

constexpr std::size_t kLinksSpare = 16;

// Of IPv4 as IPv6 maps it, so that both are compared alike.
using Bytes = std::array<std::uint8_t, 16>;

Bytes mapped(const in_addr& four, std::uint8_t fill) {
  Bytes bytes{};
  std::fill(bytes.begin(), bytes.end() - 4, fill);
  if (fill == 0) bytes[10] = bytes[11] = 0xFF;
  std::memcpy(bytes.data() + 12, &four, 4);
  return bytes;
}

// A network that a link of this machine stands in.
struct Network {
  Bytes own;  // the link's address
  Bytes mask;
};

// Over the ioctls and /proc, not getifaddrs(): that asks by netlink, which a hardened service may
// not speak. False when the system does not answer.
bool read_networks_of_four(std::vector<Network>& networks) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return false;
  ifconf all{};
  if (::ioctl(socket.get(), SIOCGIFCONF, &all) != 0) return false;
  // Some more than there are: one that comes meanwhile is seen, too.
  std::vector<ifreq> links(static_cast<std::size_t>(all.ifc_len) / sizeof(ifreq) + kLinksSpare);
  all.ifc_len = static_cast<int>(links.size() * sizeof(ifreq));
  all.ifc_req = links.data();
  if (::ioctl(socket.get(), SIOCGIFCONF, &all) != 0) return false;
  links.resize(static_cast<std::size_t>(all.ifc_len) / sizeof(ifreq));
  for (ifreq& link : links) {
    sockaddr_in own{};
    std::memcpy(&own, &link.ifr_addr, sizeof own);
    // By the name and the address: a link may have several.
    sockaddr_in mask{};
    if (::ioctl(socket.get(), SIOCGIFNETMASK, &link) == 0) {
      std::memcpy(&mask, &link.ifr_netmask, sizeof mask);
    } else {
      mask.sin_addr.s_addr = INADDR_BROADCAST;  // it went away; its address is still kept from
    }
    networks.push_back({mapped(own.sin_addr, 0), mapped(mask.sin_addr, 0xFF)});
  }
  return true;
}

// A line of if_inet6: the address as 32 hexadecimal digits, the link's number, the length of the
// prefix, its scope and flags, each hexadecimal, and the link's name (proc(5)).
bool read_network_of_six(const std::string& line, Network& network) {
  std::array<char, 33> digits{};
  unsigned prefix_bits = 0;
  if (std::sscanf(line.c_str(), "%32[0-9a-f] %*x %x", digits.data(), &prefix_bits) != 2 ||
      std::strlen(digits.data()) != 32 || prefix_bits > 128) {
    return false;
  }
  for (std::size_t i = 0; i < network.own.size(); ++i) {
    unsigned value = 0;
    std::sscanf(digits.data() + 2 * i, "%2x", &value);
    network.own[i] = static_cast<std::uint8_t>(value);
    const unsigned bits_here = std::min(prefix_bits, 8U);
    network.mask[i] = static_cast<std::uint8_t>(0xFF00U >> bits_here);
    prefix_bits -= bits_here;
  }
  return true;
}

// A machine without IPv6 has no such file.
bool read_networks_of_six(std::vector<Network>& networks) {
  std::ifstream file("/proc/self/net/if_inet6");
  if (!file) return ::access("/proc/self/net/dev", F_OK) == 0;
  for (std::string line; std::getline(file, line);) {
    Network network{};
    if (!read_network_of_six(line, network)) return false;
    networks.push_back(network);
  }
  return !file.bad();
}

bool parse(std::string_view text, Bytes& bytes) {
  const std::string address(text.substr(0, text.find('%')));
  in_addr four{};
  if (::inet_pton(AF_INET, address.c_str(), &four) == 1) {
    bytes = mapped(four, 0);
    return true;
  }
  return ::inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1;
}

}  // namespace

bool is_of_own_network(std::string_view address) {
  Bytes asked{};
  if (!parse(address, asked)) return true;
  std::vector<Network> networks;
  if (!read_networks_of_four(networks) || !read_networks_of_six(networks)) return true;
  return std::any_of(networks.begin(), networks.end(), [&](const Network& network) {
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (((network.own[i] ^ asked[i]) & network.mask[i]) != 0) return false;
    }
    return true;
  });
}

}  // namespace fallow
