// fallow account: the market's accounts.
#include "cli/command.h"
#include "cli/scopes.h"

namespace fallow::cli {
namespace {

struct AccountOptions {
  std::string name;
  std::vector<std::string> scopes;
};

int create(const Context& context, const AccountOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::CreateAccountRequest request;
  request.set_name(options.name);
  if (!add_scopes(options.scopes, request)) return kUsage;
  const auto made = api->call<v1::CreateAccountResponse>("Accounts.CreateAccount", request);
  if (!made) return report(context, made.error());
  if (context.json) {
    print_json(*made);
  } else {
    std::printf("account %llu\napi key %s   (shown once: keep it safe)\n",
                static_cast<unsigned long long>(made->account().id()), made->api_key().c_str());
  }
  return kDone;
}

int list_accounts(const Context& context) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListAccountsRequest request;
  Table table({"ACCOUNT", "NAME", "SCOPES"});
  do {
    const auto page = api->call<v1::ListAccountsResponse>("Accounts.ListAccounts", request);
    if (!page) return report(context, page.error());
    for (const v1::AccountView& account : page->accounts()) {
      if (context.json) {
        print_json(account);
        continue;
      }
      table.add({std::to_string(account.id()), account.name(), scopes_text(account.scopes())});
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (!context.json) table.print("no accounts");
  return kDone;
}

}  // namespace

void add_account(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<AccountOptions>();
  Parser* command = app.add_subcommand("account", "accounts of the market (operators only)");
  command->require_subcommand(1);
  command->footer(
      "Example:\n  fallow account create alice --scope renter\n"
      "`fallow keys` makes further keys of an account.");
  Parser* make = command->add_subcommand("create", "open an account (operators only)");
  make->add_option("name", options->name, "whose it is, as others see it")->required();
  make->add_option("--scope", options->scopes, "renter, provider, operator; may be repeated")
      ->required();
  make->callback(
      [=, &context] { context.run = [=, &context] { return create(context, *options); }; });
  Parser* show = command->add_subcommand("list", "all accounts (operators only)");
  show->callback([&context] { context.run = [&context] { return list_accounts(context); }; });
}

}  // namespace fallow::cli
