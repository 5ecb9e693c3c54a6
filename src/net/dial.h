// dial: from a URL to a connected Stream, TLS included.
#pragma once

#include <memory>

#include "base/result.h"
#include "base/types.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls.h"
#include "net/url.h"

namespace fallow::net {

// Resolves the host, tries its addresses in turn, and does the TLS handshake for https, all within
// `timeout`. Runs on, and binds the stream to, the awaiting executor. kUnreachable when the name is
// unknown or nobody answers, kDenied when the certificate is not the right one; messages name
// host:port. `tls` may be null for http.
Task<Result<std::shared_ptr<Stream>>> dial(Url url, std::shared_ptr<const TlsClient> tls,
                                           Duration timeout);

}  // namespace fallow::net
