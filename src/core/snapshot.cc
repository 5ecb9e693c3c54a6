// The whole state as bytes and back. docs/market.md says what is in it; the fields stand in
// snapshot_fields.h.
#include <algorithm>

#include "core/archive.h"
#include "core/derived.h"
#include "core/invariants.h"
#include "core/machine.h"
#include "core/snapshot_fields.h"

namespace fallow::core {
namespace {

constexpr ShortHash kMagic = {'f', 'a', 'l', 'l', 'o', 'w', ' ', 'm',
                              'a', 'r', 'k', 'e', 't', 0,   0,   0};

template <class Id, class T, class Fields>
void write_table(SnapshotWriter& writer, const Table<Id, T>& table, Fields&& fields) {
  writer(static_cast<std::uint64_t>(table.size()));
  table.each([&](const T& thing) { fields(writer, thing); });
}

template <class Map, class Fields>
void write_values(SnapshotWriter& writer, const Map& map, Fields&& fields) {
  writer(static_cast<std::uint64_t>(map.size()));
  for (const auto& [unused, value] : map) fields(writer, value);
}

void write_money(SnapshotWriter& writer, const MarketState& state) {
  std::uint64_t balances = 0;
  state.ledger.visit([&](LedgerKey, Micros) { ++balances; });
  writer(balances);
  state.ledger.visit(
      [&](LedgerKey key, Micros balance) { writer(key.account, key.kind, balance); });
  write_values(writer, state.payouts, [](auto& a, const Payout& x) { payout_fields(a, x); });
  list_fields(writer, state.deposits, [&](const Booked& x) { booked_fields(writer, x); });
  writer(static_cast<std::uint64_t>(state.releases.size()));
  for (const auto& [due, release] : state.releases) {
    writer(due.at, due.lease, release.provider, release.amount);
  }
}

bool keeps_turns(const MarketState& state) {
  return state.fresh_from.value != 0 || !state.fresh_again.empty() || state.dirty_from != Turn{} ||
         !state.stopping.empty();
}

bool keeps_stops(const MarketState& state) {
  bool any = false;
  state.leases.visit(LeaseId(), [&](const Lease& lease) {
    any = lease.stop_proven_max.value > 0;
    return !any;
  });
  return any;
}

bool keeps_lease_proofs(const MarketState& state) {
  bool any = false;
  state.leases.visit(LeaseId(), [&](const Lease& lease) {
    any = static_cast<bool>(lease.proof);
    return !any;
  });
  return any;
}

bool keeps_egress(const Node& node) {
  const auto& former = node.offer.former;
  return node.offer.egress_gb.value > 0 ||
         std::any_of(former.begin(), former.end(),
                     [](const FormerPrice& price) { return price.egress_gb.value > 0; });
}

bool keeps_egress(const Order& order) {
  return order.egress_gb_max.value > 0 ||
         std::any_of(order.tasks.begin(), order.tasks.end(),
                     [](const Task& task) { return task.egress_bytes > 0; });
}

bool keeps_egress(const Lease& lease) {
  return lease.egress_bytes_max > 0 || lease.egress_bytes > 0;
}

template <class Id, class T>
std::uint64_t count_egress(const Table<Id, T>& table) {
  std::uint64_t count = 0;
  table.each([&](const T& thing) { count += keeps_egress(thing) ? 1 : 0; });
  return count;
}

bool keeps_egress(const MarketState& state) {
  return count_egress(state.nodes) + count_egress(state.orders) + count_egress(state.leases) > 0;
}

// The oldest that can hold it, so that a market keeps its digest until it has something new.
std::uint32_t version_of(const MarketState& state) {
  if (keeps_egress(state)) return kEgressSnapshotVersion;
  if (keeps_lease_proofs(state)) return kLeaseProofsSnapshotVersion;
  if (!state.reversible.empty() || !state.reversals.empty() || !state.device_records.empty()) {
    return kRecordsSnapshotVersion;
  }
  if (keeps_stops(state)) return kStopsSnapshotVersion;
  return keeps_turns(state) ? kFairSnapshotVersion : kSnapshotVersion;
}

void write_schedule(SnapshotWriter& writer, const MarketState& state, std::uint32_t version) {
  list_fields(writer, state.dirty, [&](const Turn& turn) { turn_fields(writer, turn); });
  list_fields(writer, state.spot_dirty,
              [&](const SpotTurn& turn) { spot_turn_fields(writer, turn); });
  const Reservation kept = state.reservation.value_or(Reservation{});
  writer(state.reservation.has_value(), kept.order, kept.at, kept.nodes);
  const Turn next = state.reservation_next.value_or(Turn{});
  writer(state.reservation_next.has_value());
  turn_fields(writer, next);
  writer(static_cast<std::uint64_t>(state.spot_seen.size()));
  for (const auto& [order, seen] : state.spot_seen) {
    writer(order);
    SpotHistory::fields(writer, seen);
  }
  writer(static_cast<std::uint64_t>(state.fresh.size()));
  for (const auto& [node, from] : state.fresh) {
    writer(node);
    turn_fields(writer, from);
  }
  if (version < kFairSnapshotVersion) return;
  writer(state.fresh_from);
  list_fields(writer, state.fresh_again, [&](NodeId node) { writer(node); });
  turn_fields(writer, state.dirty_from);
  list_fields(writer, state.stopping, [&](OrderId order) { writer(order); });
}

void write_scoring(SnapshotWriter& writer, const MarketState& state) {
  const SpeedTable& speeds = state.scoring.speeds;
  writer(static_cast<std::uint64_t>(speeds.size()));
  speeds.visit([&](const std::string& model, const Speeds& set) {
    writer(model);
    for (const std::int64_t speed : set) writer(speed);
  });
  for (const SurvivalCode code : state.scoring.survival.codes) writer(code);
  DemandMix::fields(writer, state.scoring.mix);
}

void write_prices(SnapshotWriter& writer, const MarketState& state) {
  std::uint64_t classes = 0;
  state.indexes.visit([&](const PriceIndex&) { ++classes; });
  writer(classes);
  state.indexes.visit([&](const PriceIndex& index) { index_fields(writer, index); });
  writer(state.reprice_after.has_value(), state.reprice_after.value_or(NodeId()));
}

void write_stops(SnapshotWriter& writer, const MarketState& state) {
  std::uint64_t count = 0;
  state.leases.each([&](const Lease& lease) { count += lease.stop_proven_max.value > 0 ? 1 : 0; });
  writer(count);
  state.leases.each([&](const Lease& lease) {
    if (lease.stop_proven_max.value > 0) writer(lease.id, lease.stop_proven_max);
  });
}

void write_lease_proofs(SnapshotWriter& writer, const MarketState& state) {
  std::uint64_t count = 0;
  state.leases.each([&](const Lease& lease) { count += lease.proof ? 1 : 0; });
  writer(count);
  state.leases.each([&](const Lease& lease) {
    if (lease.proof) writer(lease.id, lease.proof);
  });
}

void write_reversals(SnapshotWriter& writer, const MarketState& state) {
  writer(static_cast<std::uint64_t>(state.reversible.size()));
  for (const auto& [due, deposit] : state.reversible) {
    writer(due.first, due.second, deposit.account, deposit.amount);
  }
  writer(static_cast<std::uint64_t>(state.reversals.size()));
  for (const auto& [reference, index] : state.reversals) writer(reference, index);
  writer(static_cast<std::uint64_t>(state.covered_until.size()));
  for (const auto& [account, until] : state.covered_until) writer(account, until);
}

void write_device_records(SnapshotWriter& writer, const MarketState& state) {
  writer(static_cast<std::uint64_t>(state.device_records.size()));
  for (const auto& [uuid, record] : state.device_records) {
    writer(uuid, record.node, record.kept, record.broken);
  }
}

template <class Id, class T, class Fields>
void write_egress_of(SnapshotWriter& writer, const Table<Id, T>& table, Fields&& fields) {
  writer(count_egress(table));
  table.each([&](const T& thing) {
    if (!keeps_egress(thing)) return;
    writer(thing.id);
    fields(writer, thing);
  });
}

void write_egress(SnapshotWriter& writer, const MarketState& state) {
  write_egress_of(writer, state.nodes, [](auto& a, const Node& x) { offer_egress_fields(a, x); });
  write_egress_of(writer, state.orders, [](auto& a, const Order& x) { order_egress_fields(a, x); });
  write_egress_of(writer, state.leases, [](auto& a, const Lease& x) { lease_egress_fields(a, x); });
}

// A role, and a bit for an invitation: markets without any keep the bytes that they had before
// there were some.
constexpr std::uint32_t kInvited = 32;

std::uint32_t membership_word(const Membership& member) {
  return static_cast<std::uint32_t>(member.role) | (member.invited ? kInvited : 0);
}

Membership membership_of(std::uint32_t word) {
  return {static_cast<v1::Role>(word & ~kInvited), (word & kInvited) != 0};
}

Digest write_state(const MarketState& state, const SnapshotWriter::Sink& sink) {
  SnapshotWriter writer(sink);
  const std::uint32_t version = version_of(state);
  writer(kMagic, version);
  market_fields(writer, state);
  write_table(writer, state.accounts, [](auto& a, const Account& x) { account_fields(a, x); });
  write_values(writer, state.keys, [](auto& a, const ApiKey& x) { key_fields(a, x); });
  write_values(writer, state.join_tokens,
               [](auto& a, const JoinToken& x) { join_token_fields(a, x); });
  write_values(writer, state.webhooks, [](auto& a, const Webhook& x) { webhook_fields(a, x); });
  writer(static_cast<std::uint64_t>(state.members.size()));
  for (const auto& [place, member] : state.members) {
    writer(place.first, place.second, membership_word(member));
  }
  write_money(writer, state);
  writer(static_cast<std::uint64_t>(state.requests.size()));
  for (const ShortHash& request : state.requests) {
    writer(request);
    answered_fields(writer, state.answers.find(request)->second);
  }
  write_table(writer, state.nodes, [](auto& a, const Node& x) { node_fields(a, x); });
  write_table(writer, state.orders, [](auto& a, const Order& x) { order_fields(a, x); });
  write_table(writer, state.leases, [](auto& a, const Lease& x) { lease_fields(a, x); });
  list_fields(writer, state.ended, [&](OrderId id) { writer(id); });
  write_schedule(writer, state, version);
  write_prices(writer, state);
  write_scoring(writer, state);
  if (version >= kStopsSnapshotVersion) write_stops(writer, state);
  if (version >= kRecordsSnapshotVersion) {
    write_reversals(writer, state);
    write_device_records(writer, state);
  }
  if (version >= kLeaseProofsSnapshotVersion) write_lease_proofs(writer, state);
  if (version >= kEgressSnapshotVersion) write_egress(writer, state);
  return writer.finish();
}

// Calls `each` as often as the snapshot says there are things, until something is wrong.
template <class Each>
void read_each(SnapshotReader& reader, Each&& each) {
  for (auto left = reader.value<std::uint64_t>(); left > 0 && reader.ok(); --left) each();
}

template <class Id, class T, class Fields>
void read_table(SnapshotReader& reader, Table<Id, T>& table, Fields&& fields) {
  read_each(reader, [&] {
    T thing;
    fields(reader, thing);
    if (thing.id <= table.last_id()) return reader.fail("ids do not ascend");
    const Id id = thing.id;
    table.insert(id, std::move(thing));
  });
}

void read_people(SnapshotReader& reader, MarketState& state) {
  read_table(reader, state.accounts, [](auto& a, Account& x) { account_fields(a, x); });
  read_each(reader, [&] {
    ApiKey key;
    key_fields(reader, key);
    if (!state.keys.emplace(std::pair(key.account, key.secret_hash), key).second) {
      reader.fail("a key is there twice");
    }
  });
  read_each(reader, [&] {
    JoinToken token;
    join_token_fields(reader, token);
    if (!state.join_tokens.emplace(token.secret_hash, token).second) {
      reader.fail("a join token is there twice");
    }
  });
  read_each(reader, [&] {
    Webhook webhook;
    webhook_fields(reader, webhook);
    const WebhookId id = webhook.id;
    if (!state.webhooks.emplace(id, std::move(webhook)).second) {
      reader.fail("a webhook is there twice");
    }
  });
  read_each(reader, [&] {
    AccountId account;
    AccountId member;
    std::uint32_t word = 0;
    reader(account, member, word);
    if (!state.members.emplace(std::pair(account, member), membership_of(word)).second) {
      reader.fail("a member is there twice");
    }
  });
}

void read_money(SnapshotReader& reader, MarketState& state) {
  read_each(reader, [&] {
    LedgerKey key;
    Micros balance;
    reader(key.account, key.kind, balance);
    if (reader.ok() && !state.ledger.restore(key, balance)) reader.fail("a balance cannot be");
  });
  read_each(reader, [&] {
    Payout payout;
    payout_fields(reader, payout);
    if (!state.payouts.emplace(payout.id, payout).second) reader.fail("a payout is there twice");
  });
  list_fields(reader, state.deposits, [&](Booked& x) { booked_fields(reader, x); });
  read_each(reader, [&] {
    Due due;
    Release release;
    reader(due.at, due.lease, release.provider, release.amount);
    if (!state.releases.emplace(due, release).second) reader.fail("earnings are there twice");
  });
}

void read_requests(SnapshotReader& reader, MarketState& state) {
  read_each(reader, [&] {
    ShortHash request{};
    Answered answered;
    reader(request);
    answered_fields(reader, answered);
    state.requests.push_back(request);
    if (!state.answers.emplace(request, answered).second) reader.fail("a request is there twice");
  });
}

void read_schedule(SnapshotReader& reader, MarketState& state, std::uint32_t version) {
  read_each(reader, [&] {
    Turn turn;
    turn_fields(reader, turn);
    state.dirty.insert(turn);
  });
  read_each(reader, [&] {
    SpotTurn turn;
    spot_turn_fields(reader, turn);
    state.spot_dirty.insert(turn);
  });
  bool is_kept = false;
  Reservation kept;
  reader(is_kept, kept.order, kept.at, kept.nodes);
  if (is_kept) state.reservation = std::move(kept);
  bool is_next = false;
  Turn next;
  reader(is_next);
  turn_fields(reader, next);
  if (is_next) state.reservation_next = next;
  read_each(reader, [&] {
    OrderId order;
    SpotHistory seen;
    reader(order);
    SpotHistory::fields(reader, seen);
    if (!state.spot_seen.emplace(order, seen).second) reader.fail("an order saw spot twice");
  });
  read_each(reader, [&] {
    NodeId node;
    Turn from;
    reader(node);
    turn_fields(reader, from);
    state.fresh.emplace(node, from);
  });
  if (version < kFairSnapshotVersion) return;
  reader(state.fresh_from);
  read_each(reader, [&] { state.fresh_again.insert(reader.value<NodeId>()); });
  turn_fields(reader, state.dirty_from);
  read_each(reader, [&] { state.stopping.insert(reader.value<OrderId>()); });
}

void read_prices(SnapshotReader& reader, MarketState& state) {
  read_each(reader, [&] {
    PriceIndex index;
    index_fields(reader, index);
    if (!state.indexes.restore(std::move(index))) reader.fail("a price class is there twice");
  });
  bool pending = false;
  NodeId after;
  reader(pending, after);
  if (pending) state.reprice_after = after;
}

void read_scoring(SnapshotReader& reader, MarketState& state) {
  read_each(reader, [&] {
    std::string model;
    Speeds set;
    reader(model);
    for (std::int64_t& speed : set) reader(speed);
    if (reader.ok() && !state.scoring.speeds.restore(model, set)) {
      reader.fail("speeds of a model cannot be");
    }
  });
  for (SurvivalCode& code : state.scoring.survival.codes) reader(code);
  DemandMix::fields(reader, state.scoring.mix);
  if (!state.scoring.mix.restore()) reader.fail("a mix of demand cannot be");
  if (!can_be(state.scoring.survival)) reader.fail("no node can last like that");
  state.scoring.follow(state.policy);
}

void read_stops(SnapshotReader& reader, MarketState& state) {
  read_each(reader, [&] {
    LeaseId id;
    Duration proven_max;
    reader(id, proven_max);
    Lease* const lease = state.leases.find(id);
    if (lease == nullptr || proven_max.value <= 0) {
      return reader.fail("a lease stops that cannot");
    }
    lease->stop_proven_max = proven_max;
  });
}

void read_lease_proofs(SnapshotReader& reader, MarketState& state) {
  read_each(reader, [&] {
    LeaseId id;
    ProofId proof;
    reader(id, proof);
    Lease* const lease = state.leases.find(id);
    if (lease == nullptr || !proof) return reader.fail("a lease waits for a proof that cannot be");
    lease->proof = proof;
  });
}

void read_reversals(SnapshotReader& reader, MarketState& state) {
  read_each(reader, [&] {
    std::pair<Time, LogIndex> due;
    ReversibleDeposit deposit;
    reader(due.first, due.second, deposit.account, deposit.amount);
    if (!state.reversible.emplace(due, deposit).second) reader.fail("a deposit is there twice");
  });
  read_each(reader, [&] {
    ShortHash reference{};
    LogIndex index;
    reader(reference, index);
    if (!state.reversals.emplace(reference, index).second) {
      reader.fail("a deposit was reversed twice");
    }
  });
  read_each(reader, [&] {
    AccountId account;
    Time until;
    reader(account, until);
    if (!state.covered_until.emplace(account, until).second) {
      reader.fail("an account's debt is covered twice");
    }
  });
}

void read_device_records(SnapshotReader& reader, MarketState& state) {
  read_each(reader, [&] {
    std::string uuid;
    DeviceRecord record;
    reader(uuid, record.node, record.kept, record.broken);
    if (!state.device_records.emplace(uuid, record).second) {
      reader.fail("a device has two records");
    }
  });
}

template <class Id, class T, class Fields>
void read_egress_of(SnapshotReader& reader, Table<Id, T>& table, Fields&& fields) {
  read_each(reader, [&] {
    T* const thing = table.find(reader.value<Id>());
    if (thing == nullptr) return reader.fail("something sends that is not there");
    fields(reader, *thing);
  });
}

void read_egress(SnapshotReader& reader, MarketState& state) {
  read_egress_of(reader, state.nodes, [](auto& a, Node& x) { offer_egress_fields(a, x); });
  read_egress_of(reader, state.orders, [](auto& a, Order& x) { order_egress_fields(a, x); });
  read_egress_of(reader, state.leases, [](auto& a, Lease& x) { lease_egress_fields(a, x); });
}

void read_state(SnapshotReader& reader, MarketState& state) {
  ShortHash magic{};
  std::uint32_t version = 0;
  reader(magic, version);
  if (magic != kMagic) return reader.fail("it is no snapshot of a market");
  if (version < kSnapshotVersion || version > kEgressSnapshotVersion) {
    return reader.fail("it is of a version that is not known here");
  }
  market_fields(reader, state);
  read_people(reader, state);
  read_money(reader, state);
  read_requests(reader, state);
  read_table(reader, state.nodes, [](auto& a, Node& x) { node_fields(a, x); });
  read_table(reader, state.orders, [](auto& a, Order& x) { order_fields(a, x); });
  read_table(reader, state.leases, [](auto& a, Lease& x) { lease_fields(a, x); });
  list_fields(reader, state.ended, [&](OrderId& id) { reader(id); });
  read_schedule(reader, state, version);
  read_prices(reader, state);
  read_scoring(reader, state);
  if (version >= kStopsSnapshotVersion) read_stops(reader, state);
  if (version >= kRecordsSnapshotVersion) {
    read_reversals(reader, state);
    read_device_records(reader, state);
  }
  if (version >= kLeaseProofsSnapshotVersion) read_lease_proofs(reader, state);
  if (version >= kEgressSnapshotVersion) read_egress(reader, state);
}

}  // namespace

void Machine::snapshot(const std::function<void(std::string_view)>& sink) const {
  write_state(*state_, sink);
}

Digest Machine::digest() const {
  return write_state(*state_, [](std::string_view) {});
}

Status Machine::restore(const std::function<Result<std::size_t>(char*, std::size_t)>& source) {
  FALLOW_CHECK(state_->last_index.value == 0, "a snapshot is restored into an empty machine only");
  SnapshotReader reader(source);
  read_state(reader, *state_);
  FALLOW_TRY(reader.finish());
  const auto impossible = [](const Error& why) {
    return fail_with(why, "the snapshot holds a market that cannot be; start from the log instead");
  };
  if (Status status = check_things(*state_); !status) return impossible(status.error());
  if (Status status = derive(*state_); !status) return impossible(status.error());
  if (Status status = verify(*state_); !status) return impossible(status.error());
  return {};
}

}  // namespace fallow::core
