#include "server/session_cookie.h"

#include "base/digest.h"

namespace fallow::server {
namespace {

constexpr std::size_t kSecretHexDigits = 64;

tl::unexpected<v1::Problem> cross_site() {
  return refuse(403, "cross_site",
                "a page of another site asked for this with your session; use the console's own "
                "pages, or an API key in the header Authorization");
}

// "https://market.example:8470" against "market.example:8470". Where people come over TLS, nothing
// that came without it is the console: on the way anybody may have written it. Over plain HTTP the
// scheme is the browser's matter: behind a proxy this server sees another one.
bool is_origin_of(const CookieForm& form, std::string_view origin, std::string_view host) {
  const std::size_t slashes = origin.find("://");
  if (slashes == origin.npos) return false;
  if (form.is_secure && !net::equals_ignoring_case(origin.substr(0, slashes), "https")) {
    return false;
  }
  return net::equals_ignoring_case(origin.substr(slashes + 3), host);
}

}  // namespace

CookieForm CookieForm::of(std::string_view server_secret, bool is_secure) {
  Digester digester;
  digester.update("fallow console cookie v1").update(server_secret);
  return {(is_secure ? "__Host-fallow-" : "fallow-") + to_hex(digester.finish()).substr(0, 8),
          is_secure};
}

std::string write_cookie(const CookieForm& form, std::string_view secret, Duration lifetime) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", form.name,
                     to_hex(secret), lifetime.value / seconds(1).value,
                     form.is_secure ? "; Secure" : "");
}

std::string write_cookie_removal(const CookieForm& form) {
  return fmt::format("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{}", form.name,
                     form.is_secure ? "; Secure" : "");
}

std::optional<Digest> session_of(const CookieForm& form, const net::Headers& headers) {
  for (const net::HeaderField& field : headers.fields()) {
    if (!net::equals_ignoring_case(field.name, "Cookie")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      std::string_view part = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
      if (!part.starts_with(form.name) || part.substr(form.name.size(), 1) != "=") continue;
      const std::string_view value = part.substr(form.name.size() + 1);
      if (value.size() != kSecretHexDigits) continue;
      const auto secret = from_hex(value);
      if (secret) return digest_of(std::string_view(*secret));
    }
  }
  return std::nullopt;
}

Answer<void> check_same_origin(const CookieForm& form, const net::Request& request) {
  const bool only_reads = (request.method == "GET" || request.method == "HEAD") &&
                          !request.headers.has_token("Upgrade", "websocket");
  if (const std::string* site = request.headers.find("Sec-Fetch-Site")) {
    if (*site == "same-origin" || (*site == "none" && only_reads)) return {};
    return cross_site();
  }
  if (const std::string* origin = request.headers.find("Origin")) {
    const std::string* host = request.headers.find("Host");
    if (host != nullptr && is_origin_of(form, *origin, *host)) return {};
    return cross_site();
  }
  // No browser of this decade leaves out both when it changes something.
  if (only_reads) return {};
  return cross_site();
}

}  // namespace fallow::server
