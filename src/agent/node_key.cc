#include "agent/node_key.h"

#include <sys/stat.h>

#include <cerrno>
#include <span>
#include <sstream>

#include "base/file.h"
#include "base/number.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kFileBytesMax = 4096;

std::string key_path(const std::string& folder) { return folder + "/node.key"; }
std::string membership_path(const std::string& folder) { return folder + "/membership"; }

}  // namespace

Result<SigningKey> load_or_make_node_key(const std::string& data_folder, Random& random) {
  const std::string path = key_path(data_folder);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return tl::unexpected(file_error("read", path, errno));
    SigningKey key = SigningKey::generate(random);
    const std::string seed = key.seed();
    const std::string hex =
        to_hex(std::span(reinterpret_cast<const std::uint8_t*>(seed.data()), seed.size()));
    FALLOW_TRY(replace_file(path, hex + "\n", 0600));
    return key;
  }
  if ((info.st_mode & 077U) != 0) {
    return fail(ErrorCode::kDenied, "others may read the node's key: chmod 600 {}", path);
  }
  FALLOW_ASSIGN(const std::string text, read_file(path, kFileBytesMax));
  const auto seed = from_hex(std::string_view(text).substr(0, text.find('\n')));
  if (!seed || seed->size() != 32) {
    return fail(ErrorCode::kCorrupt,
                "{} holds no key; restore it, or remove it and join the market as a new node",
                path);
  }
  return SigningKey::from_seed(*seed);
}

Result<std::optional<Membership>> load_membership(const std::string& data_folder) {
  const std::string path = membership_path(data_folder);
  const auto text = read_file(path, kFileBytesMax);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) return std::optional<Membership>();
    return tl::unexpected(text.error());
  }
  std::istringstream lines(*text);
  std::string id;
  std::string certificate;
  Membership membership;
  std::getline(lines, id);
  std::getline(lines, membership.url);
  std::getline(lines, certificate);
  const auto node = parse_number<std::uint64_t>(id);
  const auto digest = digest_from_hex(certificate);
  if (!node || *node == 0 || !digest || membership.url.empty()) {
    return fail(ErrorCode::kCorrupt, "{} is damaged; remove it and join the market again", path);
  }
  membership.node = NodeId(*node);
  membership.certificate = *digest;
  return std::optional<Membership>(std::move(membership));
}

Status save_membership(const std::string& data_folder, const Membership& membership) {
  return replace_file(membership_path(data_folder), std::to_string(membership.node.value) + "\n" +
                                                        membership.url + "\n" +
                                                        to_hex(membership.certificate) + "\n");
}

}  // namespace fallow::agent
