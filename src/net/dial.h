// dial: from a URL to a connected Stream, TLS included.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls.h"
#include "net/url.h"

namespace fallow::net {

// Says whether an address, as "192.0.2.1" or "2001:db8::1", may be connected to.
using AddressRule = std::function<bool(std::string_view address)>;

// The addresses of a host, as text, within so long.
using NameLookup =
    std::function<Task<Result<std::vector<std::string>>>(std::string host, Duration timeout)>;

// Resolves the host, tries its addresses in turn, and does the TLS handshake for https, all within
// `timeout`. Runs on, and binds the stream to, the awaiting executor. kUnreachable when the name is
// unknown or nobody answers, kDenied when the certificate is not the right one; messages name
// host:port. `tls` may be null for http. With `allowed` only addresses that it lets pass are tried,
// the very ones that the name led to; kDenied when there is none.
// `lookup` asks for names, instead of the system's resolver, which asks for one at a time and holds
// the others of the executor's thread up.
Task<Result<std::shared_ptr<Stream>>> dial(Url url, std::shared_ptr<const TlsClient> tls,
                                           Duration timeout, AddressRule allowed = {},
                                           NameLookup lookup = {});

}  // namespace fallow::net
