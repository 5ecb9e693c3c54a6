#include "cli/ssh_keys.h"

#include <libssh/libssh.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>

#include "base/digest.h"
#include "base/file.h"
#include "client/config.h"

namespace fallow::cli {
namespace {

constexpr std::size_t kKeyFileBytesMax = 16 << 10;

using Key = std::unique_ptr<ssh_key_struct, void (*)(ssh_key)>;

std::string public_text(ssh_key key) {
  char* base64 = nullptr;
  if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK) return {};
  std::string text = std::string(ssh_key_type_to_char(ssh_key_type(key))) + " " + base64;
  ssh_string_free_char(base64);
  return text;
}

// Makes a key at the path if nothing is there; of several that try at once one succeeds.
Status make_key(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0) return {};
  ssh_key key = nullptr;
  if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK) {
    return fail(ErrorCode::kFailed, "no key can be made: this libssh knows no Ed25519");
  }
  const Key held(key, ssh_key_free);
  // Whole before anybody finds it.
  const std::string beside = path + "." + std::to_string(::getpid());
  ::unlink(beside.c_str());
  const mode_t before = ::umask(077);
  const int written = ssh_pki_export_privkey_file(key, nullptr, nullptr, nullptr, beside.c_str());
  ::umask(before);
  const bool linked =
      written == SSH_OK && (::link(beside.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int error = errno;
  ::unlink(beside.c_str());
  if (!linked) return tl::unexpected(file_error("write the key", path, error));
  return {};
}

// The private key at the path, made when there is none; its public half as text.
Result<std::string> load_or_make(const std::string& path) {
  FALLOW_TRY(make_key(path));
  ssh_key key = nullptr;
  if (ssh_pki_import_privkey_file(path.c_str(), nullptr, nullptr, nullptr, &key) != SSH_OK) {
    return fail(ErrorCode::kFailed,
                "{} holds no key that can be read; remove it, and a new one is made", path);
  }
  const Key held(key, ssh_key_free);
  return public_text(key);
}

}  // namespace

Result<SshKeys> ssh_keys_of(const std::string& market_url, std::uint64_t lease) {
  const std::string market = to_hex(digest_of(std::string_view(market_url))).substr(0, 12);
  const std::filesystem::path folder = std::filesystem::path(client::config_path()).parent_path() /
                                       "ssh" / (market + "-" + std::to_string(lease));
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(ErrorCode::kFailed, "cannot make {}: {}", folder.string(), error.message());
  }
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  SshKeys keys;
  keys.host_alias = "lease-" + std::to_string(lease);
  keys.identity = (folder / "identity").string();
  keys.host_key = (folder / "host_key").string();
  keys.known_hosts = (folder / "known_hosts").string();
  FALLOW_ASSIGN(keys.client_key, load_or_make(keys.identity));
  FALLOW_ASSIGN(const std::string host, load_or_make(keys.host_key));
  const std::string line = keys.host_alias + " " + host + "\n";
  const auto known = read_file(keys.known_hosts, kKeyFileBytesMax);
  // Whoever does the same at once writes the same.
  if (!known || *known != line) {
    const std::string beside = keys.known_hosts + "." + std::to_string(::getpid());
    FALLOW_TRY(replace_file(beside, line));
    std::filesystem::rename(beside, keys.known_hosts, error);
    if (error) return fail(ErrorCode::kFailed, "cannot write {}", keys.known_hosts);
  }
  return keys;
}

}  // namespace fallow::cli
