// How deliveries of webhooks are signed: Standard Webhooks, version 1.0.0, with symmetric secrets.
// docs/formats/webhook.md has a worked example.
//
// Free functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "core/webhook.h"

namespace fallow::server {

// 32 bytes, of the server's own secret: they are the same again on every server that has it, and
// need to be stored nowhere.
std::string webhook_secret(std::string_view server_secret, core::WebhookId id,
                           std::uint32_t number);
// "whsec_" and base64, as receivers are given it.
std::string webhook_secret_text(std::string_view secret);

// The secrets that sign at `now`: the present one, and for a day the one before it.
std::vector<std::string> webhook_secrets(std::string_view server_secret,
                                         const core::Webhook& webhook, Time now);

// The header webhook-signature: "v1,<base64>" of HMAC-SHA256 for each secret, blanks between.
// Neither `id` nor the seconds hold a dot.
std::string webhook_signature(const std::vector<std::string>& secrets, std::string_view id,
                              std::int64_t timestamp_s, std::string_view body);

}  // namespace fallow::server
