// Members: accounts that may act for another one, which is a team then. What a role may do is the
// server's to know, as what a key may do is: the market knows accounts alone.
#include "core/authority.h"
#include "core/handlers.h"

namespace fallow::core {
namespace {

void tell_member(Step& step, const v1::SetMember& command, AccountId account) {
  step.entity = account.value;
  v1::MemberSet& told = *step.tell().mutable_member_set();
  told.set_account(account.value);
  told.set_member(command.member());
  told.set_role(command.role());
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
  if (state.members.erase(std::pair(account, member)) == 0) {
    return step.refuse(v1::NOT_FOUND, "member", "account {} is no member of account {}",
                       member.value, account.value);
  }
  state.teams.erase(std::pair(member, account));
  tell_member(step, command, account);
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
  const bool is_new = !state.members.contains(std::pair(account->id, member));
  if (is_new && (state.members.size() >= state.limits.members_max ||
                 members_of(state, account->id) >= state.limits.members_per_account_max)) {
    return step.refuse(v1::LIMIT_REACHED, "", "a team has {} members at most, the market {}",
                       state.limits.members_per_account_max, state.limits.members_max);
  }
  state.members[std::pair(account->id, member)] = command.role();
  state.teams.emplace(member, account->id);
  tell_member(step, command, account->id);
}

}  // namespace fallow::core
