// fallow team: who else may act for this account, and for whom the account may.
#include "cli/command.h"
#include "cli/scopes.h"

namespace fallow::cli {
namespace {

struct TeamOptions {
  std::uint64_t account = 0;
  std::string role;
};

void print_member(const Context& context, Table& table, const v1::MemberView& member,
                  bool as_team) {
  if (context.json) return print_json(member);
  table.add({std::to_string(as_team ? member.account() : member.member()),
             printable(as_team ? member.account_name() : member.member_name()),
             lower(v1::Role_Name(member.role()))});
}

int list_members(const Context& context, const TeamOptions&) {
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto found =
      api->call<v1::ListMembersResponse>("Teams.ListMembers", v1::ListMembersRequest());
  if (!found) return report(context, found.error());
  Table table({"ACCOUNT", "NAME", "ROLE"});
  for (const v1::MemberView& member : found->members()) {
    print_member(context, table, member, false);
  }
  if (!context.json) table.print("nobody else acts for this account");
  return kDone;
}

int list_teams(const Context& context, const TeamOptions&) {
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto found = api->call<v1::ListTeamsResponse>("Teams.ListTeams", v1::ListTeamsRequest());
  if (!found) return report(context, found.error());
  Table table({"TEAM", "NAME", "ROLE"});
  for (const v1::MemberView& team : found->teams()) print_member(context, table, team, true);
  if (!context.json) table.print("this account acts for no other one");
  return kDone;
}

int set_member(const Context& context, const TeamOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::SetMemberRequest request;
  request.set_member(options.account);
  request.set_role(role_of(options.role));
  const auto member = api->call<v1::MemberView>("Teams.SetMember", request);
  if (!member) return report(context, member.error());
  if (context.json) {
    print_json(*member);
  } else {
    std::printf("%s acts for account %llu as %s\n", printable(member->member_name()).c_str(),
                static_cast<unsigned long long>(member->account()), options.role.c_str());
  }
  return kDone;
}

int remove_member(const Context& context, const TeamOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::RemoveMemberRequest request;
  request.set_member(options.account);
  const auto member = api->call<v1::MemberView>("Teams.RemoveMember", request);
  if (!member) return report(context, member.error());
  if (context.json) {
    print_json(*member);
  } else {
    std::printf("%s acts for account %llu no more\n", printable(member->member_name()).c_str(),
                static_cast<unsigned long long>(member->account()));
  }
  return kDone;
}

int leave_team(const Context& context, const TeamOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::LeaveTeamRequest request;
  request.set_team(options.account);
  const auto member = api->call<v1::MemberView>("Teams.LeaveTeam", request);
  if (!member) return report(context, member.error());
  if (context.json) {
    print_json(*member);
  } else {
    std::printf("you act for %s no more\n", printable(member->account_name()).c_str());
  }
  return kDone;
}

}  // namespace

void add_team(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<TeamOptions>();
  Parser* command = app.add_subcommand("team", "who else may act for this account, and as what");
  command->footer(
      "viewer reads; billing also moves money; member also rents and provides; owner does\n"
      "everything. A member acts for the team with `--team ID` or FALLOW_TEAM.\n"
      "Examples:\n  fallow team set 12288 member\n  fallow team\n"
      "  fallow team of-mine\n  fallow --team 8192 jobs");
  const auto run_as = [=, &context](int (*run)(const Context&, const TeamOptions&)) {
    return [=, &context] {
      if (!context.run) context.run = [=, &context] { return run(context, *options); };
    };
  };
  command->callback(run_as(list_members));
  Parser* list = command->add_subcommand("list", "members of this account");
  list->callback(run_as(list_members));
  Parser* set = command->add_subcommand("set", "let an account act for this one");
  set->add_option("account", options->account, "its id: `fallow wallet` shows one its own")
      ->required();
  set->add_option("role", options->role, "viewer, billing, member or owner")
      ->required()
      ->check(one_of(role_names()));
  set->callback(run_as(set_member));
  Parser* remove = command->add_subcommand("remove", "a member no longer, at once");
  remove->add_option("account", options->account, "the member's id")->required();
  remove->callback(run_as(remove_member));
  Parser* mine = command->add_subcommand("of-mine", "the accounts that this one may act for");
  mine->callback(run_as(list_teams));
  Parser* leave = command->add_subcommand("leave", "act for a team no longer");
  leave->add_option("team", options->account, "the team's id")->required();
  leave->callback(run_as(leave_team));
}

}  // namespace fallow::cli
