#include "server/webhook_targets.h"

#include <algorithm>

#include "base/own_networks.h"
#include "net/url.h"

namespace fallow::server {
namespace {

bool is_literal(std::string_view host) {
  return host.find(':') != std::string_view::npos || parse_ipv4(host).has_value();
}

}  // namespace

Result<WebhookTargets> WebhookTargets::of(const std::vector<std::string>& ranges) {
  WebhookTargets targets;
  for (const std::string& text : ranges) {
    const auto range = parse_ipv4_range(text);
    if (!range) {
      return fail(ErrorCode::kInvalid,
                  "'{}' is no range of IPv4 addresses, as 10.20.0.0/16, that webhooks may lead to",
                  text);
    }
    targets.allowed.push_back(*range);
  }
  return targets;
}

bool WebhookTargets::allows(std::string_view address, bool is_tls) const {
  const auto four = parse_ipv4(address);
  const bool listed = four && std::any_of(allowed.begin(), allowed.end(),
                                          [&](Ipv4Range range) { return range.holds(*four); });
  return listed || (is_tls && is_public_address(address) && !is_of_own_network(address));
}

std::optional<std::string> WebhookTargets::why_not(std::string_view text) const {
  const auto url = net::parse_url(text);
  if (!url) return url.error().message;
  if (!url->is_tls && allowed.empty()) {
    return "a webhook's URL begins with https://: what is sent is for nobody else to read";
  }
  if (is_literal(url->host) && !allows(url->host, url->is_tls)) {
    return fmt::format(
        "{} is no address that webhooks are sent to from here: give one of the "
        "public internet, with https",
        url->host);
  }
  return std::nullopt;
}

}  // namespace fallow::server
