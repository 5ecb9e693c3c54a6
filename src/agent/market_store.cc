#include "agent/market_store.h"

#include <memory>

#include "base/digest.h"
#include "client/api.h"

namespace fallow::agent {
namespace {

Result<std::unique_ptr<client::Api>> connect(client::Config market, const std::string& token,
                                             Random& random) {
  market.api_key = token;
  return client::Api::make(market, random);
}

client::TransferRules rules_of(std::uint64_t bytes_max, artifacts::Layout layout,
                               const std::atomic<bool>& cancelled) {
  client::TransferRules rules;
  rules.limits.bytes_max = bytes_max;
  rules.unkept = artifacts::Unkept::kSkip;  // of uploads: strangers wrote the folder
  rules.layout = layout;
  rules.existing = artifacts::Existing::kGoOn;  // of downloads: of a try that broke off
  rules.cancelled = &cancelled;
  return rules;
}

}  // namespace

Status MarketStore::fetch(const std::string& manifest, const std::string& folder,
                          std::uint64_t bytes_max, const std::string& token,
                          const std::atomic<bool>& cancelled) {
  return download(manifest, folder, token,
                  rules_of(bytes_max, artifacts::Layout::kFiles, cancelled));
}

Status MarketStore::restore(const std::string& manifest, const std::string& folder,
                            std::uint64_t bytes_max, const std::string& token,
                            const std::atomic<bool>& cancelled) {
  return download(manifest, folder, token,
                  rules_of(bytes_max, artifacts::Layout::kPieces, cancelled));
}

Result<MarketStore::Stored> MarketStore::put(const std::string& folder, std::uint64_t bytes_max,
                                             Pace pace, const std::string& token,
                                             const std::atomic<bool>& cancelled) {
  client::TransferRules rules = rules_of(bytes_max, artifacts::Layout::kFiles, cancelled);
  rules.pace = {std::chrono::steady_clock::now() + std::chrono::microseconds(pace.spare.value),
                pace.bytes_per_s};
  return upload(folder, token, rules);
}

Result<MarketStore::Stored> MarketStore::save(const std::string& folder, std::uint64_t bytes_max,
                                              Duration time_max, const std::string& token,
                                              const std::atomic<bool>& cancelled) {
  client::TransferRules rules = rules_of(bytes_max, artifacts::Layout::kPieces, cancelled);
  rules.until = std::chrono::steady_clock::now() + std::chrono::microseconds(time_max.value);
  return upload(folder, token, rules);
}

Status MarketStore::download(const std::string& manifest, const std::string& folder,
                             const std::string& token, const client::TransferRules& rules) {
  FALLOW_ASSIGN(const auto api, connect(market_, token, random_));
  const auto fetched = client::download_folder(*api, to_hex(manifest), folder, rules);
  if (!fetched) return tl::unexpected(client::plain_error(fetched.error()));
  return {};
}

Result<MarketStore::Stored> MarketStore::upload(const std::string& folder, const std::string& token,
                                                const client::TransferRules& rules) {
  FALLOW_ASSIGN(const auto api, connect(market_, token, random_));
  const auto stored = client::upload_folder(*api, folder, rules);
  if (!stored) return tl::unexpected(client::plain_error(stored.error()));
  return Stored{to_bytes(stored->manifest), stored->files, stored->bytes, stored->bytes_sent};
}

}  // namespace fallow::agent
