// The keys with which a stock ssh client speaks to `fallow ssh --proxy`: a pair for the client and
// a pair for the lease, made on first use, for each lease of each market, and of use nowhere else.
//
// Values and free functions; files of mode 0600 below the configuration's folder.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace fallow::cli {

struct SshKeys {
  std::string host_alias;   // "lease-17"
  std::string identity;     // path: the client's private key
  std::string host_key;     // path: the lease's private key
  std::string known_hosts;  // path: the lease's public key, under its alias
  std::string client_key;   // "ssh-ed25519 AAAA...": what the lease lets in
};

// Reads them, or makes them.
Result<SshKeys> ssh_keys_of(const std::string& market_url, std::uint64_t lease);

}  // namespace fallow::cli
