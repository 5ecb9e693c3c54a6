// The service Webhooks: where events of an account are sent to, and how that goes.
#include <algorithm>

#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/pages.h"
#include "server/views.h"
#include "server/webhook_signature.h"
#include "server/webhooks.h"

namespace fallow::server {
namespace {

Answer<void> check_target(Call& call, const std::string& url) {
  if (const auto why = call.parts().webhooks->targets().why_not(url)) {
    return refuse_field("url", "{}", *why);
  }
  return {};
}

Answer<void> check_kinds(const google::protobuf::RepeatedPtrField<std::string>& kinds) {
  for (const std::string& kind : kinds) {
    if (!is_event_kind(kind)) {
      return refuse_field("kinds", "there is no event '{}'; docs/webhooks.md lists them", kind);
    }
  }
  return {};
}

Answer<void> check_everyone(const Call& call, bool everyone) {
  if (!everyone || call.caller().is_operator()) return {};
  return refuse(403, "not_allowed", "only a key with the scope OPERATOR sees the events of all");
}

// The webhook of the caller's account, on the market thread.
Answer<core::Webhook> own_webhook(const Call& call, const core::Machine& machine,
                                  std::uint64_t id) {
  const core::Webhook* webhook = machine.webhook(core::WebhookId(id));
  if (webhook == nullptr || webhook->account != call.caller().account) {
    return refuse(404, "not_found",
                  "this account has no webhook {}; GET /v1/webhooks lists those that it has", id);
  }
  // Whose key sees less than it would be sent is not to have it changed.
  if (webhook->everyone && !call.caller().is_operator()) {
    return refuse(403, "not_allowed", "webhook {} is sent what only operators see", id);
  }
  return *webhook;
}

net::Task<Answer<core::Webhook>> find_webhook(Call& call, std::uint64_t id) {
  const std::function<Answer<core::Webhook>(const core::Machine&)> look =
      [&](const core::Machine& machine) { return own_webhook(call, machine, id); };
  co_return co_await call.visit(look);
}

// How sending goes, beside what the market knows.
net::Task<Answer<v1::WebhookView>> view_of(Call& call, const core::Webhook& webhook) {
  const std::function<Answer<WebhookStore::Progress>()> read =
      [&]() -> Answer<WebhookStore::Progress> {
    auto progress =
        call.parts().webhook_store->progress(webhook.id, EventPlace{webhook.created_index, 0});
    if (progress) return *progress;
    return tl::unexpected(problem_of(progress.error(), "read how far the webhook is"));
  };
  FALLOW_CO_ASSIGN(const WebhookStore::Progress progress, co_await call.on_disk(read));
  v1::WebhookView view = webhook_view(webhook);
  view.set_sent_index(progress.next.index.value - 1);
  if (progress.failing_since.us != 0) {
    *view.mutable_failing_since() = timestamp_of(progress.failing_since);
    *view.mutable_retry_at() = timestamp_of(progress.retry_at);
  }
  co_return view;
}

// What was changed, as the market has it then.
net::Task<Answer<core::Webhook>> change(Call& call, v1::Command command) {
  const std::function<Answer<core::Webhook>(const Done&)> take =
      [&](const Done& done) -> Answer<core::Webhook> {
    return own_webhook(
        call, done.machine,
        done.entity(&v1::Event::webhook_set, v1::Event::kWebhookSet, &v1::WebhookSet::webhook));
  };
  co_return co_await call.submit(std::move(command), take);
}

v1::WebhookSecretResponse with_secret(const Call& call, const core::Webhook& webhook,
                                      v1::WebhookView view) {
  v1::WebhookSecretResponse response;
  *response.mutable_webhook() = std::move(view);
  response.set_secret(
      webhook_secret_text(webhook_secret(call.parts().secret, webhook.id, webhook.secret_number)));
  return response;
}

net::Task<Answer<v1::WebhookSecretResponse>> create_webhook(
    Call& call, const v1::CreateWebhookRequest& request) {
  FALLOW_CO_TRY(check_target(call, request.url()));
  FALLOW_CO_TRY(check_kinds(request.kinds()));
  FALLOW_CO_TRY(check_everyone(call, request.everyone()));
  v1::Command command;
  v1::SetWebhook& set = *command.mutable_set_webhook();
  set.set_account(call.caller().account.value);
  set.set_url(request.url());
  *set.mutable_kinds() = request.kinds();
  set.set_label(request.label());
  set.set_everyone(request.everyone());
  call.keep_to_key();
  FALLOW_CO_ASSIGN(const core::Webhook webhook, co_await change(call, std::move(command)));
  FALLOW_CO_ASSIGN(v1::WebhookView view, co_await view_of(call, webhook));
  co_return with_secret(call, webhook, std::move(view));
}

net::Task<Answer<v1::ListWebhooksResponse>> list_webhooks(Call& call,
                                                          const v1::ListWebhooksRequest&) {
  const std::function<Answer<std::vector<core::Webhook>>(const core::Machine&)> look =
      [&call](const core::Machine& machine) -> Answer<std::vector<core::Webhook>> {
    std::vector<core::Webhook> own;
    machine.visit_webhooks([&](const core::Webhook& webhook) {
      if (own_webhook(call, machine, webhook.id.value)) own.push_back(webhook);
      return true;
    });
    return own;
  };
  FALLOW_CO_ASSIGN(const std::vector<core::Webhook> own, co_await call.visit(look));
  v1::ListWebhooksResponse response;
  for (const core::Webhook& webhook : own) {
    FALLOW_CO_ASSIGN(*response.add_webhooks(), co_await view_of(call, webhook));
  }
  co_return response;
}

net::Task<Answer<v1::WebhookView>> get_webhook(Call& call, const v1::GetWebhookRequest& request) {
  FALLOW_CO_ASSIGN(const core::Webhook webhook, co_await find_webhook(call, request.webhook()));
  co_return co_await view_of(call, webhook);
}

net::Task<Answer<v1::WebhookView>> set_webhook(Call& call, const v1::SetWebhookRequest& request) {
  FALLOW_CO_TRY(co_await find_webhook(call, request.webhook()));
  FALLOW_CO_TRY(check_target(call, request.url()));
  FALLOW_CO_TRY(check_kinds(request.kinds()));
  FALLOW_CO_TRY(check_everyone(call, request.everyone()));
  // Before the market tells that it begins again: its first attempt is not to wait.
  const std::function<Answer<bool>()> forgive = [&]() -> Answer<bool> {
    const Status done = call.parts().webhook_store->forgive(core::WebhookId(request.webhook()));
    if (!done) return tl::unexpected(problem_of(done.error(), "begin anew"));
    return true;
  };
  FALLOW_CO_TRY(co_await call.on_disk(forgive));
  v1::Command command;
  v1::SetWebhook& set = *command.mutable_set_webhook();
  set.set_account(call.caller().account.value);
  set.set_webhook(request.webhook());
  set.set_url(request.url());
  *set.mutable_kinds() = request.kinds();
  set.set_label(request.label());
  set.set_everyone(request.everyone());
  FALLOW_CO_ASSIGN(const core::Webhook webhook, co_await change(call, std::move(command)));
  co_return co_await view_of(call, webhook);
}

net::Task<Answer<v1::WebhookView>> remove_webhook(Call& call,
                                                  const v1::RemoveWebhookRequest& request) {
  FALLOW_CO_ASSIGN(const core::Webhook webhook, co_await find_webhook(call, request.webhook()));
  v1::Command command;
  command.mutable_remove_webhook()->set_webhook(webhook.id.value);
  const std::function<Answer<v1::WebhookView>(const Done&)> take =
      [&](const Done&) -> Answer<v1::WebhookView> { return webhook_view(webhook); };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::WebhookSecretResponse>> change_secret(
    Call& call, const v1::ChangeWebhookSecretRequest& request) {
  FALLOW_CO_ASSIGN(const core::Webhook before, co_await find_webhook(call, request.webhook()));
  v1::Command command;
  v1::SetWebhook& set = *command.mutable_set_webhook();
  set.set_account(before.account.value);
  set.set_webhook(before.id.value);
  set.set_url(before.url);
  for (const std::string& kind : before.kinds) set.add_kinds(kind);
  set.set_label(before.label);
  set.set_everyone(before.everyone);
  set.set_new_secret(true);
  call.keep_to_key();
  FALLOW_CO_ASSIGN(const core::Webhook webhook, co_await change(call, std::move(command)));
  FALLOW_CO_ASSIGN(v1::WebhookView view, co_await view_of(call, webhook));
  co_return with_secret(call, webhook, std::move(view));
}

net::Task<Answer<v1::ListDeliveriesResponse>> list_deliveries(
    Call& call, const v1::ListDeliveriesRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t before, page_position("deliveries", request.page_token()));
  FALLOW_CO_ASSIGN(const core::Webhook webhook, co_await find_webhook(call, request.webhook()));
  const std::function<Answer<v1::ListDeliveriesResponse>()> read =
      [&]() -> Answer<v1::ListDeliveriesResponse> {
    auto page = call.parts().webhook_store->deliveries(webhook.id, before, size);
    if (!page) return tl::unexpected(problem_of(page.error(), "read the deliveries"));
    v1::ListDeliveriesResponse response;
    for (v1::DeliveryView& view : page->deliveries) *response.add_deliveries() = std::move(view);
    if (page->next != 0) response.set_next_page_token(page_token("deliveries", page->next));
    return response;
  };
  co_return co_await call.on_disk(read);
}

Answer<void> replay_one(Call& call, const core::Webhook& webhook, const std::string& delivery) {
  const auto place = place_of_message(webhook.id, delivery);
  if (!place) {
    return refuse_field("delivery",
                        "this is no delivery of webhook {}; GET /v1/webhooks/{}/deliveries lists "
                        "them",
                        webhook.id.value, webhook.id.value);
  }
  const Status added = call.parts().webhook_store->add_replay(webhook.id, *place);
  if (!added) return tl::unexpected(problem_of(added.error(), "send it again"));
  const Status forgiven = call.parts().webhook_store->forgive(webhook.id);
  if (!forgiven) return tl::unexpected(problem_of(forgiven.error(), "send it again"));
  return {};
}

// Not what happened before there was the webhook.
Answer<void> replay_since(Call& call, const core::Webhook& webhook, Time since) {
  const auto index = call.parts().feed->index_at(since);
  if (!index) return tl::unexpected(problem_of(index.error(), "find that moment"));
  const EventPlace to{std::max(*index, webhook.created_index), 0};
  const Status moved = call.parts().webhook_store->move_back(webhook.id, to);
  if (!moved) return tl::unexpected(problem_of(moved.error(), "go back there"));
  return {};
}

net::Task<Answer<v1::WebhookView>> replay_webhook(Call& call,
                                                  const v1::ReplayWebhookRequest& request) {
  if (request.delivery().empty() != request.has_since()) {
    co_return refuse_field("since", "give one of the two: a delivery, or a moment");
  }
  FALLOW_CO_ASSIGN(const core::Webhook webhook, co_await find_webhook(call, request.webhook()));
  if (webhook.stopped_at.us != 0) {
    co_return refuse(409, "webhook_stopped",
                     "nothing is sent to webhook {}: {}; PUT /v1/webhooks/{} begins again",
                     webhook.id.value, webhook.stop_reason, webhook.id.value);
  }
  const Time since{request.since().seconds() * 1'000'000 + request.since().nanos() / 1'000};
  const std::function<Answer<bool>()> work = [&]() -> Answer<bool> {
    FALLOW_TRY(request.has_since() ? replay_since(call, webhook, since)
                                   : replay_one(call, webhook, request.delivery()));
    return true;
  };
  FALLOW_CO_TRY(co_await call.on_disk(work));
  call.parts().webhooks->poke(webhook.id);
  co_return co_await view_of(call, webhook);
}

}  // namespace

void add_webhook_handlers(Handlers& handlers) {
  handlers.add("Webhooks.CreateWebhook", create_webhook);
  handlers.add("Webhooks.ListWebhooks", list_webhooks);
  handlers.add("Webhooks.GetWebhook", get_webhook);
  handlers.add("Webhooks.SetWebhook", set_webhook);
  handlers.add("Webhooks.RemoveWebhook", remove_webhook);
  handlers.add("Webhooks.ChangeWebhookSecret", change_secret);
  handlers.add("Webhooks.ListDeliveries", list_deliveries);
  handlers.add("Webhooks.ReplayWebhook", replay_webhook);
}

}  // namespace fallow::server
