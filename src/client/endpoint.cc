#include "client/endpoint.h"

#include "base/digest.h"

namespace fallow::client {

Result<Endpoint> endpoint_of(const Config& config) {
  if (config.url.empty()) {
    return fail(
        ErrorCode::kInvalid,
        "no market is named: set FALLOW_URL, or `url` in {}, or pass --url; `fallow up` starts "
        "one on this machine",
        config_path());
  }
  Endpoint endpoint;
  auto url = net::parse_url(config.url);
  if (!url) return fail_with(url.error(), "the market's URL '{}' cannot be used", config.url);
  endpoint.url = std::move(*url);
  if (!endpoint.url.is_tls) return endpoint;
  if (config.certificate.empty()) {
    FALLOW_ASSIGN(endpoint.tls, net::TlsClient::system_trust());
    return endpoint;
  }
  const auto pin = digest_from_hex(config.certificate);
  if (!pin) {
    return fail(ErrorCode::kInvalid,
                "the certificate to trust is written as 64 hex digits (its SHA-256)");
  }
  FALLOW_ASSIGN(endpoint.tls, net::TlsClient::pinned(*pin));
  return endpoint;
}

}  // namespace fallow::client
