#include "server/webhook_signature.h"

#include <fmt/format.h>
#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>

#include <array>

namespace fallow::server {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string base64_of(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes_of(bytes), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the zero that ends it
  return text;
}

std::string hmac_sha256(std::string_view secret, std::string_view text) {
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac{};
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, bytes_of(secret), secret.size());
  crypto_auth_hmacsha256_update(&state, bytes_of(text), text.size());
  crypto_auth_hmacsha256_final(&state, mac.data());
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

}  // namespace

std::string webhook_secret(std::string_view server_secret, core::WebhookId id,
                           std::uint32_t number) {
  const std::string text = fmt::format("fallow webhook v1 {} {}", id.value, number);
  std::string secret(32, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(secret.data()), secret.size(), bytes_of(text),
                     text.size(), bytes_of(server_secret), server_secret.size());
  return secret;
}

std::string webhook_secret_text(std::string_view secret) { return "whsec_" + base64_of(secret); }

std::vector<std::string> webhook_secrets(std::string_view server_secret,
                                         const core::Webhook& webhook, Time now) {
  std::vector<std::string> secrets{
      webhook_secret(server_secret, webhook.id, webhook.secret_number)};
  if (webhook.secret_number > 1 && now < webhook.secret_since + core::kFormerSecretLasts) {
    secrets.push_back(webhook_secret(server_secret, webhook.id, webhook.secret_number - 1));
  }
  return secrets;
}

std::string webhook_signature(const std::vector<std::string>& secrets, std::string_view id,
                              std::int64_t timestamp_s, std::string_view body) {
  const std::string text = fmt::format("{}.{}.{}", id, timestamp_s, body);
  std::string header;
  for (const std::string& secret : secrets) {
    if (!header.empty()) header += ' ';
    header += "v1," + base64_of(hmac_sha256(secret, text));
  }
  return header;
}

}  // namespace fallow::server
