// The console's cookie: its name and form, and which requests may be let in by it.
//
// Values and free functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/types.h"
#include "net/http.h"
#include "server/problem.h"

namespace fallow::server {

// How this server's cookie is called and sent.
struct CookieForm {
  std::string name;       // "__Host-fallow-1a2b3c4d"
  bool is_secure = true;  // browsers send it over TLS only

  // The name carries a part of the server's own: cookies know no ports, so two markets on one host
  // would otherwise sign each other's people out.
  static CookieForm of(std::string_view server_secret, bool is_secure);
};

// `Set-Cookie` values. The secret is 32 bytes; `lifetime` at least a second.
std::string write_cookie(const CookieForm& form, std::string_view secret, Duration lifetime);
std::string write_cookie_removal(const CookieForm& form);

// The session that the request's cookie names: the hash of its secret. Nothing without one, and
// nothing when it is malformed.
std::optional<Digest> session_of(const CookieForm& form, const net::Headers& headers);

// Browsers say where a request comes from, and no page can make them lie: `Sec-Fetch-Site`, or,
// from older ones, over plain HTTP and for WebSockets, `Origin`. 403 cross_site unless the request
// was made by this server's own pages, or by the person (a link opened by hand), and then it may
// only read. A WebSocket is no reading: what goes through it is asked of nobody again.
Answer<void> check_same_origin(const CookieForm& form, const net::Request& request);

}  // namespace fallow::server
