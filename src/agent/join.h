// Joining: how this machine becomes a node of a market. Free functions.
#pragma once

#include "agent/node_key.h"
#include "base/env.h"
#include "base/join_token.h"
#include "base/result.h"
#include "client/config.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

// Where the market is, as the client module wants it; without an API key.
client::Config config_of(const Membership& membership);

// Makes the key's owner a node of the market that the token names, offered at the price per device
// and hour (empty: not offered yet), and that for 10^9 bytes sent (empty: nothing). Blocks. kDenied
// when the market refused the token.
Result<Membership> join_market(const JoinToken& token, const PublicKey& key,
                               const v1::NodeFacts& facts, const std::string& price_per_hour,
                               const std::string& egress_price_per_gb, Random& random);

}  // namespace fallow::agent
