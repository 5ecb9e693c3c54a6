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
             lower(v1::Role_Name(member.role())), member.invited() ? "invited" : "member"});
}

// By its name where it is known: who was only invited is a number.
std::string account_words(std::uint64_t account, const std::string& name) {
  const std::string number = "account " + std::to_string(account);
  return name.empty() ? number : printable(name) + " (" + number + ")";
}
std::string member_words(const v1::MemberView& view) {
  return account_words(view.member(), view.member_name());
}
std::string team_words(const v1::MemberView& view) {
  return account_words(view.account(), view.account_name());
}

int list_members(const Context& context, const TeamOptions&) {
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto found =
      api->call<v1::ListMembersResponse>("Teams.ListMembers", v1::ListMembersRequest());
  if (!found) return report(context, found.error());
  Table table({"ACCOUNT", "NAME", "ROLE", "STATE"});
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
  Table table({"TEAM", "NAME", "ROLE", "STATE"});
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
  } else if (member->invited()) {
    std::printf(
        "%s is invited to act for %s as %s, and does once it runs `fallow team join %llu`\n",
        member_words(*member).c_str(), team_words(*member).c_str(), options.role.c_str(),
        static_cast<unsigned long long>(member->account()));
  } else {
    std::printf("%s acts for %s as %s\n", member_words(*member).c_str(),
                team_words(*member).c_str(), options.role.c_str());
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
    std::printf(
        member->invited() ? "%s is no longer invited to act for %s\n" : "%s acts for %s no more\n",
        member_words(*member).c_str(), team_words(*member).c_str());
  }
  return kDone;
}

int join_team(const Context& context, const TeamOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::JoinTeamRequest request;
  request.set_team(options.account);
  const auto member = api->call<v1::MemberView>("Teams.JoinTeam", request);
  if (!member) return report(context, member.error());
  if (context.json) {
    print_json(*member);
  } else {
    std::printf("you act for %s as %s: with `--team %llu`\n", team_words(*member).c_str(),
                lower(v1::Role_Name(member->role())).c_str(),
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
    std::printf(
        member->invited() ? "you have declined to act for %s\n" : "you act for %s no more\n",
        team_words(*member).c_str());
  }
  return kDone;
}

}  // namespace

void add_team(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<TeamOptions>();
  Parser* command = app.add_subcommand("team", "who else may act for this account, and as what");
  command->footer(
      "viewer reads; billing also moves money; member also rents and provides; owner does\n"
      "everything. Who is invited accepts with `fallow team join`; from then on he acts for the\n"
      "team with `--team ID` or FALLOW_TEAM.\n"
      "Examples:\n  fallow team set 12288 member\n  fallow team\n"
      "  fallow team of-mine\n  fallow team join 8192\n  fallow --team 8192 jobs");
  const auto run_as = [=, &context](int (*run)(const Context&, const TeamOptions&)) {
    return [=, &context] {
      if (!context.run) context.run = [=, &context] { return run(context, *options); };
    };
  };
  command->callback(run_as(list_members));
  Parser* list = command->add_subcommand("list", "members of this account, and who is invited");
  list->callback(run_as(list_members));
  Parser* set = command->add_subcommand("set", "invite an account to act for this one");
  set->add_option("account", options->account, "its id: `fallow wallet` shows one its own")
      ->required();
  set->add_option("role", options->role, "viewer, billing, member or owner")
      ->required()
      ->check(one_of(role_names()));
  set->callback(run_as(set_member));
  Parser* remove = command->add_subcommand("remove", "a member, or invited, no longer, at once");
  remove->add_option("account", options->account, "the member's id")->required();
  remove->callback(run_as(remove_member));
  Parser* mine = command->add_subcommand(
      "of-mine", "the accounts that this one acts for or is invited to act for");
  mine->callback(run_as(list_teams));
  Parser* join = command->add_subcommand("join", "accept a team's invitation");
  join->add_option("team", options->account, "the team's id")->required();
  join->callback(run_as(join_team));
  Parser* leave = command->add_subcommand("leave", "act for a team no longer, or decline to");
  leave->add_option("team", options->account, "the team's id")->required();
  leave->callback(run_as(leave_team));
}

}  // namespace fallow::cli
