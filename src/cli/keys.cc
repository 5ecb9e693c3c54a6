// fallow keys: the account's API keys.
#include <google/protobuf/util/time_util.h>

#include "cli/command.h"
#include "cli/scopes.h"

namespace fallow::cli {
namespace {

struct KeyOptions {
  std::vector<std::string> scopes;
  std::string label;
  std::string role;
  std::string key;
  double hours = 0;
  std::uint64_t account = 0;
};

std::string moment(bool known, const google::protobuf::Timestamp& at, const char* otherwise) {
  return known ? google::protobuf::util::TimeUtil::ToString(at) : otherwise;
}

int list_keys(const Context& context, const KeyOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListKeysRequest request;
  request.set_account(options.account);
  const auto keys = api->call<v1::ListKeysResponse>("Accounts.ListKeys", request);
  if (!keys) return report(context, keys.error());
  Table table({"KEY", "LABEL", "SCOPES", "ROLE", "LAST USED", "EXPIRES"});
  for (const v1::KeyView& key : keys->keys()) {
    if (context.json) {
      print_json(key);
      continue;
    }
    table.add({key.id(), key.label(), scopes_text(key.scopes()), lower(v1::Role_Name(key.role())),
               moment(key.has_last_used_at(), key.last_used_at(), "-"),
               moment(key.has_expires_at(), key.expires_at(), "never")});
  }
  if (!context.json) table.print("no keys");
  return kDone;
}

int create_key(const Context& context, const KeyOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::CreateKeyRequest request;
  request.set_label(options.label);
  request.set_hours(options.hours);
  request.set_role(role_of(options.role));
  if (!add_scopes(options.scopes, request)) return kUsage;
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

int revoke_key(const Context& context, const KeyOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::RevokeKeyRequest request;
  request.set_key(options.key);
  request.set_account(options.account);
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

void add_keys(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<KeyOptions>();
  Parser* command = app.add_subcommand("keys", "API keys of this account: list, create, revoke");
  command->footer(
      "A key's scopes say which side of the market it opens, its role how much of that:\n"
      "viewer reads; billing also moves money; member also rents and provides; owner does\n"
      "everything, keys included.\n"
      "Examples:\n  fallow keys\n  fallow keys create --label ci --role member --hours 720\n"
      "  fallow keys create --label dashboard --role viewer\n  fallow keys revoke "
      "0123456789abcdef\n"
      "An operator lists and revokes those of another account:\n  fallow keys list --account 7\n"
      "  fallow keys revoke 0123456789abcdef --account 7");
  const auto run_as = [=, &context](int (*run)(const Context&, const KeyOptions&)) {
    return [=, &context] {
      if (!context.run) context.run = [=, &context] { return run(context, *options); };
    };
  };
  command->callback(run_as(list_keys));
  Parser* list = command->add_subcommand("list", "keys, and when each was used last");
  list->add_option("--account", options->account, "another one, for operators");
  list->callback(run_as(list_keys));
  Parser* make = command->add_subcommand("create", "make a key: it is shown once");
  make->add_option("--scope", options->scopes,
                   "renter, provider, operator; may be repeated; default: those of the key in use");
  make->add_option("--role", options->role, "what it may do there; default: owner")
      ->check(one_of(role_names()));
  make->add_option("--label", options->label, "what it is for, as `fallow keys` shows it");
  make->add_option("--hours", options->hours, "until it expires; 0: never");
  make->callback(run_as(create_key));
  Parser* revoke = command->add_subcommand("revoke", "end a key at once");
  revoke->add_option("key", options->key, "its id, as `fallow keys` shows it")->required();
  revoke->add_option("--account", options->account, "whose key it is, for operators");
  revoke->callback(run_as(revoke_key));
}

}  // namespace fallow::cli
