// FolderStore over the market's API: what a real agent uses.
//
// Owner: the agent. Called on its transfer threads; each call has a connection of its own.
#pragma once

#include "agent/folder_store.h"
#include "base/env.h"
#include "client/config.h"
#include "client/transfer.h"

namespace fallow::agent {

class MarketStore final : public FolderStore {
 public:
  // `market` without a key: every call brings the session's token. `random` outlives it.
  MarketStore(client::Config market, Random& random)
      : market_(std::move(market)), random_(random) {}

  Status fetch(const std::string& manifest, const std::string& folder, std::uint64_t bytes_max,
               const std::string& token, const std::atomic<bool>& cancelled) override;
  Result<Stored> put(const std::string& folder, std::uint64_t bytes_max, Pace pace,
                     const std::string& token, const std::atomic<bool>& cancelled) override;
  Result<Stored> save(const std::string& folder, std::uint64_t bytes_max, Duration time_max,
                      const std::string& token, const std::atomic<bool>& cancelled) override;
  Status restore(const std::string& manifest, const std::string& folder, std::uint64_t bytes_max,
                 const std::string& token, const std::atomic<bool>& cancelled) override;

 private:
  Status download(const std::string& manifest, const std::string& folder, const std::string& token,
                  const client::TransferRules& rules);
  Result<Stored> upload(const std::string& folder, const std::string& token,
                        const client::TransferRules& rules);

  const client::Config market_;
  Random& random_;
};

}  // namespace fallow::agent
