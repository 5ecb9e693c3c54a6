#include "server/data_folder.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <span>
#include <system_error>

#include "base/digest.h"
#include "base/file.h"
#include "server/auth.h"

namespace fallow::server {
namespace {

constexpr std::size_t kKeyFileBytesMax = 256;
constexpr std::size_t kPemBytesMax = 64 * 1024;
constexpr int kCertificateDays = 3'650;

Status make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return fail(ErrorCode::kFailed, "cannot make the folder {}: {}", path, error.message());
  if (::chmod(path.c_str(), 0700) != 0) return tl::unexpected(file_error("protect", path, errno));
  return {};
}

std::string random_bytes(Random& random) {
  std::string bytes(32, '\0');
  random.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  return bytes;
}

std::string hex_line(std::string_view bytes) {
  return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}) + "\n";
}

// The file's text without the line's end; kNotFound when there is none.
Result<std::string> read_line(const std::string& path) {
  FALLOW_ASSIGN(std::string text, read_file(path, kKeyFileBytesMax));
  text.resize(text.find_last_not_of(" \t\r\n") + 1);
  return text;
}

Result<std::string> read_secret(const std::string& path) {
  FALLOW_ASSIGN(const std::string line, read_line(path));
  auto bytes = from_hex(line);
  if (!bytes || bytes->size() != 32) {
    return fail(ErrorCode::kCorrupt, "{} does not hold 64 hex digits; restore it from the backup",
                path);
  }
  return std::move(*bytes);
}

}  // namespace

Result<DataFolder> DataFolder::open(const std::string& path) {
  FALLOW_TRY(make_folder(path));
  FALLOW_TRY(make_folder(path + "/keys"));
  FALLOW_TRY(make_folder(path + "/tls"));
  return DataFolder(path);
}

Result<SigningKey> DataFolder::market_key(Random& random, bool is_new) const {
  const std::string file = path_ + "/keys/market.key";
  const auto seed = read_secret(file);
  if (seed) return SigningKey::from_seed(*seed);
  if (seed.error().code != ErrorCode::kNotFound) return tl::unexpected(seed.error());
  if (!is_new) {
    return fail(
        ErrorCode::kNotFound,
        "{} is missing, without it no receipt of this market can be signed; restore it from "
        "the backup",
        file);
  }
  SigningKey key = SigningKey::generate(random);
  FALLOW_TRY(replace_file(file, hex_line(key.seed())));
  return key;
}

Result<std::string> DataFolder::server_secret(Random& random) const {
  const std::string file = path_ + "/keys/server.key";
  auto secret = read_secret(file);
  if (secret || secret.error().code != ErrorCode::kNotFound) return secret;
  std::string made = random_bytes(random);
  FALLOW_TRY(replace_file(file, hex_line(made)));
  return made;
}

Result<Digest> DataFolder::new_operator_key(Random& random) const {
  const auto line = read_line(operator_key_file());
  if (line) {
    const auto secret = secret_of_key_text(*line);
    if (!secret) return fail_with(secret.error(), "{} is damaged; delete it", operator_key_file());
    return digest_of(std::string_view(*secret));
  }
  if (line.error().code != ErrorCode::kNotFound) return tl::unexpected(line.error());
  const std::string secret = random_bytes(random);
  FALLOW_TRY(replace_file(operator_key_file(), key_text(secret) + "\n"));
  return digest_of(std::string_view(secret));
}

Result<net::CertificateAndKey> DataFolder::certificate(
    const std::vector<std::string>& hosts) const {
  const std::string certificate_file = path_ + "/tls/certificate.pem";
  const std::string key_file = path_ + "/tls/key.pem";
  const auto certificate = read_file(certificate_file, kPemBytesMax);
  const auto key = read_file(key_file, kPemBytesMax);
  if (certificate && key) return net::CertificateAndKey{*certificate, *key};
  for (const auto* part : {&certificate, &key}) {
    if (!*part && part->error().code != ErrorCode::kNotFound) return tl::unexpected(part->error());
  }
  if (certificate) {
    return fail(ErrorCode::kNotFound,
                "{} has a certificate but no key; restore {}, or delete both to have new ones made "
                "(agents must then join anew)",
                path_ + "/tls", key_file);
  }
  // The key first: a crash between the two leaves no certificate without one.
  FALLOW_ASSIGN(net::CertificateAndKey made, net::generate_self_signed(hosts, kCertificateDays));
  FALLOW_TRY(replace_file(key_file, made.key_pem));
  FALLOW_TRY(replace_file(certificate_file, made.certificate_pem, 0644));
  return made;
}

}  // namespace fallow::server
