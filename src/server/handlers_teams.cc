// The service Teams: who else may act for an account, and for whom the account may.
#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/views.h"

namespace fallow::server {
namespace {

net::Task<Answer<v1::ListMembersResponse>> list_members(Call& call, const v1::ListMembersRequest&) {
  const std::function<Answer<v1::ListMembersResponse>(const core::Machine&)> look =
      [&call](const core::Machine& machine) -> Answer<v1::ListMembersResponse> {
    v1::ListMembersResponse response;
    machine.visit_members(call.caller().account, [&](AccountId account, AccountId member,
                                                     const core::Membership& membership) {
      *response.add_members() = member_view(account, member, membership, machine);
      return true;
    });
    return response;
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::ListTeamsResponse>> list_teams(Call& call, const v1::ListTeamsRequest&) {
  constexpr int kTeamsMax = 1'000;
  const std::function<Answer<v1::ListTeamsResponse>(const core::Machine&)> look =
      [&call](const core::Machine& machine) -> Answer<v1::ListTeamsResponse> {
    v1::ListTeamsResponse response;
    machine.visit_teams(call.caller().account, [&](AccountId account, AccountId member,
                                                   const core::Membership& membership) {
      *response.add_teams() = member_view(account, member, membership, machine);
      return response.teams_size() < kTeamsMax;
    });
    return response;
  };
  co_return co_await call.visit(look);
}

// What the command has made of a membership. Where it was carried out before, and what it ended is
// not known any more, nothing is told of the member.
v1::MemberView member_after(const Done& done, AccountId account, AccountId member) {
  core::Membership now{v1::ROLE_UNSPECIFIED, true};
  done.machine.visit_members(account,
                             [&](AccountId, AccountId each, const core::Membership& membership) {
                               if (each == member) now = membership;
                               return each < member;
                             });
  for (const v1::Event& event : done.events) {
    if (!event.has_member_set()) continue;
    now = {event.member_set().role(), event.member_set().invited()};
  }
  return member_view(account, member, now, done.machine);
}

net::Task<Answer<v1::MemberView>> set_member(Call& call, const v1::SetMemberRequest& request) {
  if (request.role() == v1::ROLE_UNSPECIFIED) {
    co_return refuse_field("role",
                           "a member is an OWNER, MEMBER, BILLING or VIEWER; DELETE ends it");
  }
  const AccountId account = call.caller().account;
  // A member may what the whole account may, and for as long as it is one: no key gives more than
  // it has, nor what outlives it.
  const std::function<Answer<core::ScopeSet>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<core::ScopeSet> {
    return machine.account(account)->scopes;
  };
  FALLOW_CO_ASSIGN(const core::ScopeSet all, co_await call.visit(look));
  if (call.caller().expires_at.us != 0 || (all & ~call.caller().scopes) != 0) {
    co_return refuse(403, "not_allowed",
                     "this key has not all scopes of account {}, or it expires: use one that has "
                     "and does not",
                     account.value);
  }
  v1::Command command;
  v1::SetMember& set = *command.mutable_set_member();
  set.set_account(account.value);
  set.set_member(request.member());
  set.set_role(request.role());
  set.set_invite(true);
  const std::function<Answer<v1::MemberView>(const Done&)> take =
      [&](const Done& done) -> Answer<v1::MemberView> {
    return member_after(done, account, AccountId(request.member()));
  };
  co_return co_await call.submit(std::move(command), take);
}

// By the team, or by the member.
net::Task<Answer<v1::MemberView>> end_membership(Call& call, AccountId account, AccountId member) {
  v1::Command command;
  command.mutable_set_member()->set_account(account.value);
  command.mutable_set_member()->set_member(member.value);
  const std::function<Answer<v1::MemberView>(const Done&)> take =
      [&](const Done& done) -> Answer<v1::MemberView> {
    return member_after(done, account, member);
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::MemberView>> remove_member(Call& call,
                                                const v1::RemoveMemberRequest& request) {
  co_return co_await end_membership(call, call.caller().account, AccountId(request.member()));
}

net::Task<Answer<v1::MemberView>> join_team(Call& call, const v1::JoinTeamRequest& request) {
  const AccountId account(request.team());
  v1::Command command;
  command.mutable_join_team()->set_account(account.value);
  const std::function<Answer<v1::MemberView>(const Done&)> take =
      [&](const Done& done) -> Answer<v1::MemberView> {
    return member_after(done, account, call.caller().account);
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::MemberView>> leave_team(Call& call, const v1::LeaveTeamRequest& request) {
  co_return co_await end_membership(call, AccountId(request.team()), call.caller().account);
}

}  // namespace

void add_team_handlers(Handlers& handlers) {
  handlers.add("Teams.ListMembers", list_members);
  handlers.add("Teams.SetMember", set_member);
  handlers.add("Teams.RemoveMember", remove_member);
  handlers.add("Teams.ListTeams", list_teams);
  handlers.add("Teams.JoinTeam", join_team);
  handlers.add("Teams.LeaveTeam", leave_team);
}

}  // namespace fallow::server
