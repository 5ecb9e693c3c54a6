// FolderStore over the market's API: what a real agent uses.
//
// Owner: the agent. Called on its transfer threads; each call has a connection of its own.
#pragma once

#include "agent/folder_store.h"
#include "base/env.h"
#include "client/config.h"

namespace fallow::agent {

class MarketStore final : public FolderStore {
 public:
  // `market` without a key: every call brings the session's token. `random` outlives it.
  MarketStore(client::Config market, Random& random)
      : market_(std::move(market)), random_(random) {}

  Status fetch(const std::string& manifest, const std::string& folder, std::uint64_t bytes_max,
               const std::string& token, const std::atomic<bool>& cancelled) override;
  Result<std::string> put(const std::string& folder, std::uint64_t bytes_max,
                          const std::string& token, const std::atomic<bool>& cancelled) override;

 private:
  const client::Config market_;
  Random& random_;
};

}  // namespace fallow::agent
