// Members: accounts that may act for another one, which is a team then. They are asked first. What
// a role may do is the server's to know, as what a key may do is: the market knows accounts alone.
#include "core/authority.h"
#include "core/handlers.h"

namespace fallow::core {
namespace {

void tell_member(Step& step, AccountId account, AccountId member, const Membership& membership) {
  step.entity = account.value;
  v1::MemberSet& told = *step.tell().mutable_member_set();
  told.set_account(account.value);
  told.set_member(member.value);
  told.set_role(membership.role);
  told.set_invited(membership.invited);
}

std::size_t members_of(const MarketState& state, AccountId account) {
  std::size_t count = 0;
  for (auto at = state.members.lower_bound(std::pair(account, AccountId()));
       at != state.members.end() && at->first.first == account; ++at) {
    ++count;
  }
  return count;
}

void remove_member(Step& step, const v1::SetMember& command) {
  MarketState& state = step.state;
  const AccountId member(command.member());
  AccountId account(command.account());
  // Who wants no more of it needs nobody's leave.
  const bool leaves = step.actor.value != 0 && step.actor == member;
  if (!leaves) {
    const Account* const acting = acting_for(step, account, v1::SCOPE_UNSPECIFIED);
    if (acting == nullptr) return;
    account = acting->id;
  }
  const auto found = state.members.find(std::pair(account, member));
  if (found == state.members.end()) {
    return step.refuse(v1::NOT_FOUND, "member", "account {} is no member of account {}",
                       member.value, account.value);
  }
  const Membership ended{v1::ROLE_UNSPECIFIED, found->second.invited};
  state.members.erase(found);
  state.teams.erase(std::pair(member, account));
  tell_member(step, account, member, ended);
}

}  // namespace

void handle(Step& step, const v1::SetMember& command) {
  MarketState& state = step.state;
  if (command.role() == v1::ROLE_UNSPECIFIED) return remove_member(step, command);
  if (!v1::Role_IsValid(command.role())) {
    return step.refuse(v1::VALUE_INVALID, "role", "there is no such role");
  }
  const Account* const account =
      acting_for(step, AccountId(command.account()), v1::SCOPE_UNSPECIFIED);
  if (account == nullptr) return;
  const AccountId member(command.member());
  if (member == account->id) {
    return step.refuse(v1::VALUE_INVALID, "member", "an account is not its own member");
  }
  if (state.accounts.find(member) == nullptr) {
    return step.refuse(v1::ACCOUNT_UNKNOWN, "member", "no account {} exists", member.value);
  }
  const auto known = state.members.find(std::pair(account->id, member));
  const bool is_new = known == state.members.end();
  if (is_new && (state.members.size() >= state.limits.members_max ||
                 members_of(state, account->id) >= state.limits.members_per_account_max)) {
    return step.refuse(v1::LIMIT_REACHED, "", "a team has {} members at most, the market {}",
                       state.limits.members_per_account_max, state.limits.members_max);
  }
  // Who has accepted once is not asked about another role. Logs from before members were asked have
  // them at once.
  const Membership set{command.role(), command.invite() && (is_new || known->second.invited)};
  state.members[std::pair(account->id, member)] = set;
  state.teams.emplace(member, account->id);
  tell_member(step, account->id, member, set);
}

// By the account itself alone: no operator accepts for others.
void handle(Step& step, const v1::JoinTeam& command) {
  MarketState& state = step.state;
  if (state.accounts.find(step.actor) == nullptr) {
    return step.refuse(v1::ACCOUNT_UNKNOWN, "actor", "no account {} exists", step.actor.value);
  }
  const AccountId account(command.account());
  const auto found = state.members.find(std::pair(account, step.actor));
  if (found == state.members.end()) {
    return step.refuse(v1::NOT_FOUND, "account", "account {} has not invited account {}",
                       account.value, step.actor.value);
  }
  found->second.invited = false;
  tell_member(step, account, step.actor, found->second);
}

}  // namespace fallow::core
