// fallow webhooks: events sent on over HTTP.
#include <google/protobuf/util/time_util.h>

#include "cli/command.h"

namespace fallow::cli {
namespace {

using google::protobuf::util::TimeUtil;

struct WebhookOptions {
  std::uint64_t webhook = 0;
  std::string url;
  std::vector<std::string> kinds;
  std::string label;
  std::string delivery;
  std::string since;
  bool everyone = false;
  std::uint32_t count_max = 20;
};

std::string state_of(const v1::WebhookView& webhook) {
  if (webhook.has_stopped_at()) return "stopped: " + printable(webhook.stop_reason());
  if (webhook.has_failing_since()) {
    return "failing since " + TimeUtil::ToString(webhook.failing_since());
  }
  return "ok";
}

int print_webhook(const Context& context, const client::ApiResult<v1::WebhookView>& webhook,
                  const char* words) {
  if (!webhook) return report(context, webhook.error());
  if (context.json) {
    print_json(*webhook);
  } else {
    std::printf("webhook %llu %s\n", static_cast<unsigned long long>(webhook->id()), words);
  }
  return kDone;
}

int print_secret(const Context& context, const client::ApiResult<v1::WebhookSecretResponse>& made) {
  if (!made) return report(context, made.error());
  if (context.json) {
    print_json(*made);
  } else {
    std::printf("webhook %llu\nsecret %s   (shown once: receivers verify with it)\n",
                static_cast<unsigned long long>(made->webhook().id()), made->secret().c_str());
  }
  return kDone;
}

int list_webhooks(const Context& context, const WebhookOptions&) {
  const auto api = context.connect();
  if (!api) return kUsage;
  const auto found =
      api->call<v1::ListWebhooksResponse>("Webhooks.ListWebhooks", v1::ListWebhooksRequest());
  if (!found) return report(context, found.error());
  Table table({"WEBHOOK", "URL", "EVENTS", "LABEL", "STATE"});
  for (const v1::WebhookView& webhook : found->webhooks()) {
    if (context.json) {
      print_json(webhook);
      continue;
    }
    std::string kinds;
    for (const std::string& kind : webhook.kinds()) kinds += (kinds.empty() ? "" : " ") + kind;
    if (kinds.empty()) kinds = "all but meter_accepted";
    if (webhook.everyone()) kinds += ", of everyone";
    table.add({std::to_string(webhook.id()), printable(webhook.url()), kinds,
               printable(webhook.label()), state_of(webhook)});
  }
  if (!context.json) table.print("no webhooks");
  return kDone;
}

int add_webhook(const Context& context, const WebhookOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::CreateWebhookRequest request;
  request.set_url(options.url);
  for (const std::string& kind : options.kinds) request.add_kinds(kind);
  request.set_label(options.label);
  request.set_everyone(options.everyone);
  return print_secret(context,
                      api->call<v1::WebhookSecretResponse>("Webhooks.CreateWebhook", request));
}

// What is not named stays.
int set_webhook(const Context& context, const WebhookOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::GetWebhookRequest get;
  get.set_webhook(options.webhook);
  const auto before = api->call<v1::WebhookView>("Webhooks.GetWebhook", get);
  if (!before) return report(context, before.error());
  v1::SetWebhookRequest request;
  request.set_webhook(options.webhook);
  request.set_url(options.url.empty() ? before->url() : options.url);
  *request.mutable_kinds() = before->kinds();
  if (!options.kinds.empty()) request.clear_kinds();
  for (const std::string& kind : options.kinds) {
    if (kind != "all") request.add_kinds(kind);
  }
  request.set_label(options.label.empty() ? before->label() : options.label);
  request.set_everyone(before->everyone());
  return print_webhook(context, api->call<v1::WebhookView>("Webhooks.SetWebhook", request),
                       "is set, and is sent to");
}

int remove_webhook(const Context& context, const WebhookOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::RemoveWebhookRequest request;
  request.set_webhook(options.webhook);
  return print_webhook(context, api->call<v1::WebhookView>("Webhooks.RemoveWebhook", request),
                       "is removed");
}

int change_secret(const Context& context, const WebhookOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ChangeWebhookSecretRequest request;
  request.set_webhook(options.webhook);
  return print_secret(
      context, api->call<v1::WebhookSecretResponse>("Webhooks.ChangeWebhookSecret", request));
}

int list_deliveries(const Context& context, const WebhookOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListDeliveriesRequest request;
  request.set_webhook(options.webhook);
  request.set_page_size(options.count_max);
  const auto page = api->call<v1::ListDeliveriesResponse>("Webhooks.ListDeliveries", request);
  if (!page) return report(context, page.error());
  Table table({"DELIVERY", "EVENT", "HAPPENED", ">ATTEMPTS", "LAST ONE"});
  for (const v1::DeliveryView& delivery : page->deliveries()) {
    if (context.json) {
      print_json(delivery);
      continue;
    }
    const std::string last = delivery.delivered()
                                 ? "delivered, " + std::to_string(delivery.status())
                                 : printable(delivery.trouble());
    table.add({delivery.id(), delivery.kind(), TimeUtil::ToString(delivery.happened_at()),
               std::to_string(delivery.attempts()), last});
  }
  if (!context.json) table.print("nothing was sent yet");
  return kDone;
}

int replay(const Context& context, const WebhookOptions& options) {
  v1::ReplayWebhookRequest request;
  request.set_webhook(options.webhook);
  request.set_delivery(options.delivery);
  if (!options.since.empty() && !TimeUtil::FromString(options.since, request.mutable_since())) {
    std::fprintf(stderr, "fallow: '%s' is no moment like 2026-11-22T09:00:00Z\n",
                 options.since.c_str());
    return kUsage;
  }
  const auto api = context.connect();
  if (!api) return kUsage;
  return print_webhook(context, api->call<v1::WebhookView>("Webhooks.ReplayWebhook", request),
                       "is sent it again");
}

}  // namespace

void add_webhooks(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<WebhookOptions>();
  Parser* command = app.add_subcommand("webhooks", "events of this account sent on over HTTP");
  command->footer(
      "Each message is signed as Standard Webhooks has it; docs/webhooks.md tells how to verify.\n"
      "Examples:\n  fallow webhooks add https://example.org/fallow --on order_ended\n"
      "  fallow webhooks deliveries 12288\n  fallow webhooks replay 12288 --since "
      "2026-11-22T09:00:00Z");
  const auto run_as = [=, &context](int (*run)(const Context&, const WebhookOptions&)) {
    return [=, &context] {
      if (!context.run) context.run = [=, &context] { return run(context, *options); };
    };
  };
  const auto sub = [&](const char* name, const char* summary,
                       int (*run)(const Context&, const WebhookOptions&)) {
    Parser* made = command->add_subcommand(name, summary);
    made->callback(run_as(run));
    return made;
  };
  const auto with_id = [&](Parser* parser) {
    parser->add_option("webhook", options->webhook, "its id, as `fallow webhooks` shows it")
        ->required();
    return parser;
  };
  command->callback(run_as(list_webhooks));
  sub("list", "webhooks, and how sending goes", list_webhooks);
  Parser* add = sub("add", "have events sent to a URL", add_webhook);
  add->add_option("url", options->url, "https://...")->required();
  add->add_option("--on", options->kinds,
                  "an event, as `order_ended`; may be repeated; default: all but meter_accepted");
  add->add_option("--label", options->label, "what it is for");
  add->add_flag("--everyone", options->everyone, "events of all accounts (operators only)");
  Parser* set = with_id(sub("set", "change it; one that was stopped begins again", set_webhook));
  set->add_option("--url", options->url, "where to from now on");
  set->add_option("--on", options->kinds, "instead of those before; `all`: all but meter_accepted");
  set->add_option("--label", options->label, "what it is for");
  with_id(sub("remove", "send nothing there any more", remove_webhook));
  with_id(sub("secret", "a new secret; the former signs beside it for a day", change_secret));
  Parser* list = with_id(sub("deliveries", "what was sent lately, newest first", list_deliveries));
  list->add_option("-n,--count", options->count_max, "the most to show")
      ->check(range(1U, kPageMax))
      ->capture_default_str();
  Parser* again = with_id(sub("replay", "send again what was sent before", replay));
  again->add_option("--delivery", options->delivery, "this one, as `deliveries` shows it");
  again->add_option("--since", options->since,
                    "all that happened since this moment, e.g. 2026-11-22T09:00:00Z");
}

}  // namespace fallow::cli
