// Certificates: make one for a first start, and name one by its fingerprint.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace fallow::net {

struct CertificateAndKey {
  std::string certificate_pem;
  std::string key_pem;  // private: store it readable by the owner only
};

// A new ECDSA P-256 key and a certificate for it, signed by itself, valid from an hour ago for
// `days`. `hosts` are DNS names or IP addresses; the first one is also the subject's name.
Result<CertificateAndKey> generate_self_signed(const std::vector<std::string>& hosts, int days);

// SHA-256 of the first certificate in the PEM text, as `openssl x509 -fingerprint -sha256` names
// it. 64 lower-case hex digits with to_hex().
Result<Digest> certificate_fingerprint(const std::string& certificate_pem);

}  // namespace fallow::net
