// fallow account: accounts and their API keys.
#include "cli/command.h"

namespace fallow::cli {
namespace {

struct AccountOptions {
  std::string name;
  std::vector<std::string> scopes;
  std::string label;
  std::string key;
  double hours = 0;
};

template <class Request>
bool add_scopes(const AccountOptions& options, Request& request) {
  for (const std::string& name : options.scopes) {
    v1::Scope scope = v1::SCOPE_UNSPECIFIED;
    if (!v1::Scope_Parse(upper(name), &scope) || scope == v1::SCOPE_UNSPECIFIED) {
      std::fprintf(stderr, "fallow: '%s' is no scope; there are renter, provider and operator\n",
                   name.c_str());
      return false;
    }
    request.add_scopes(scope);
  }
  return true;
}

int create(const Context& context, const AccountOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::CreateAccountRequest request;
  request.set_name(options.name);
  if (!add_scopes(options, request)) return kUsage;
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
      std::string scopes;
      for (const int scope : account.scopes()) {
        if (!scopes.empty()) scopes += ' ';
        scopes += lower(v1::Scope_Name(static_cast<v1::Scope>(scope)));
      }
      table.add({std::to_string(account.id()), account.name(), scopes});
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (!context.json) table.print("no accounts");
  return kDone;
}

int create_key(const Context& context, const AccountOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::CreateKeyRequest request;
  request.set_label(options.label);
  request.set_hours(options.hours);
  if (!add_scopes(options, request)) return kUsage;
  const auto made = api->call<v1::CreateKeyResponse>("Accounts.CreateKey", request);
  if (!made) return report(context, made.error());
  if (context.json) {
    print_json(*made);
  } else {
    std::printf("key %s\napi key %s   (shown once: keep it safe)\n", made->key().id().c_str(),
                made->api_key().c_str());
  }
  return kDone;
}

int list_keys(const Context& context) {
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto keys = api->call<v1::ListKeysResponse>("Accounts.ListKeys", v1::ListKeysRequest());
  if (!keys) return report(context, keys.error());
  Table table({"KEY", "LABEL", "SCOPES"});
  for (const v1::KeyView& key : keys->keys()) {
    if (context.json) {
      print_json(key);
      continue;
    }
    std::string scopes;
    for (const int scope : key.scopes())
      scopes += lower(v1::Scope_Name(static_cast<v1::Scope>(scope))) + ' ';
    table.add({key.id(), key.label(), scopes});
  }
  if (!context.json) table.print("no keys");
  return kDone;
}

int revoke_key(const Context& context, const AccountOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::RevokeKeyRequest request;
  request.set_key(options.key);
  const auto key = api->call<v1::KeyView>("Accounts.RevokeKey", request);
  if (!key) return report(context, key.error());
  if (context.json) {
    print_json(*key);
  } else {
    std::printf("key %s is revoked\n", key->id().c_str());
  }
  return kDone;
}

}  // namespace

void add_account(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<AccountOptions>();
  Parser* command = app.add_subcommand("account", "accounts and their API keys");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n  fallow account create alice --scope renter\n"
      "  fallow account key --label laptop --hours 720");
  Parser* make = command->add_subcommand("create", "open an account (operators only)");
  make->add_option("name", options->name, "whose it is, as others see it")->required();
  make->add_option("--scope", options->scopes, "renter, provider, operator; may be repeated")
      ->required();
  make->callback(
      [=, &context] { context.run = [=, &context] { return create(context, *options); }; });
  Parser* show = command->add_subcommand("list", "all accounts (operators only)");
  show->callback([&context] { context.run = [&context] { return list_accounts(context); }; });
  Parser* key = command->add_subcommand("key", "make a further key of this account");
  key->add_option("--scope", options->scopes, "default: those of the key in use");
  key->add_option("--label", options->label, "what it is for, as `fallow account keys` shows it");
  key->add_option("--hours", options->hours, "until it expires; 0: never");
  key->callback(
      [=, &context] { context.run = [=, &context] { return create_key(context, *options); }; });
  Parser* keys = command->add_subcommand("keys", "keys of this account");
  keys->callback([&context] { context.run = [&context] { return list_keys(context); }; });
  Parser* revoke = command->add_subcommand("revoke", "revoke a key at once");
  revoke->add_option("key", options->key, "its id, as `fallow account keys` shows it")->required();
  revoke->callback(
      [=, &context] { context.run = [=, &context] { return revoke_key(context, *options); }; });
}

}  // namespace fallow::cli
