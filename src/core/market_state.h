// Everything that the market remembers. Data only: the files named after nouns change it.
//
// Owner: Machine, market thread only. What is marked "derived" follows from the rest: a snapshot
// leaves it out and restore() makes it anew.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <compare>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/types.h"
#include "core/account.h"
#include "core/book.h"
#include "core/deadline_queue.h"
#include "core/lease.h"
#include "core/ledger.h"
#include "core/limits.h"
#include "core/misses.h"
#include "core/node.h"
#include "core/order.h"
#include "core/price_index.h"
#include "core/scoring.h"
#include "core/spot_history.h"
#include "core/table.h"
#include "core/turn.h"
#include "core/waiting_orders.h"
#include "core/webhook.h"

namespace fallow::core {

// The place of a spot order among those with waiting tasks: the highest bid comes first.
struct SpotTurn {
  std::int64_t bid_turned = 0;  // for a whole device, before disk; turned round
  Turn turn;
  auto operator<=>(const SpotTurn&) const = default;
};

// Nodes that are kept for an order until it is placed: see core/reservation.h.
struct Reservation {
  OrderId order;
  Time at;                    // they have what it needs then at the latest
  std::vector<NodeId> nodes;  // ascending
};

// Earnings of an ended lease, PENDING until their delay has passed.
struct Release {
  AccountId provider;
  Micros amount;
};

// A deposit that its rail may still take back, so that its account may not have it paid out.
struct ReversibleDeposit {
  AccountId account;
  Micros amount;
};

// What a device's last node had come to: see core/device_records.h.
struct DeviceRecord {
  NodeId node;
  std::uint32_t kept = 0;
  std::uint32_t broken = 0;
};

// The first 16 bytes of a hash: keys of deposits and requests. Already well mixed.
using ShortHash = std::array<std::uint8_t, 16>;
struct ShortHashHash {
  std::size_t operator()(const ShortHash& hash) const {
    std::size_t low = 0;
    std::memcpy(&low, hash.data(), sizeof low);
    return low;
  }
};
struct DigestHash {
  std::size_t operator()(const Digest& digest) const {
    std::size_t low = 0;
    std::memcpy(&low, digest.data(), sizeof low);
    return low;
  }
};

// A deposit that was booked, by the hash of the rail's reference.
struct Booked {
  ShortHash reference{};
  LogIndex index;
  AccountId account;
  Micros amount;
};

// A request that was answered, by its idempotency key.
struct Answered {
  std::uint64_t fingerprint = 0;
  LogIndex index;
  std::uint64_t entity = 0;
};

struct MarketState {
  explicit MarketState(const Limits& given);

  Limits limits;

  // ---- founding --------------------------------------------------------------------------------
  bool founded = false;
  v1::Found found;
  v1::Policy policy;
  AccountId operator_account;
  LogIndex last_index;
  LogIndex resumed_index;  // of the last Resume
  Time now;                // of the last command

  // ---- people and money
  // --------------------------------------------------------------------------
  Ledger ledger;
  Table<AccountId, Account> accounts;
  absl::btree_map<std::pair<AccountId, Digest>, ApiKey> keys;
  absl::btree_map<Digest, JoinToken> join_tokens;
  absl::btree_map<WebhookId, Webhook> webhooks;
  absl::btree_map<std::pair<AccountId, AccountId>, Membership> members;  // by team and member
  absl::btree_map<std::uint64_t, Payout> payouts;                        // open ones
  std::vector<Booked> deposits;    // in the order of their commands
  std::deque<ShortHash> requests;  // oldest first
  boost::unordered_flat_map<ShortHash, Answered, ShortHashHash> answers;
  absl::btree_map<Due, Release> releases;
  // By when they are no longer reversible, and their commands: see core/reversals.h.
  absl::btree_map<std::pair<Time, LogIndex>, ReversibleDeposit> reversible;
  absl::btree_map<ShortHash, LogIndex> reversals;  // of deposits, by their references' hash
  // Who paid a debt out of deposits that are reversible themselves, and until when the last is.
  absl::btree_map<AccountId, Time> covered_until;

  // ---- nodes, orders, leases
  // -----------------------------------------------------------------------
  Table<NodeId, Node> nodes;
  absl::btree_map<std::string, DeviceRecord> device_records;  // by UUID
  Table<OrderId, Order> orders;
  Table<LeaseId, Lease> leases;
  std::deque<OrderId> ended;  // remembered orders that ended, oldest first
  // Open ones that their renters stopped, of which tasks are still to be stopped.
  absl::btree_set<OrderId> stopping;

  // ---- waiting tasks: see core/schedule.h
  // ----------------------------------------------------------
  std::uint64_t turn = 0;                  // of the order served last
  WaitingOrders waiting;                   // derived: every order with a waiting task, but for spot
  absl::btree_set<Turn> dirty;             // of them, those to be matched anew
  absl::btree_set<SpotTurn> spot_waiting;  // derived: the same of spot orders
  absl::btree_set<SpotTurn> spot_dirty;
  absl::btree_set<Turn> big_waiting;    // derived: of the waiting, those that is_big() is true of
  absl::btree_set<Turn> gangs_waiting;  // derived: of the waiting, the gangs
  Misses places_missed;                 // derived: by what a search of the book did not find
  Misses rooms_missed;                  // derived: by what nobody can be preempted for
  std::optional<Reservation> reservation;
  // Derived: one of its nodes, or what its order asks for, may have changed since it was checked.
  bool reservation_touched = true;
  std::optional<Turn> reservation_next;  // who is to be matched for it next; none while it is held
  absl::btree_map<NodeId, Turn> fresh;   // nodes that gained capacity, tested from Turn on
  // With fair turns:
  NodeId fresh_from;                    // the fresh node to go on with: it, or the next behind it
  absl::btree_set<NodeId> fresh_again;  // of the fresh, those that gained more meanwhile
  Turn dirty_from;                      // the dirty one to go on with, likewise
  // What open orders with a deadline have seen of spot: see core/run_mode.h.
  absl::btree_map<OrderId, SpotHistory> spot_seen;

  // ---- prices that move: see core/repricing.h
  // ------------------------------------------------------
  PriceIndexes indexes;
  Time interval_end;                    // of the running interval; 0: no index is kept
  std::optional<NodeId> reprice_after;  // offers behind it are still to follow their index

  Scoring scoring;  // its speeds; what follows from the policy is derived

  // ---- derived
  // -------------------------------------------------------------------------------------
  std::unique_ptr<Book> book;
  boost::unordered_flat_map<Digest, AccountId, DigestHash> key_owners;
  absl::btree_set<std::pair<AccountId, AccountId>> teams;           // by member and team
  boost::unordered_flat_map<Digest, NodeId, DigestHash> node_keys;  // of nodes not removed
  boost::unordered_flat_map<ShortHash, std::uint32_t, ShortHashHash> deposit_places;
  // Who showed the device of a driver's UUID; what no longer holds is found out when it is asked.
  boost::unordered_flat_map<std::string, NodeId> shown_devices;
  DeadlineQueue deadlines;                 // of every open lease, and of tasks to be tried again
  absl::btree_set<NodeId> followers;       // nodes whose price follows its index
  absl::btree_set<SpotPlace> spot_leases;  // of all classes; each has its own, too
  Micros payouts_total;                    // of open payouts: may come back
  Micros debts_total;                      // that accounts owe
  absl::btree_map<AccountId, Micros> reversible_of;  // sums of what is reversible
  Micros fees_open;  // of open leases: MARKET_FEE owes them back on refund
  std::size_t orders_open = 0;
  std::size_t tasks_open = 0;  // of open orders
  std::size_t leases_open = 0;
  std::size_t leases_of_ended = 0;  // of ended orders
  std::size_t tasks_of_ended = 0;
  std::size_t workload_bytes_open = 0;  // of open orders
  std::size_t workload_bytes_of_ended = 0;
  std::size_t nodes_connected = 0;
  std::size_t nodes_present = 0;  // not removed
  std::size_t devices = 0;        // of nodes not removed
};

}  // namespace fallow::core
