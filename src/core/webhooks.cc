// Webhooks: where accounts want their events sent to.
#include <algorithm>

#include "base/cut.h"
#include "core/authority.h"
#include "core/checks.h"
#include "core/handlers.h"

namespace fallow::core {
namespace {

// The webhook, if the actor may touch it; else refuses.
Webhook* own_webhook(Step& step, std::uint64_t id) {
  const auto found = step.state.webhooks.find(WebhookId(id));
  if (found == step.state.webhooks.end()) {
    step.refuse(v1::NOT_FOUND, "webhook", "there is no webhook {}", id);
    return nullptr;
  }
  if (acting_for(step, found->second.account, v1::SCOPE_UNSPECIFIED) == nullptr) return nullptr;
  return &found->second;
}

std::optional<Refusal> check_webhook(const v1::SetWebhook& command, const Limits& limits) {
  if (command.url().empty() || command.url().size() > limits.url_bytes_max) {
    return refusal(v1::VALUE_INVALID, "url", "a URL has 1 to {} bytes", limits.url_bytes_max);
  }
  if (command.label().size() > limits.name_bytes_max) {
    return refusal(v1::VALUE_INVALID, "label", "the label is longer than {} bytes",
                   limits.name_bytes_max);
  }
  if (static_cast<std::size_t>(command.kinds_size()) > limits.webhook_kinds_max) {
    return refusal(v1::VALUE_INVALID, "kinds", "name {} kinds of events at most",
                   limits.webhook_kinds_max);
  }
  for (const std::string& kind : command.kinds()) {
    if (auto why = check_name("kinds", kind, limits)) return why;
  }
  return std::nullopt;
}

bool has_webhook_room(const MarketState& state, AccountId account) {
  const auto own = std::count_if(state.webhooks.begin(), state.webhooks.end(),
                                 [&](const auto& each) { return each.second.account == account; });
  return state.webhooks.size() < state.limits.webhooks_max &&
         static_cast<std::size_t>(own) < state.limits.webhooks_per_account_max;
}

void tell_set(Step& step, const Webhook& webhook) {
  step.entity = webhook.id.value;
  v1::WebhookSet& told = *step.tell().mutable_webhook_set();
  told.set_webhook(webhook.id.value);
  told.set_account(webhook.account.value);
}

}  // namespace

void handle(Step& step, const v1::SetWebhook& command) {
  MarketState& state = step.state;
  if (auto why = check_webhook(command, state.limits)) return step.refuse(std::move(*why));
  Webhook* webhook = nullptr;
  if (command.webhook() != 0) {
    webhook = own_webhook(step, command.webhook());
    if (webhook == nullptr) return;
  }
  const AccountId owner = webhook != nullptr ? webhook->account : AccountId(command.account());
  const Account* const account = acting_for(step, owner, v1::SCOPE_UNSPECIFIED);
  if (account == nullptr) return;
  if (command.everyone() && !is_operator(*account)) {
    return step.refuse(v1::NOT_ALLOWED, "everyone", "only an operator sees the events of all");
  }
  if (webhook == nullptr) {
    if (!has_webhook_room(state, account->id)) {
      return step.refuse(v1::LIMIT_REACHED, "",
                         "an account has {} webhooks at most, the market {}: remove some",
                         state.limits.webhooks_per_account_max, state.limits.webhooks_max);
    }
    const auto id = step.next_id<WebhookId>();
    webhook = &state.webhooks[id];
    webhook->id = id;
    webhook->account = account->id;
    webhook->created_at = step.now;
    webhook->created_index = step.index;
  } else if (command.new_secret()) {
    // Nothing else of it: what the command says of the rest may have been changed meanwhile, and
    // one that was stopped begins again when it is set.
    ++webhook->secret_number;
    webhook->secret_since = step.now;
    return tell_set(step, *webhook);
  }
  webhook->url = command.url();
  webhook->kinds.assign(command.kinds().begin(), command.kinds().end());
  webhook->label = command.label();
  webhook->everyone = command.everyone();
  webhook->stopped_at = Time();
  webhook->stop_reason.clear();
  tell_set(step, *webhook);
}

void handle(Step& step, const v1::RemoveWebhook& command) {
  const Webhook* const webhook = own_webhook(step, command.webhook());
  if (webhook == nullptr) return;
  step.entity = webhook->id.value;
  v1::WebhookRemoved& told = *step.tell().mutable_webhook_removed();
  told.set_webhook(webhook->id.value);
  told.set_account(webhook->account.value);
  step.state.webhooks.erase(WebhookId(command.webhook()));
}

void handle(Step& step, const v1::StopWebhook& command) {
  if (!require_market(step)) return;
  Webhook* const webhook = own_webhook(step, command.webhook());
  if (webhook == nullptr) return;
  if (webhook->stopped_at.us != 0) {
    return step.refuse(v1::ALREADY_ENDED, "webhook", "webhook {} is stopped", webhook->id.value);
  }
  webhook->stopped_at = step.now;
  webhook->stop_reason = cut(command.reason(), step.state.limits.detail_bytes_max);
  step.entity = webhook->id.value;
  v1::WebhookStopped& told = *step.tell().mutable_webhook_stopped();
  told.set_webhook(webhook->id.value);
  told.set_account(webhook->account.value);
  told.set_reason(webhook->stop_reason);
}

}  // namespace fallow::core
