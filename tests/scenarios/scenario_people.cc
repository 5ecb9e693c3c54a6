// Keys, webhooks and members: their lines as commands, and what is told of them.
#include <fmt/format.h>

#include <cctype>
#include <sstream>

#include "base/digest.h"
#include "scenario.h"

namespace fallow::scenario {
namespace {

std::string secret_of(const std::string& name) { return to_bytes(digest_of(name)); }

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

std::string small(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// "none" is a role, too: that of who is no member.
Result<v1::Role> role_of(const std::string& word) {
  if (word == "none") return v1::ROLE_UNSPECIFIED;
  std::string upper = word;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  v1::Role role = v1::ROLE_UNSPECIFIED;
  if (v1::Role_Parse(upper, &role)) return role;
  return fail(ErrorCode::kInvalid, "'{}' is no role", word);
}

std::string role_text(v1::Role role) {
  return role == v1::ROLE_UNSPECIFIED ? "none" : small(v1::Role_Name(role));
}

}  // namespace

Result<std::optional<v1::Command>> Scenario::people_of(const Line& line) {
  v1::Command command;
  const std::string first = line.words.empty() ? "" : line.words[0];
  const std::string second = line.words.size() < 2 ? "" : line.words[1];
  if (line.verb == "key") {
    v1::AddKey& add = *command.mutable_add_key();
    FALLOW_ASSIGN(const std::uint64_t account, id_of(first));
    add.set_account(account);
    add.set_secret_hash(secret_of(second));
    add.set_label(second);
    add.add_scopes(line.option("as") == "provider" ? v1::PROVIDER : v1::RENTER);
    FALLOW_ASSIGN(const v1::Role role, role_of(line.option("role", "owner")));
    add.set_role(role);
    FALLOW_ASSIGN(const Duration lasts, parse_span(line.option("for", "0s")));
    if (lasts.value != 0) add.set_expires_at_us((line.at + lasts).us);
  } else if (line.verb == "revoke") {
    command.mutable_revoke_key()->set_secret_hash(secret_of(first));
  } else if (line.verb == "webhook") {
    v1::SetWebhook& set = *command.mutable_set_webhook();
    FALLOW_ASSIGN(const std::uint64_t account, id_of(first));
    set.set_account(account);
    if (!second.empty()) {
      FALLOW_ASSIGN(const std::uint64_t webhook, id_of(second));
      set.set_webhook(webhook);
    }
    set.set_url(line.option("url", "https://example.org/in"));
    for (const std::string& kind : parts_of(line.option("on"))) set.add_kinds(kind);
    set.set_everyone(line.option("of") == "all");
    set.set_new_secret(line.has("new-secret"));
  } else if (line.verb == "stop-webhook") {
    FALLOW_ASSIGN(const std::uint64_t webhook, id_of(first));
    command.mutable_stop_webhook()->set_webhook(webhook);
    command.mutable_stop_webhook()->set_reason(line.option("why"));
  } else if (line.verb == "remove-webhook") {
    FALLOW_ASSIGN(const std::uint64_t webhook, id_of(first));
    command.mutable_remove_webhook()->set_webhook(webhook);
  } else if (line.verb == "member") {
    v1::SetMember& set = *command.mutable_set_member();
    FALLOW_ASSIGN(const std::uint64_t account, id_of(first));
    FALLOW_ASSIGN(const std::uint64_t member, id_of(second));
    set.set_account(account);
    set.set_member(member);
    FALLOW_ASSIGN(const v1::Role role, role_of(line.option("role", "none")));
    set.set_role(role);
    set.set_invite(line.has("invite"));
  } else if (line.verb == "join-team") {
    FALLOW_ASSIGN(const std::uint64_t account, id_of(first));
    command.mutable_join_team()->set_account(account);
  } else {
    return std::optional<v1::Command>();
  }
  return std::optional<v1::Command>(std::move(command));
}

std::string Scenario::text_of_people(const v1::Event& event) const {
  switch (event.kind_case()) {
    case v1::Event::kKeyAdded:
      return fmt::format("key of {}", name_of(event.key_added().account()));
    case v1::Event::kKeyRevoked:
      return fmt::format("key of {} revoked", name_of(event.key_revoked().account()));
    case v1::Event::kWebhookSet:
      return fmt::format("webhook {} of {}", name_of(event.webhook_set().webhook()),
                         name_of(event.webhook_set().account()));
    case v1::Event::kWebhookRemoved:
      return fmt::format("webhook {} removed", name_of(event.webhook_removed().webhook()));
    case v1::Event::kWebhookStopped:
      return fmt::format("webhook {} stopped: {}", name_of(event.webhook_stopped().webhook()),
                         event.webhook_stopped().reason());
    case v1::Event::kMemberSet:
      return fmt::format("{} {} {}: {}", name_of(event.member_set().member()),
                         event.member_set().invited() ? "invited to" : "in",
                         name_of(event.member_set().account()),
                         role_text(event.member_set().role()));
    default:
      return "";
  }
}

std::string Scenario::people_text() const {
  std::string text;
  machine_.visit_accounts(AccountId(), [&](const core::Account& account) {
    text += fmt::format("  {}\n", name_of(account.id.value));
    machine_.visit_keys(account.id, [&](const core::ApiKey& key) {
      text += fmt::format("    key {}, {}\n", key.label, role_text(key.role));
      return true;
    });
    machine_.visit_members(
        account.id, [&](AccountId, AccountId member, const core::Membership& membership) {
          text += fmt::format("    {} {} as {}\n", name_of(member.value),
                              membership.invited ? "is invited to act for it" : "acts for it",
                              role_text(membership.role));
          return true;
        });
    return true;
  });
  machine_.visit_webhooks([&](const core::Webhook& webhook) {
    text += fmt::format("  webhook {} of {} to {}, secret {}{}\n", name_of(webhook.id.value),
                        name_of(webhook.account.value), webhook.url, webhook.secret_number,
                        webhook.stopped_at.us == 0 ? "" : ", stopped");
    return true;
  });
  return text;
}

}  // namespace fallow::scenario
