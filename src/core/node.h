// A provider's machine with its devices and its one offer.
//
// Owner: Machine's inventory, market thread only; pointers live until the next apply().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/types.h"
#include "core/survival.h"
#include "core/term.h"
#include "fallow/v1/commands.pb.h"

namespace fallow::core {

constexpr std::uint32_t kWholeDevice = 1000;  // thousandths

struct NodeDevice {
  v1::Device facts;
  std::uint64_t verified_int8_mops = 0;  // by its last proof that passed; 0: none has
  std::uint32_t free_thousandths = kWholeDevice;
};

// A price that was raised lately (a discount that was cut raises it, too): quotes issued before
// `raised_at` are honoured at it until their own end, so that what was shown stays true.
struct FormerPrice {
  Time raised_at;
  Micros device_hour;
  Micros disk_gb_hour;
  Discounts discounts{};
  Micros egress_gb{};
};

struct Offer {
  OfferId id;  // 0: the node is not offered
  Micros device_hour;
  Micros disk_gb_hour;
  std::uint32_t share_thousandths_min = kWholeDevice;
  Duration duration_max;            // 0: none
  Micros floor;                     // of a price that follows its class's index
  Micros ceiling;                   // likewise; 0: the price is fixed
  Discounts discounts{};            // of reserved leases
  bool spot = false;                // may be leased to spot
  Micros spot_floor;                // for at least this
  Micros egress_gb;                 // for 10^9 bytes that leases send; 0: nothing
  std::vector<FormerPrice> former;  // at most kFormerPricesMax, oldest first; pruned by quote TTL
};
constexpr std::size_t kFormerPricesMax = 8;

struct PriceIndex;

struct Node {
  NodeId id;
  AccountId provider;
  std::string public_key;           // 32 bytes
  v1::NodeFacts facts;              // without devices, which stand in `devices`
  std::vector<NodeDevice> devices;  // by index; one that is leased is never dropped
  Offer offer;
  bool connected = false;
  bool removed = false;
  bool silent = false;  // taken as not connected since a lease of it was lost to silence
  v1::OwnerState owner = v1::OWNER_AWAY;
  Time owner_since;  // when `owner` became what it is
  Time joined_at;
  Time seen_at;                            // the latest command that came from it
  std::uint32_t cpu_thousandths_used = 0;  // by open leases
  std::uint32_t memory_mb_used = 0;
  std::uint32_t disk_mb_used = 0;
  std::uint32_t cpu_thousandths_free = 0;  // facts - used, or 0 when the facts shrank below it
  std::uint32_t memory_mb_free = 0;
  std::uint32_t disk_mb_free = 0;
  std::vector<LeaseId> leases;         // open ones, ascending
  std::uint32_t leases_known = 0;      // open and ended ones that the market still remembers
  std::uint64_t desired_revision = 0;  // grows whenever the desired set changes
  // Proven behaviour only: leases ended by blame.
  std::uint32_t leases_kept = 0;    // ended without the provider's or owner's blame
  std::uint32_t leases_broken = 0;  // ended with it
  Duration kept_time;               // of kept leases, that makes no whole one yet
  Uptime uptime;
  Survival survival;             // what follows from the like, as SetSurvival has it
  bool priced = false;           // counts in a class of the price indexes
  ProofId proof;                 // that runs; 0: none
  bool proof_disturbed = false;  // a lease began while it ran
  struct Counted {
    PriceIndex* index = nullptr;
    std::uint32_t offered_thousandths = 0;
    std::uint32_t leased_thousandths = 0;
  };
  Counted counted;  // there; derived
};

// A lease of the node has ended that ran for `proven`. By the rule weighs_kept_time a kept one
// counts in proportion to that, and for whole from kKeptWhole on: what ran for nothing says
// nothing.
constexpr Duration kKeptWhole = minutes(10);
void count_ended(Node& node, bool broken, Duration proven, bool weighs_kept_time);

// Parts per million that a lease on this node is kept, with a prior of 19 kept of 20.
std::uint32_t reliability_ppm(const Node& node);

}  // namespace fallow::core
