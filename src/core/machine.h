// The market: a pure function of the log. Same commands, same events, same digest, everywhere.
//
// Owner: the engine, on the market thread; nothing here is safe from another thread. No clock,
// random, thread, float, I/O or hash-map iteration inside. Pointers and references that the visits
// give out live until the next apply(). A refusal is an event: no command can fail to apply.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/types.h"
#include "core/account.h"
#include "core/book.h"
#include "core/extension.h"
#include "core/lease.h"
#include "core/ledger.h"
#include "core/limits.h"
#include "core/node.h"
#include "core/order.h"
#include "core/pricing.h"
#include "core/refusal.h"
#include "core/webhook.h"
#include "fallow/v1/agent.pb.h"
#include "fallow/v1/commands.pb.h"
#include "fallow/v1/events.pb.h"

namespace fallow::core {

struct MarketState;
struct WaitsFor;  // core/waits_for.h

class Machine {
 public:
  explicit Machine(const Limits& limits = {});
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Applies the command at `index`, which is one more than the last. `now` is after 1970 and never
  // goes back. Appends what happened to `out`. A refused or repeated command changes nothing but
  // last_index() and now(). `command` may hold anything at all.
  void apply(LogIndex index, Time now, const v1::Command& command, Events& out);

  // When a Tick has something to do, if ever.
  std::optional<Time> next_deadline() const;

  // Of everything that commands can change; equal on every replica, and after restore().
  Digest digest() const;
  // Stops the process when something that must always hold does not. Walks over everything.
  void check_invariants() const;

  // The whole state, in pieces handed to `sink` in order; deterministic bytes. May be called on a
  // forked copy of the process, so it allocates little and locks nothing.
  void snapshot(const std::function<void(std::string_view)>& sink) const;
  // Into an empty machine. `source` fills a buffer and says how many bytes it gave; 0 is the end.
  // kCorrupt when the bytes are no snapshot, or one of a market that cannot be; the machine is then
  // to be thrown away. Limits are not in a snapshot: they are the constructor's.
  Status restore(const std::function<Result<std::size_t>(char*, std::size_t)>& source);

  // ---- reading -------------------------------------------------------------------------------
  LogIndex last_index() const;
  Time now() const;  // of the last command
  bool founded() const;
  const v1::Found& found() const;
  const v1::Policy& policy() const;

  const Account* account(AccountId id) const;
  const ApiKey* key(const Digest& secret_hash) const;
  const Node* node(NodeId id) const;
  const Order* order(OrderId id) const;
  const Lease* lease(LeaseId id) const;
  const Payout* payout(std::uint64_t id) const;  // open ones
  const Webhook* webhook(WebhookId id) const;
  // What `member` is in the team `account`; none: no member, or only invited to be one.
  std::optional<v1::Role> role_in(AccountId account, AccountId member) const;
  const Ledger& ledger() const;
  const Book& book() const;

  // What the order's waiting tasks wait for; none: no task waits. About one match.
  std::optional<WaitsFor> waits_for(const Order& order) const;

  // Visits in ascending order of id, starting behind `after`, until `visit` says false. The
  // *_newest ones go downward from just below `before` (0: from the newest).
  void visit_accounts(AccountId after, const std::function<bool(const Account&)>& visit) const;
  void visit_keys(AccountId account, const std::function<bool(const ApiKey&)>& visit) const;
  void visit_nodes(NodeId after, const std::function<bool(const Node&)>& visit) const;
  void visit_orders_newest(OrderId before, const std::function<bool(const Order&)>& visit) const;
  void visit_leases_newest(LeaseId before, const std::function<bool(const Lease&)>& visit) const;
  void visit_payouts(const std::function<bool(const Payout&)>& visit) const;
  void visit_webhooks(const std::function<bool(const Webhook&)>& visit) const;
  // Who may act for the account; and for whom the account may.
  // Those who are invited, too.
  using VisitMember =
      std::function<bool(AccountId account, AccountId member, const Membership& membership)>;
  void visit_members(AccountId account, const VisitMember& visit) const;
  void visit_teams(AccountId member, const VisitMember& visit) const;

  struct Counts {
    std::size_t accounts = 0, nodes = 0, nodes_connected = 0, devices = 0, orders_open = 0,
                orders_waiting = 0, leases_open = 0;
  };
  Counts counts() const;

  // What should run on the node: the hub sends exactly this.
  v1::Desired desired(NodeId node) const;

  // The price of `tasks` tasks at `now` (not before now()), or why not. Reserves nothing. The
  // quote's requirements are those given with every default written out. It is the same for every
  // `renter`; what that one would be let off of the fee stands beside it.
  tl::expected<Estimate, Refusal> estimate(const v1::Requirements& requirements,
                                           std::uint32_t tasks, Time now,
                                           AccountId renter = {}) const;
  // What so much more time of the order would cost, by the state of now(); or why it cannot be had.
  tl::expected<Extension, Refusal> extension(const Order& order, Duration more) const;

 private:
  std::unique_ptr<MarketState> state_;
};

}  // namespace fallow::core
