// A configuration's URL and trust as the net module takes them. Private to client/.
#pragma once

#include <memory>

#include "base/result.h"
#include "client/config.h"
#include "net/tls.h"
#include "net/url.h"

namespace fallow::client {

struct Endpoint {
  net::Url url;
  std::shared_ptr<const net::TlsClient> tls;  // null for plain HTTP
};

// kInvalid in a person's words when the URL or the certificate cannot be understood.
Result<Endpoint> endpoint_of(const Config& config);

}  // namespace fallow::client
