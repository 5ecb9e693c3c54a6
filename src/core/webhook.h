// Where events of an account are sent to over HTTP. Sending is the server's: the market only knows
// that it is wanted, so that the wish is as durable as everything else that an account has.
//
// Values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/types.h"

namespace fallow::core {

using WebhookId = Named<struct WebhookIdTag, std::uint64_t>;

struct Webhook {
  WebhookId id;
  AccountId account;
  std::string url;
  std::vector<std::string> kinds;  // of events, as v1::Event names them; empty: the usual ones
  std::string label;
  bool everyone = false;  // events of all accounts: an operator's
  Time created_at;
  LogIndex created_index;  // events from here on are sent
  Time stopped_at;         // 0: it is sent to
  std::string stop_reason;
  std::uint32_t secret_number = 1;  // one more with each change
  Time secret_since;                // of the last change; 0: there was none
};

// So long the former secret signs beside the present one.
constexpr Duration kFormerSecretLasts = hours(24);

}  // namespace fallow::core
