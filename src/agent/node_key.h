// The node's own key and its membership: the two files that make this machine a node of a market.
//
//   <data>/node.key     the Ed25519 key's 32 secret bytes in hex, mode 0600
//   <data>/membership   node id, URL and certificate of the market, a line each
//
// Free functions; any thread.
#pragma once

#include <optional>
#include <string>

#include "base/digest.h"
#include "base/env.h"
#include "base/result.h"
#include "base/signing.h"
#include "base/types.h"

namespace fallow::agent {

// Reads the key, or makes one the first time. kDenied when others may read the file; kCorrupt when
// it holds no key.
Result<SigningKey> load_or_make_node_key(const std::string& data_folder, Random& random);

struct Membership {
  NodeId node;
  std::string url;
  Digest certificate{};  // zero: plain HTTP

  bool operator==(const Membership&) const = default;
};

// Nothing before the first join.
Result<std::optional<Membership>> load_membership(const std::string& data_folder);
Status save_membership(const std::string& data_folder, const Membership& membership);

}  // namespace fallow::agent
