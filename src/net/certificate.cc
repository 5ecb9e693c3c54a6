#include "net/certificate.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>

#include "net/openssl.h"
#include "net/tls.h"

namespace fallow::net {
namespace {

using Names = std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>>;
using Name = std::unique_ptr<GENERAL_NAME, OpensslDeleter<GENERAL_NAME_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, OpensslDeleter<X509_EXTENSION_free>>;
using BigNumber = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;

constexpr std::size_t kHostBytesMax = 253;
constexpr int kDaysMax = 36'500;

// Built by hand and not from OpenSSL's text form, in which a comma in a name would add names.
Name general_name(const std::string& host) {
  Name name(GENERAL_NAME_new());
  std::array<unsigned char, 16> ip{};
  int ip_bytes = 0;
  if (inet_pton(AF_INET, host.c_str(), ip.data()) == 1) ip_bytes = 4;
  if (inet_pton(AF_INET6, host.c_str(), ip.data()) == 1) ip_bytes = 16;
  if (ip_bytes > 0) {
    ASN1_OCTET_STRING* octets = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(octets, ip.data(), ip_bytes);
    GENERAL_NAME_set0_value(name.get(), GEN_IPADD, octets);
  } else {
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, host.data(), static_cast<int>(host.size()));
    GENERAL_NAME_set0_value(name.get(), GEN_DNS, text);
  }
  return name;
}

bool add_extension(X509* certificate, int nid, const char* value) {
  const Extension extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool fill(X509* certificate, EVP_PKEY* key, const std::vector<std::string>& hosts, int days) {
  const BigNumber serial(BN_new());
  if (!serial || BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1) return false;
  if (BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) == nullptr) return false;
  if (X509_set_version(certificate, X509_VERSION_3) != 1) return false;
  // An hour back, for clients whose clocks are a little behind.
  if (X509_gmtime_adj(X509_getm_notBefore(certificate), -3'600) == nullptr) return false;
  if (X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, nullptr) == nullptr) return false;
  if (X509_set_pubkey(certificate, key) != 1) return false;

  X509_NAME* subject = X509_get_subject_name(certificate);
  const std::string common_name = hosts.front().substr(0, 64);  // ub-common-name of RFC 5280
  if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) != 1) {
    return false;
  }
  if (X509_set_issuer_name(certificate, subject) != 1) return false;

  const Names names(GENERAL_NAMES_new());
  for (const std::string& host : hosts) {
    Name name = general_name(host);
    if (sk_GENERAL_NAME_push(names.get(), name.get()) == 0) return false;
    (void)name.release();
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) == 1 &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

Result<CertificateAndKey> generate_self_signed(const std::vector<std::string>& hosts, int days) {
  if (hosts.empty()) return fail(ErrorCode::kInvalid, "a certificate needs at least one host name");
  for (const std::string& host : hosts) {
    if (host.empty() || host.size() > kHostBytesMax ||
        host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-._:*") != std::string::npos) {
      return fail(ErrorCode::kInvalid, "'{}' is not a host name or an IP address", host);
    }
  }
  if (days < 1 || days > kDaysMax) {
    return fail(ErrorCode::kInvalid, "a certificate is valid for 1 to {} days, not {}", kDaysMax,
                days);
  }
  const OpensslKey key(EVP_EC_gen("P-256"));
  const OpensslCertificate certificate(X509_new());
  const OpensslBio certificate_bio(BIO_new(BIO_s_mem()));
  const OpensslBio key_bio(BIO_new(BIO_s_mem()));
  if (!key || !certificate || !fill(certificate.get(), key.get(), hosts, days) ||
      PEM_write_bio_X509(certificate_bio.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return fail(ErrorCode::kFailed, "cannot make a certificate: {}", openssl_error());
  }
  return CertificateAndKey{contents(certificate_bio.get()), contents(key_bio.get())};
}

Result<Digest> certificate_fingerprint(const std::string& certificate_pem) {
  const OpensslBio bio(
      BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
  const OpensslCertificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) {
    return fail(ErrorCode::kInvalid, "the text holds no readable PEM certificate: {}",
                openssl_error());
  }
  Digest digest{};
  unsigned int size = 0;
  if (X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) != 1 ||
      size != digest.size()) {
    return fail(ErrorCode::kFailed, "cannot hash the certificate: {}", openssl_error());
  }
  return digest;
}

}  // namespace fallow::net
