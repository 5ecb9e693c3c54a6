#include "agent/market_store.h"

#include <memory>

#include "base/digest.h"
#include "client/api.h"
#include "client/transfer.h"

namespace fallow::agent {
namespace {

Result<std::unique_ptr<client::Api>> connect(client::Config market, const std::string& token,
                                             Random& random) {
  market.api_key = token;
  return client::Api::make(market, random);
}

client::TransferRules rules_of(std::uint64_t bytes_max, artifacts::Unkept unkept,
                               const std::atomic<bool>& cancelled) {
  client::TransferRules rules;
  rules.limits.bytes_max = bytes_max;
  rules.unkept = unkept;
  rules.cancelled = &cancelled;
  return rules;
}

}  // namespace

Status MarketStore::fetch(const std::string& manifest, const std::string& folder,
                          std::uint64_t bytes_max, const std::string& token,
                          const std::atomic<bool>& cancelled) {
  FALLOW_ASSIGN(const auto api, connect(market_, token, random_));
  const auto fetched = client::download_folder(
      *api, to_hex(manifest), folder, rules_of(bytes_max, artifacts::Unkept::kRefuse, cancelled));
  if (!fetched) return tl::unexpected(client::plain_error(fetched.error()));
  return {};
}

Result<std::string> MarketStore::put(const std::string& folder, std::uint64_t bytes_max,
                                     const std::string& token, const std::atomic<bool>& cancelled) {
  FALLOW_ASSIGN(const auto api, connect(market_, token, random_));
  const auto stored =
      client::upload_folder(*api, folder, rules_of(bytes_max, artifacts::Unkept::kSkip, cancelled));
  if (!stored) return tl::unexpected(client::plain_error(stored.error()));
  return to_bytes(stored->manifest);
}

}  // namespace fallow::agent
