#include "sim/people.h"

#include <fmt/core.h>

#include <array>
#include <utility>

#include "sim/naive_matcher.h"

namespace fallow::sim {
namespace {

constexpr std::size_t kRenters = 3;
constexpr std::uint64_t kOperator = 4096;  // made by command 1

std::string bytes_of(std::uint64_t number, std::size_t size) {
  std::string bytes(size, '\0');
  for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<char>((number >> (8 * i)) & 0xFF);
  return bytes;
}

v1::Command command_by(std::uint64_t actor) {
  v1::Command command;
  command.set_actor(actor);
  return command;
}

void ignore(std::uint64_t, bool) {}

}  // namespace

People::People(World& world, Watch& watch, SimServer& server,
               std::vector<std::unique_ptr<SimAgent>>& agents)
    : world_(world), watch_(watch), server_(server), agents_(agents), renters_(kRenters) {}

// ---- requests
// ------------------------------------------------------------------------------------

void People::call(v1::Command command, Done done) {
  command.set_request_key(bytes_of(++requests_, 16));
  command.set_request_fingerprint(bytes_of(requests_, 8));
  ++open_requests_;
  auto call = std::make_shared<Call>();
  call->command = std::move(command);
  call->done = std::move(done);
  send(call);
}

void People::send(const std::shared_ptr<Call>& call) {
  if (call->answered) return;
  const int copies = world_.fault_in(50) ? 2 : world_.fault_in(50) ? 0 : 1;
  for (int i = 0; i < copies; ++i) {
    world_.after(world_.between(milliseconds(1), milliseconds(60)), [this, call] {
      server_.submit_command(call->command,
                             [this, call](const Result<engine::Applied>& applied,
                                          const core::Machine&) { hear(call, applied); });
    });
  }
  // Asked again until there is an answer.
  world_.after(world_.between(seconds(3), seconds(9)), [this, call] { send(call); });
}

void People::hear(const std::shared_ptr<Call>& call, const Result<engine::Applied>& applied) {
  if (!applied || world_.fault_in(50)) return;  // told to come back later, or the answer is lost
  std::uint64_t entity = 0;
  bool refused = false;
  for (const v1::Event& event : applied->events) {
    if (event.has_refused()) refused = true;
    if (event.has_repeated()) entity = event.repeated().entity();
    if (event.has_account_opened()) entity = event.account_opened().account();
    if (event.has_node_joined()) entity = event.node_joined().node();
    if (event.has_order_accepted()) entity = event.order_accepted().order();
    if (event.has_payout_requested()) entity = event.payout_requested().payout();
  }
  world_.after(world_.between(milliseconds(1), milliseconds(60)),
               [this, call, entity, refused, index = applied->index] {
                 if (std::exchange(call->answered, true)) return;
                 --open_requests_;
                 watch_.answered(index);
                 call->done(entity, refused);
               });
}

void People::begin() {
  providers_.resize(agents_.size());
  for (std::size_t i = 0; i < renters_.size(); ++i) begin_renter(i);
  for (std::size_t i = 0; i < agents_.size(); ++i) begin_provider(i);
  operator_loop();
}

// ---- renters
// -------------------------------------------------------------------------------------

void People::begin_renter(std::size_t renter) {
  v1::Command command = command_by(kOperator);
  command.mutable_open_account()->set_name(fmt::format("renter {}", renter));
  command.mutable_open_account()->add_scopes(v1::RENTER);
  call(std::move(command), [this, renter](std::uint64_t account, bool) {
    renters_[renter].account = account;
    // The last one is poor.
    deposit(renter, renter + 1 == renters_.size() ? 150'000 : 20'000'000);
    if (renter == 1) {
      v1::Command limit = command_by(kOperator);
      limit.mutable_set_budget()->set_account(account);
      limit.mutable_set_budget()->set_month_micros_max(1'500'000);
      call(std::move(limit), ignore);
    }
    renter_loop(renter);
  });
}

void People::deposit(std::size_t renter, std::int64_t micros) {
  v1::Command command = command_by(kOperator);
  command.mutable_deposit()->set_account(renters_[renter].account);
  command.mutable_deposit()->set_amount_micros(micros);
  command.mutable_deposit()->set_reference(fmt::format("deposit {}", ++deposits_));
  call(std::move(command), ignore);
}

void People::renter_loop(std::size_t renter) {
  world_.after(world_.between(seconds(10), minutes(3)), [this, renter] {
    if (world_.calm()) return;
    order(renter);
    if (world_.one_in(40)) deposit(renter, 100'000);
    renter_loop(renter);
  });
}

void People::order(std::size_t renter) {
  v1::SubmitOrder order;
  order.set_account(renters_[renter].account);
  order.set_name(fmt::format("order {}", ++orders_));
  *order.mutable_requirements() = random_requirements(world_.random());
  if (world_.one_in(25)) order.mutable_requirements()->set_query("gpu_name=H900");
  const std::uint32_t nodes = std::max(order.requirements().nodes(), 1U);
  order.set_tasks(nodes * static_cast<std::uint32_t>(1 + world_.random().below(nodes > 1 ? 2 : 4)));
  order.set_wait(!world_.one_in(4));
  if (world_.one_in(3))
    order.set_attempts_max(static_cast<std::uint32_t>(1 + world_.random().below(4)));
  if (world_.one_in(6)) {
    order.set_budget_micros_max(static_cast<std::int64_t>(2'000 + world_.random().below(60'000)));
  }
  if (world_.one_in(5)) {
    order.set_restart_us(seconds(20).value);
    order.set_deadline_after_us(order.requirements().duration_us() + order.restart_us() +
                                world_.between(minutes(1), hours(1)).value);
  }
  const auto behaviour = world_.one_in(2)
                             ? Behaviour::kDone
                             : static_cast<Behaviour>(world_.random().below(kBehaviours));
  *order.mutable_workload() = workload_of(behaviour, world_.between(seconds(1), minutes(6)));

  const core::Machine* machine = server_.machine();
  if (machine == nullptr || !machine->founded() || world_.one_in(2)) return submit(renter, order);
  // With a quote: it is used at once, or after a while in which prices change or it runs out.
  const auto estimate = machine->estimate(order.requirements(), order.tasks(), machine->now());
  if (!estimate) return submit(renter, order);
  *order.mutable_quote() = estimate->quote;
  *order.mutable_requirements() = estimate->quote.requirements();
  const Duration thinks = world_.one_in(3) ? world_.between(seconds(10), minutes(6))
                                           : world_.between(milliseconds(10), seconds(5));
  world_.after(thinks, [this, renter, order = std::move(order)] {
    if (!world_.calm()) submit(renter, order);
  });
}

void People::submit(std::size_t renter, v1::SubmitOrder order) {
  watch_.ordered(Bound{order.name(), order.budget_micros_max(),
                       order.has_quote() ? order.quote().total_micros() : 0});
  const bool gang = order.requirements().nodes() > 1;
  v1::Command command = command_by(renters_[renter].account);
  *command.mutable_submit_order() = std::move(order);
  call(std::move(command), [this, renter, gang](std::uint64_t entity, bool refused) {
    if (refused) return;
    if (world_.one_in(4)) change_mind(renter, entity);
    if (world_.one_in(4)) extend(renter, entity);
    if (gang) stop_waiting(renter, entity);
  });
}

// One node can serve every wish; of nodes enough for a gang nobody can be sure.
void People::stop_waiting(std::size_t renter, std::uint64_t order) {
  world_.after(minutes(20), [this, renter, order] {
    v1::Command command = command_by(renters_[renter].account);
    command.mutable_stop_order()->set_order(order);
    call(std::move(command), ignore);
  });
}

void People::extend(std::size_t renter, std::uint64_t order) {
  world_.after(world_.between(milliseconds(1), minutes(5)), [this, renter, order] {
    v1::Command command = command_by(renters_[renter].account);
    command.mutable_extend_order()->set_order(order);
    command.mutable_extend_order()->set_more_us(world_.between(seconds(1), minutes(6)).value);
    call(std::move(command), ignore);
  });
}

void People::change_mind(std::size_t renter, std::uint64_t order) {
  world_.after(world_.between(milliseconds(1), minutes(5)), [this, renter, order] {
    v1::Command command = command_by(renters_[renter].account);
    command.mutable_stop_order()->set_order(order);
    const core::Machine* machine = server_.machine();
    const core::Order* known = machine == nullptr ? nullptr : machine->order(OrderId(order));
    if (known != nullptr && !known->leases.empty() && world_.one_in(2)) {
      command.mutable_stop_lease()->set_lease(known->leases.back().value);
    }
    call(std::move(command), ignore);
  });
}

// ---- providers and owners
// ------------------------------------------------------------------------

void People::begin_provider(std::size_t agent) {
  v1::Command command = command_by(kOperator);
  command.mutable_open_account()->set_name(fmt::format("provider {}", agent));
  command.mutable_open_account()->add_scopes(v1::PROVIDER);
  call(std::move(command), [this, agent](std::uint64_t account, bool) {
    providers_[agent].account = account;
    join(agent);
    provider_loop(agent);
    owner_loop(agent);
  });
}

void People::join(std::size_t agent) {
  providers_[agent].leaving = true;
  const std::string secret = bytes_of(++tokens_, 32);
  v1::Command command = command_by(providers_[agent].account);
  command.mutable_create_join_token()->set_account(providers_[agent].account);
  command.mutable_create_join_token()->set_secret_hash(secret);
  command.mutable_create_join_token()->set_uses_max(1);
  call(std::move(command), [this, agent, secret](std::uint64_t, bool) {
    v1::Command joining;
    joining.mutable_join_node()->set_secret_hash(secret);
    const PublicKey& key = agents_[agent]->public_key();
    joining.mutable_join_node()->set_public_key(std::string(key.begin(), key.end()));
    *joining.mutable_join_node()->mutable_facts() = agents_[agent]->facts();
    call(std::move(joining), [this, agent](std::uint64_t node, bool refused) {
      if (refused) return world_.fail(fmt::format("agent {} could not join", agent));
      providers_[agent].leaving = false;
      agents_[agent]->join(NodeId(node));
      set_offer(agent, static_cast<std::int64_t>(100'000 + world_.random().below(600'000)));
    });
  });
}

void People::set_offer(std::size_t agent, std::int64_t device_hour_micros) {
  constexpr std::array kShares = {250U, 250U, 500U, 1'000U};
  v1::Command command = command_by(providers_[agent].account);
  v1::SetOffer& offer = *command.mutable_set_offer();
  offer.set_node(agents_[agent]->node().value);
  offer.set_device_hour_micros(device_hour_micros);
  if (!world_.calm() && world_.one_in(3)) {
    offer.set_device_hour_micros_min(device_hour_micros / 2);
    offer.set_device_hour_micros_max(device_hour_micros * 2);
  }
  offer.set_disk_gb_hour_micros(world_.calm() ? 0 : 1'000);
  if (world_.calm() || world_.one_in(2)) {
    offer.set_spot(true);
    offer.set_spot_floor_micros(static_cast<std::int64_t>(
        world_.random().below(static_cast<std::uint64_t>(device_hour_micros))));
  }
  if (world_.one_in(2)) {
    const auto off = static_cast<std::uint32_t>(world_.random().below(2'000));
    offer.mutable_discounts()->set_hour_basis_points(off);
    offer.mutable_discounts()->set_day_basis_points(2 * off);
    offer.mutable_discounts()->set_week_basis_points(2 * off);
    offer.mutable_discounts()->set_month_basis_points(2 * off + 500);
  }
  offer.set_share_thousandths_min(world_.calm() ? 1
                                                : kShares[world_.random().below(kShares.size())]);
  call(std::move(command), ignore);
}

void People::provider_loop(std::size_t agent) {
  world_.after(world_.between(seconds(30), minutes(6)), [this, agent] {
    if (world_.calm()) return;
    Provider& provider = providers_[agent];
    const bool is_member = !provider.leaving && agents_[agent]->node().value != 0;
    if (is_member && agents_[agent]->has_quit() && !agents_[agent]->is_running()) {
      join(agent);
    } else if (is_member && world_.one_in(25)) {
      v1::Command command = command_by(provider.account);
      command.mutable_remove_node()->set_node(agents_[agent]->node().value);
      call(std::move(command), ignore);
    } else if (is_member && world_.one_in(8)) {
      v1::Command command = command_by(provider.account);
      command.mutable_withdraw_offer()->set_node(agents_[agent]->node().value);
      call(std::move(command), ignore);
    } else if (is_member) {
      set_offer(agent, static_cast<std::int64_t>(100'000 + world_.random().below(900'000)));
    }
    provider_loop(agent);
  });
}

void People::owner_loop(std::size_t agent) {
  world_.after(world_.between(minutes(1), minutes(20)), [this, agent] {
    if (world_.calm()) return;
    agents_[agent]->set_owner(world_.one_in(4) ? v1::OWNER_PAUSED : v1::OWNER_PRESENT);
    const Duration stays = world_.one_in(2) ? world_.between(milliseconds(100), seconds(6))
                                            : world_.between(seconds(6), minutes(4));
    world_.after(stays, [this, agent] {
      agents_[agent]->set_owner(v1::OWNER_AWAY);
      owner_loop(agent);
    });
  });
}

// ---- the operator
// --------------------------------------------------------------------------------

void People::operator_loop() {
  world_.after(world_.between(minutes(2), minutes(6)), [this] {
    const core::Machine* machine = server_.machine();
    if (machine != nullptr) {
      machine->visit_payouts([&](const core::Payout& payout) {
        v1::Command command = command_by(kOperator);
        command.mutable_settle_payout()->set_payout(payout.id);
        command.mutable_settle_payout()->set_paid(!world_.one_in(3));
        command.mutable_settle_payout()->set_reference("rail");
        call(std::move(command), ignore);
        return true;
      });
      for (const Provider& provider : providers_) {
        const Micros earned = machine->ledger().balance({AccountId(provider.account), v1::EARNED});
        if (world_.calm() || earned.value < 2) continue;
        v1::Command command = command_by(provider.account);
        command.mutable_withdraw()->set_account(provider.account);
        command.mutable_withdraw()->set_amount_micros(earned.value / 2);
        command.mutable_withdraw()->set_destination("bank");
        call(std::move(command), ignore);
      }
    }
    operator_loop();
  });
}

void People::change_silence_rule() {
  const core::Machine* machine = server_.machine();
  if (machine == nullptr || !machine->founded()) return;
  world_.reach(Mark::kSilenceRuleChanged);
  v1::Command command = command_by(kOperator);
  v1::Policy& policy = *command.mutable_set_policy()->mutable_policy();
  policy = machine->policy();
  const Duration close_after = world_.between(seconds(12), kCloseAfterMax);
  policy.set_close_after_us(close_after.value);
  policy.set_suspend_after_us(close_after.value / 2);
  call(std::move(command), ignore);
}

// ---- the end
// -------------------------------------------------------------------------------------

void People::settle() {
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    SimAgent& agent = *agents_[i];
    if (providers_[i].leaving || agent.node().value == 0) continue;
    if (agent.has_quit()) {
      if (!agent.is_running()) join(i);
    } else {
      agent.set_owner(v1::OWNER_AWAY);
      set_offer(i, 1'000);
    }
  }
  // Again, for a node that was removed a moment ago and has yet to come back.
  world_.after(minutes(2), [this] { settle(); });
}

bool People::settled() const {
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    if (providers_[i].leaving || agents_[i]->has_quit()) return false;
  }
  return open_requests_ == 0;
}

}  // namespace fallow::sim
