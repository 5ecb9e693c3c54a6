#include "runtime/egress_count.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/file.h"
#include "runtime/egress.h"

namespace fallow::runtime {
namespace {

// NFPROTO_INET: its header does not go together with those of the C library.
constexpr std::uint8_t kInetFamily = 1;
constexpr std::uint16_t kNftables = NFNL_SUBSYS_NFTABLES << 8;
constexpr std::uint16_t kAttributeTypes = 0x3FFF;  // the other bits are flags
constexpr std::size_t kHeadBytes = sizeof(nlmsghdr) + sizeof(nfgenmsg);
constexpr std::size_t kCountAnswerBytesMax = 4096;

constexpr std::size_t aligned(std::size_t size) { return (size + 3) / 4 * 4; }

void append_attribute(std::string& message, std::uint16_t type, std::string_view value) {
  nlattr head{};
  head.nla_len = static_cast<std::uint16_t>(sizeof head + value.size());
  head.nla_type = type;
  message.append(reinterpret_cast<const char*>(&head), sizeof head);
  message.append(value);
  message.resize(aligned(message.size()));
}

// The value of the first attribute of that type.
std::optional<std::string_view> attribute_in(std::string_view bytes, std::uint16_t type) {
  nlattr head{};
  while (bytes.size() >= sizeof head) {
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.nla_len < sizeof head || head.nla_len > bytes.size()) return std::nullopt;
    if ((head.nla_type & kAttributeTypes) == type) {
      return bytes.substr(sizeof head, head.nla_len - sizeof head);
    }
    bytes.remove_prefix(std::min(bytes.size(), aligned(head.nla_len)));
  }
  return std::nullopt;
}

}  // namespace

std::string count_question(const std::string& table) {
  constexpr std::string_view kQuotaType("\0\0\0\x02", 4);  // NFT_OBJECT_QUOTA, big-endian
  static_assert(NFT_OBJECT_QUOTA == 2);
  nlmsghdr head{};
  head.nlmsg_type = kNftables | NFT_MSG_GETOBJ;
  head.nlmsg_flags = NLM_F_REQUEST;
  nfgenmsg family{};
  family.nfgen_family = kInetFamily;
  family.version = NFNETLINK_V0;
  std::string message(kHeadBytes, '\0');
  append_attribute(message, NFTA_OBJ_TABLE, table + '\0');
  append_attribute(message, NFTA_OBJ_NAME, std::string(kSentObject) + '\0');
  append_attribute(message, NFTA_OBJ_TYPE, kQuotaType);
  head.nlmsg_len = static_cast<std::uint32_t>(message.size());
  std::memcpy(message.data(), &head, sizeof head);
  std::memcpy(message.data() + sizeof head, &family, sizeof family);
  return message;
}

std::optional<std::uint64_t> count_in(std::string_view answer) {
  nlmsghdr head{};
  if (answer.size() < kHeadBytes) return std::nullopt;
  std::memcpy(&head, answer.data(), sizeof head);
  if (head.nlmsg_type != (kNftables | NFT_MSG_NEWOBJ) || head.nlmsg_len < kHeadBytes ||
      head.nlmsg_len > answer.size()) {
    return std::nullopt;
  }
  const auto data =
      attribute_in(answer.substr(kHeadBytes, head.nlmsg_len - kHeadBytes), NFTA_OBJ_DATA);
  if (!data) return std::nullopt;
  const auto consumed = attribute_in(*data, NFTA_QUOTA_CONSUMED);
  if (!consumed || consumed->size() != sizeof(std::uint64_t)) return std::nullopt;
  std::uint64_t bytes = 0;  // it is big-endian
  for (const char c : *consumed) bytes = bytes << 8U | static_cast<std::uint8_t>(c);
  return bytes;
}

std::optional<std::uint64_t> egress_bytes_of(const std::string& table) {
  const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  const std::string question = count_question(table);
  if (!socket || ::send(socket.get(), question.data(), question.size(), 0) < 0) return std::nullopt;
  // The kernel has answered before it returns.
  std::array<char, kCountAnswerBytesMax> answer{};
  const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  return count_in({answer.data(), static_cast<std::size_t>(size)});
}

}  // namespace fallow::runtime
