#include "core/invariants.h"

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/money.h"
#include "core/blame.h"
#include "core/checks.h"
#include "core/credits.h"
#include "core/deadlines.h"
#include "core/gangs.h"
#include "core/machine.h"
#include "core/meter.h"
#include "core/orders.h"
#include "core/placement.h"
#include "core/reservation.h"
#include "core/retry.h"
#include "core/run_mode.h"
#include "core/spending.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

// Sums over all things, held against what the nouns say of themselves. Looked up, never walked.
template <class Id, class Sums>
using By = boost::unordered_flat_map<Id, Sums, NamedHash>;
struct OfNode {
  std::vector<LeaseId> leases;
  std::vector<std::uint64_t> device_thousandths;
  std::uint64_t cpu = 0, memory = 0, disk = 0;
  std::uint32_t known = 0;
};
struct OfOrder {
  Wide assigned = 0;
  std::size_t open = 0;
  std::size_t known = 0;
  std::uint32_t claims = 0;
};
struct OfAccount {
  Wide held = 0;
  Wide budget = 0;  // of open orders
  Wide pending = 0;
  std::size_t orders_open = 0;
};

class Verifier {
 public:
  explicit Verifier(const MarketState& state) : state_(state) {
    of_nodes_.reserve(state.nodes.size());
    of_orders_.reserve(state.orders.size());
    of_accounts_.reserve(state.accounts.size());
  }

  Status run() {
    expect(state_.ledger.balanced(), "the ledger does not sum to zero or an account is overdrawn");
    state_.leases.each([&](const Lease& lease) { lease_holds(lease); });
    state_.nodes.each([&](const Node& node) { node_holds(node); });
    state_.orders.each([&](const Order& order) { order_holds(order); });
    for (const auto& [unused, release] : state_.releases) {
      of_accounts_[release.provider].pending += release.amount.value;
    }
    state_.accounts.each([&](const Account& account) { account_holds(account); });
    market_holds();
    return status_;
  }

 private:
  template <class... Args>
  void expect(bool holds, fmt::format_string<Args...> format, Args&&... args) {
    if (holds || !status_) return;
    status_ = fail(ErrorCode::kCorrupt, format, std::forward<Args>(args)...);
  }

  void lease_holds(const Lease& lease) {
    const Order* const order = state_.orders.find(lease.order);
    const Node* const node = state_.nodes.find(lease.node);
    expect(order != nullptr && node != nullptr && lease.task < order->tasks.size(),
           "lease {} binds what does not exist", lease.id.value);
    expect(is_open(lease) || lease.reason != v1::END_REASON_UNSPECIFIED,
           "lease {} has ended for no reason", lease.id.value);
    if (!status_) return;
    ++of_nodes_[lease.node].known;
    ++of_orders_[lease.order].known;
    expect(lease.charged.value >= 0 && lease.charged <= lease.hold && lease.refunded.value >= 0 &&
               lease.refunded <= lease.charged,
           "lease {} is charged beyond its hold", lease.id.value);
    expect(lease.charged == bill_of(lease).charged &&
               lease.rerated_hour ==
                   (is_open(lease) ? Micros(0) : rerated_hour(*order, lease, lease.reason)),
           "lease {} is charged another price than its rate", lease.id.value);
    const bool refunds = !is_open(lease) && ending_of(lease.reason).refund;
    expect(lease.slowed.value >= 0 && lease.slowed <= lease.proven &&
               lease.credited == (is_open(lease) || refunds ? Micros(0) : credit_of(lease)) &&
               (refunds || lease.refunded == lease.credited),
           "lease {} is credited something else than its devices were slowed down by",
           lease.id.value);
    expect(lease.checkpoint.empty() == (lease.checkpoint_at.us == 0) &&
               (lease.checkpoint.empty() ? lease.checkpoint_sequence == 0
                                         : lease.checkpoint.size() == kDigestBytes),
           "lease {} has a checkpoint and none", lease.id.value);
    if (lease.spot) spot_lease_holds(lease);
    if (!is_open(lease)) {
      const Task& task = order->tasks[lease.task];
      const bool delays = task.lease == lease.id && task.retry_at.us > 0;
      delayed_ += delays ? 1 : 0;
      expect(delays ? lease.due.at == task.retry_at && DeadlineQueue::holds(lease.id, lease.due)
                    : lease.due.bucket == nullptr,
             "lease {} has ended and not ended", lease.id.value);
      return;
    }
    open_lease_holds(lease, *order);
  }

  void spot_lease_holds(const Lease& lease) {
    Duration from(0);
    for (const PriceRun& run : lease.runs) {
      expect(run.until > from && run.rate_hour.value >= 0 && run.rate_hour <= lease.rate_hour,
             "spot lease {} pays more than its bid, or for no time", lease.id.value);
      from = run.until;
    }
    expect(from == charged_time(lease), "spot lease {} has time without a price", lease.id.value);
    if (!is_open(lease) || lease.state == v1::STOPPING) return;
    ++spot_leases_;
    expect(lease.spot_floor <= lease.spot_bid &&
               state_.spot_leases.contains({lease.spot_bid, lease.id}),
           "spot lease {} has not its place by its bid", lease.id.value);
  }

  void open_lease_holds(const Lease& lease, const Order& order) {
    ++leases_open_;
    expect(lease.hold >= price_of(lease.rate_hour, lease.time_max),
           "lease {} may run for longer than its hold pays for", lease.id.value);
    expect(lease.stop_proven_max.value == 0 || lease.state == v1::STOPPING,
           "lease {} may prove what ran until its stop, and does not stop", lease.id.value);
    expect(!lease.claimant || (lease.state == v1::STOPPING && lease.spot),
           "lease {} makes room and does not stop", lease.id.value);
    const Order* const claimant = state_.orders.find(lease.claimant);
    if (claimant != nullptr && claimant->state == v1::OPEN) ++of_orders_[lease.claimant].claims;
    fees_open_ += lease.fee.value;
    of_accounts_[lease.provider].pending += lease.charged.value - lease.fee.value;
    expect(lease.fee == bill_of(lease).fee, "lease {} gives the market another fee than its share",
           lease.id.value);
    OfOrder& of_order = of_orders_[lease.order];
    of_order.assigned += lease.hold.value - lease.charged.value;
    ++of_order.open;
    const Task& task = order.tasks[lease.task];
    expect(order.state == v1::OPEN && task.state == v1::LEASED && task.lease == lease.id &&
               task.attempts == lease.attempt,
           "lease {} is open and its task does not say so", lease.id.value);
    expect(lease.due.at == deadline_of(state_, lease, *state_.nodes.find(lease.node)) &&
               DeadlineQueue::holds(lease.id, lease.due),
           "lease {} has no deadline, or a wrong one", lease.id.value);
    OfNode& of_node = of_nodes_[lease.node];
    of_node.leases.push_back(lease.id);
    of_node.cpu += lease.cpu_thousandths;
    of_node.memory += lease.memory_mb;
    of_node.disk += lease.disk_mb;
    for (const std::uint32_t device : lease.devices) {
      if (of_node.device_thousandths.size() <= device)
        of_node.device_thousandths.resize(device + 1);
      of_node.device_thousandths[device] += lease.device_thousandths;
    }
  }

  void node_holds(const Node& node) {
    OfNode& sums = of_nodes_[node.id];
    expect(sums.leases == node.leases && sums.known == node.leases_known,
           "node {} has other leases than say so", node.id.value);
    expect(sums.device_thousandths.size() <= node.devices.size(),
           "a device of node {} that it does not have is leased", node.id.value);
    if (!status_) return;
    sums.device_thousandths.resize(node.devices.size());
    for (std::size_t place = 0; place < node.devices.size(); ++place) {
      const NodeDevice& device = node.devices[place];
      expect(device.facts.index() == place &&
                 device.free_thousandths + sums.device_thousandths[place] == kWholeDevice,
             "device {} of node {} is leased beyond its capacity, or not given back", place,
             node.id.value);
    }
    const auto follows = [](std::uint64_t whole, std::uint64_t used, std::uint32_t said_used,
                            std::uint32_t said_free) {
      return used == said_used && said_free == (whole > used ? whole - used : 0);
    };
    expect(follows(node.facts.cpu_thousandths(), sums.cpu, node.cpu_thousandths_used,
                   node.cpu_thousandths_free) &&
               follows(node.facts.memory_mb(), sums.memory, node.memory_mb_used,
                       node.memory_mb_free) &&
               follows(node.facts.disk_mb(), sums.disk, node.disk_mb_used, node.disk_mb_free),
           "node {} has another capacity free than is not leased", node.id.value);
    expect(!node.removed || (node.leases.empty() && !node.connected && node.offer.id.value == 0 &&
                             node.leases_known > 0),
           "node {} is removed and still there", node.id.value);
    if (node.removed) return;
    ++nodes_present_;
    nodes_connected_ += node.connected ? 1 : 0;
    devices_ += node.devices.size();
  }

  void order_holds(const Order& order) {
    std::size_t counts[v1::TaskState_ARRAYSIZE] = {};
    std::size_t delayed = 0;
    for (const Task& task : order.tasks) {
      ++counts[task.state];
      delayed += task.retry_at.us > 0 ? 1 : 0;
      expect(task.retry_at.us == 0 || task.state == v1::WAITING,
             "a task of order {} is to be tried again that does not wait", order.id.value);
      const Lease* const lease = state_.leases.find(task.lease);
      expect(task.state != v1::WAITING || lease == nullptr ||
                 lease->fenced_at <= std::max(task.retry_at, state_.now),
             "a task of order {} may be placed before its last lease is over", order.id.value);
      if (task.state != v1::LEASED) continue;
      expect(lease != nullptr && is_open(*lease) && lease->order == order.id,
             "a task of order {} is leased without a lease", order.id.value);
    }
    expect(counts[v1::WAITING] == order.waiting && counts[v1::LEASED] == order.leased &&
               counts[v1::DONE] == order.done && counts[v1::FAILED] == order.failed &&
               counts[v1::TASK_STOPPED] == order.stopped && delayed == order.delayed,
           "order {} counts its tasks wrong", order.id.value);
    const std::uint32_t nodes = nodes_of(order.requirements);
    for (std::uint32_t at = 0; nodes > 1 && at < order.tasks.size(); at += nodes) {
      gang_holds(order, at, nodes);
    }
    const OfOrder& sums = of_orders_[order.id];
    const bool open = order.state == v1::OPEN;
    expect(sums.open == order.leased && sums.known == order.leases.size(),
           "order {} has other leases than say so", order.id.value);
    expect(open == (order.waiting + order.leased > 0), "order {} is over and open, or neither",
           order.id.value);
    expect((order.turn != 0) == has_ready(order), "order {} waits without a turn", order.id.value);
    if (order.turn != 0) {
      ++orders_waiting_;
      const Turn turn{order.turn, order.id};
      if (is_big(state_.policy, order)) ++big_waiting_;
      expect(state_.big_waiting.contains(turn) == is_big(state_.policy, order),
             "order {} is big and does not wait as such, or is not", order.id.value);
      const bool is_gang_here = is_gang(order) && !is_spot(order);
      if (is_gang_here) ++gangs_waiting_;
      expect(state_.gangs_waiting.contains(turn) == is_gang_here,
             "order {} is a gang and does not wait as such, or is not", order.id.value);
      expect(is_spot(order) ? state_.spot_waiting.contains(
                                  {-spot_bid(order.demand.requirements, Micros(0)).value, turn})
                            : state_.waiting.contains(turn),
             "order {} is not among the waiting", order.id.value);
    }
    expect(order.charged.value >= 0 && order.charged <= order.budget,
           "order {} is charged beyond its budget", order.id.value);
    const Micros held = open ? order.budget - order.charged : Micros(0);
    expect(order.held == held && sums.assigned == order.assigned.value &&
               order.assigned <= order.held && order.assigned.value >= 0,
           "the leases of order {} hold more than it does", order.id.value);
    expect(order.claims == sums.claims, "order {} counts its claims wrong", order.id.value);
    if (!open) return;
    OfAccount& of_account = of_accounts_[order.account];
    of_account.held += order.held.value;
    of_account.budget += order.budget.value;
    if (!order.project.empty()) budgets_[{order.account, order.project}] += order.budget.value;
    expect(!order.stop_asked || order.waiting == 0 || state_.stopping.contains(order.id),
           "order {} is to be stopped, and nobody does", order.id.value);
    workload_bytes_open_ += workload_bytes(order);
    ++of_account.orders_open;
    ++orders_open_all_;
    tasks_open_ += order.tasks.size();
  }

  // Placed all or none, on distinct nodes, as often as each other.
  void gang_holds(const Order& order, std::uint32_t first, std::uint32_t nodes) {
    expect(order.tasks.size() % nodes == 0, "order {} is of no whole gangs", order.id.value);
    if (!status_) return;
    absl::btree_set<NodeId> taken;
    const Lease* const one = state_.leases.find(order.tasks[first].lease);
    for (std::uint32_t at = first; at < first + nodes; ++at) {
      const Task& task = order.tasks[at];
      const Lease* const lease = state_.leases.find(task.lease);
      expect(task.attempts == order.tasks[first].attempts && (lease == nullptr) == (one == nullptr),
             "a gang of order {} is placed in part", order.id.value);
      if (!status_ || lease == nullptr) continue;
      expect(lease->placed_index == one->placed_index && taken.insert(lease->node).second,
             "two members of a gang of order {} share a node or were placed apart", order.id.value);
    }
  }

  void reservation_holds() {
    if (!state_.reservation) return;
    const Reservation& kept = *state_.reservation;
    const Order* const order = state_.orders.find(kept.order);
    expect(order != nullptr, "the reservation is for order {}, which is not there",
           kept.order.value);
    if (!status_) return;
    expect(is_big(state_.policy, *order) && kept.nodes.size() == nodes_of(order->requirements) &&
               std::is_sorted(kept.nodes.begin(), kept.nodes.end()) &&
               std::adjacent_find(kept.nodes.begin(), kept.nodes.end()) == kept.nodes.end(),
           "the reservation of order {} keeps other nodes than it needs", kept.order.value);
    expect(state_.reservation_touched || order->quote_until.us != 0 ||
               nodes_stand(state_, kept, order->demand),
           "the reservation of order {} has fallen unnoticed", kept.order.value);
  }

  void account_holds(const Account& account) {
    const OfAccount& sums = of_accounts_[account.id];
    expect(sums.held == state_.ledger.balance({account.id, v1::HELD}).value,
           "account {} holds other money than its open orders", account.id.value);
    const auto covers = [&](const std::string& project, const Budget& budget, Wide used) {
      expect(budget.used.value >= used,
             "project \"{}\" of account {} counts less than its open orders", project,
             account.id.value);
    };
    covers("", account.total, sums.budget);
    for (const auto& [project, budget] : account.projects) {
      const auto used = budgets_.find({account.id, project});
      covers(project, budget, used == budgets_.end() ? 0 : used->second);
    }
    for (std::size_t i = 0; i < account.spent.size(); ++i) {
      expect(account.spent.size() <= static_cast<std::size_t>(kSpendingDays) &&
                 (i == 0 || account.spent[i - 1].day < account.spent[i].day),
             "account {} counts its days of spending wrong", account.id.value);
    }
    expect(sums.orders_open == account.orders_open, "account {} counts its open orders wrong",
           account.id.value);
    expect(sums.pending == state_.ledger.balance({account.id, v1::PENDING}).value,
           "account {} has other pending earnings than its leases", account.id.value);
    const Micros owed = state_.ledger.balance({account.id, v1::OWED});
    debts_ -= owed.value;
    expect(owed.value == 0 || (state_.ledger.balance({account.id, v1::WALLET}).value == 0 &&
                               state_.ledger.balance({account.id, v1::EARNED}).value == 0),
           "account {} owes what it could pay", account.id.value);
  }

  void market_holds() {
    Wide payouts = 0;
    for (const auto& [unused, payout] : state_.payouts) payouts += payout.amount.value;
    expect(payouts == state_.payouts_total.value, "payouts are summed wrong");
    expect(debts_ == state_.debts_total.value, "debts are summed wrong");
    absl::btree_map<AccountId, Micros> reversible;
    for (const auto& [unused, deposit] : state_.reversible) {
      reversible[deposit.account] += deposit.amount;
    }
    expect(reversible == state_.reversible_of, "reversible deposits are summed wrong");
    expect(fees_open_ == state_.fees_open.value &&
               state_.ledger.balance(kMarketFee) >= state_.fees_open,
           "the market has not the fees that open leases may get back");
    expect(leases_open_ == state_.leases_open && state_.deadlines.size() == leases_open_ + delayed_,
           "open leases are counted wrong");
    expect(orders_open_all_ == state_.orders_open && tasks_open_ == state_.tasks_open,
           "open orders are counted wrong");
    expect(orders_waiting_ == state_.waiting.size() + state_.spot_waiting.size() &&
               big_waiting_ == state_.big_waiting.size() &&
               gangs_waiting_ == state_.gangs_waiting.size(),
           "waiting orders are counted wrong");
    reservation_holds();
    expect(std::all_of(state_.fresh_again.begin(), state_.fresh_again.end(),
                       [&](NodeId node) { return state_.fresh.contains(node); }),
           "a node is to be tested again that is not tested");
    expect(std::includes(state_.spot_waiting.begin(), state_.spot_waiting.end(),
                         state_.spot_dirty.begin(), state_.spot_dirty.end()),
           "a spot order is to be matched that does not wait");
    expect(spot_leases_ == state_.spot_leases.size(), "spot leases are counted wrong");
    expect(std::all_of(state_.spot_leases.begin(), state_.spot_leases.end(),
                       [&](const SpotPlace& place) {
                         const Lease& lease = *state_.leases.find(place.lease);
                         const PriceIndex* const index =
                             state_.nodes.find(lease.node)->counted.index;
                         return index == nullptr || index->spot_leases.contains(place);
                       }),
           "a spot lease does not count in its class");
    expect(std::all_of(state_.dirty.begin(), state_.dirty.end(),
                       [&](const Turn& turn) { return state_.waiting.contains(turn); }),
           "an order is to be matched that does not wait");
    expect(nodes_present_ == state_.nodes_present && nodes_connected_ == state_.nodes_connected &&
               devices_ == state_.devices && nodes_present_ == state_.node_keys.size() &&
               nodes_present_ == state_.book->size(),
           "nodes are counted wrong");
    expect(state_.keys.size() == state_.key_owners.size() &&
               state_.requests.size() == state_.answers.size() &&
               state_.deposits.size() == state_.deposit_places.size(),
           "keys, requests or deposits are counted wrong");
    expect(state_.members.size() == state_.teams.size() &&
               std::all_of(state_.members.begin(), state_.members.end(),
                           [&](const auto& each) {
                             return state_.teams.contains(
                                 std::pair(each.first.second, each.first.first));
                           }),
           "teams and their members are not the same");
    ended_hold();
    spot_seen_holds();
    reservation_next_holds();
    prices_hold();
  }

  void prices_hold() {
    struct Sums {
      std::uint64_t nodes = 0;
      std::uint64_t offered = 0;
      std::uint64_t leased = 0;
    };
    boost::unordered_flat_map<const PriceIndex*, Sums> sums;
    std::size_t followers = 0;
    state_.nodes.each([&](const Node& node) {
      const Node::Counted& counted = node.counted;
      expect(node.priced == (counted.index != nullptr),
             "node {} does not know whether it counts in a price class", node.id.value);
      if (node.offer.ceiling.value > 0) {
        ++followers;
        expect(state_.followers.contains(node.id), "the offer of node {} follows no index",
               node.id.value);
      }
      if (counted.index == nullptr) return;
      const auto capacity = PriceIndexes::capacity_of(node);
      expect(!node.removed && counted.index->key == price_class_of(node) &&
                 counted.offered_thousandths == capacity.offered_thousandths &&
                 counted.leased_thousandths == capacity.leased_thousandths,
             "node {} counts in its price class with other capacity than it has", node.id.value);
      Sums& of_class = sums[counted.index];
      ++of_class.nodes;
      of_class.offered += capacity.offered_thousandths;
      of_class.leased += capacity.leased_thousandths;
    });
    expect(followers == state_.followers.size(), "offers that follow an index are counted wrong");
    std::size_t classes = 0;
    state_.indexes.visit([&](const PriceIndex& index) {
      ++classes;
      for (const SpotPlace& place : index.spot_leases) {
        const Lease* const lease = state_.leases.find(place.lease);
        expect(lease != nullptr && state_.spot_leases.contains(place) &&
                   state_.nodes.find(lease->node)->counted.index == &index,
               "a spot lease counts in the class \"{}\" in \"{}\" without running there",
               index.key.model, index.key.region);
      }
      const Sums& of_class = sums[&index];
      expect(of_class.nodes > 0 && of_class.nodes == index.nodes &&
                 of_class.offered == index.offered_thousandths &&
                 of_class.leased == index.leased_thousandths,
             "the price class \"{}\" in \"{}\" counts its nodes wrong", index.key.model,
             index.key.region);
    });
    expect(classes == sums.size(), "a node counts in a price class that is not there");
  }

  void reservation_next_holds() {
    if (!state_.reservation_next) return;
    expect(!state_.reservation && state_.big_waiting.contains(*state_.reservation_next),
           "the reservation is offered to an order that is not there");
  }

  void spot_seen_holds() {
    for (const auto& [id, seen] : state_.spot_seen) {
      const Order* const order = state_.orders.find(id);
      expect(order != nullptr && order->state == v1::OPEN && has_deadline(*order) &&
                 seen.is_sound(state_.now),
             "order {} remembers spot without a deadline", id.value);
    }
  }

  void ended_hold() {
    boost::unordered_flat_set<OrderId, NamedHash> ended;
    std::size_t leases = 0;
    std::size_t tasks = 0;
    std::size_t bytes = 0;
    for (const OrderId id : state_.ended) {
      const Order* const order = state_.orders.find(id);
      expect(order != nullptr && order->state != v1::OPEN && ended.insert(id).second,
             "order {} is not among the ended", id.value);
      if (!status_) return;
      leases += order->leases.size();
      tasks += order->tasks.size();
      bytes += workload_bytes(*order);
    }
    expect(
        ended.size() + orders_open_all_ == state_.orders.size() && leases == state_.leases_of_ended,
        "ended orders are counted wrong");
    expect(tasks == state_.tasks_of_ended && bytes == state_.workload_bytes_of_ended &&
               workload_bytes_open_ == state_.workload_bytes_open,
           "tasks and workloads are summed wrong");
    expect(std::all_of(state_.stopping.begin(), state_.stopping.end(),
                       [&](OrderId id) {
                         const Order* const order = state_.orders.find(id);
                         return order != nullptr && order->state == v1::OPEN && order->stop_asked;
                       }),
           "an order is to be stopped that nobody stopped");
  }

  const MarketState& state_;
  Status status_;
  By<NodeId, OfNode> of_nodes_;
  By<OrderId, OfOrder> of_orders_;
  By<AccountId, OfAccount> of_accounts_;
  absl::btree_map<std::pair<AccountId, std::string>, Wide> budgets_;  // of open orders, by project
  std::size_t workload_bytes_open_ = 0;
  std::size_t spot_leases_ = 0;
  Wide fees_open_ = 0;
  Wide debts_ = 0;
  std::size_t leases_open_ = 0;
  std::size_t orders_open_all_ = 0;
  std::size_t orders_waiting_ = 0;
  std::size_t delayed_ = 0;  // tasks, by their leases
  std::size_t big_waiting_ = 0;
  std::size_t gangs_waiting_ = 0;
  std::size_t tasks_open_ = 0;
  std::size_t nodes_present_ = 0;
  std::size_t nodes_connected_ = 0;
  std::size_t devices_ = 0;
};

}  // namespace

Status verify(const MarketState& state) { return Verifier(state).run(); }

void Machine::check_invariants() const {
  const Status status = verify(*state_);
  FALLOW_CHECK(status.has_value(), "{}", status.error().message);
}

}  // namespace fallow::core
