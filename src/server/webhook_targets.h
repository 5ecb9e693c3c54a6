// Where webhooks may lead: the public internet, over TLS, without this machine and the networks
// that it stands in; and what the operator allows beside that.
//
// A value, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/public_address.h"
#include "base/result.h"

namespace fallow::server {

struct WebhookTargets {
  // To these plain HTTP will do, too. For tests, and for operators who have receivers of their own.
  std::vector<Ipv4Range> allowed;

  // Each "10.20.0.0/16" or "10.20.0.1": kInvalid names what is no range.
  static Result<WebhookTargets> of(const std::vector<std::string>& ranges);
  bool allows(std::string_view address, bool is_tls) const;
  // Why nothing can ever be sent to the URL, or nothing. Names are looked up when it is sent.
  std::optional<std::string> why_not(std::string_view url) const;
};

}  // namespace fallow::server
