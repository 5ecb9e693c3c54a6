// Which webhook is due, and what happens when. How one is served stands in webhooks_send.cc.
#include "server/webhooks.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace fallow::server {
namespace {

// Between savings of how far those webhooks have come for which nothing happens.
constexpr Duration kSaveEvery = minutes(1);
// The feed is written a moment after the market has told of an event.
constexpr Duration kBehind = milliseconds(20);

}  // namespace

Webhooks::Webhooks(Parts parts, WebhookTargets targets, const WebhookLimits& limits)
    : parts_(std::move(parts)),
      targets_(std::move(targets)),
      limits_(limits),
      names_(net::NameLookupLimits{.threads_max = limits.sending_max,
                                   .threads_per_asker_max = limits.sending_per_account_max,
                                   .waiting_max = limits.sending_max}) {}

Webhooks::~Webhooks() { stop(); }

void Webhooks::say(const std::string& sentence) const {
  if (parts_.log) parts_.log(sentence);
}

Status Webhooks::start(engine::Engine& engine) {
  engine_ = &engine;
  std::promise<LogIndex> taken;
  FALLOW_TRY(engine.read([&](const core::Machine& machine) {
    const std::lock_guard lock(mutex_);
    machine.visit_webhooks([&](const core::Webhook& webhook) {
      interests_.set(webhook);
      // What happened while nobody looked is looked through first.
      inbox_.changed.push_back({webhook, machine.last_index()});
      return true;
    });
    inbox_.last = machine.last_index();
    taken.set_value(machine.last_index());
  }));
  FALLOW_TRY(check_log_end(taken.get_future().get()));
  started_ = true;
  watch_ = parts_.feed->watch([wake = wake_] { wake.notify(); });
  net::spawn(pool_.executor(0), run());
  return {};
}

// A log that was restored ends before what was sent. Its next commands are others than those that
// receivers were sent, and none of them is to be taken for sent.
Status Webhooks::check_log_end(LogIndex last) {
  FALLOW_ASSIGN(const std::size_t ahead, parts_.store->end_with(last));
  if (ahead == 0) return {};
  say(fmt::format(
      "WARNING: the log ends with command {}, but webhooks.db knows of later ones, whose "
      "events were sent: an older log was restored. Webhooks of which this is so: {}. They "
      "go on with command {}; their receivers know of events that this market does not",
      last.value, ahead, last.value + 1));
  return {};
}

void Webhooks::stop() {
  if (!started_) return;
  started_ = false;
  stopping_ = true;
  watch_.reset();
  wake_.notify();
  ended_.get_future().wait();
}

void Webhooks::poke(core::WebhookId webhook) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.poked.insert(webhook);
  }
  wake_.notify();
}

void Webhooks::on_batch(const engine::Batch& batch, const core::Machine& machine) {
  const std::lock_guard lock(mutex_);
  inbox_.last = batch.last();
  bool news = false;
  for (const engine::Applied& applied : batch.commands) {
    for (const v1::Event& event : applied.events) {
      std::uint64_t changed = 0;
      if (event.has_webhook_set()) changed = event.webhook_set().webhook();
      if (event.has_webhook_stopped()) changed = event.webhook_stopped().webhook();
      const core::WebhookId id(changed);
      if (const core::Webhook* webhook = changed == 0 ? nullptr : machine.webhook(id)) {
        interests_.set(*webhook);
        inbox_.changed.push_back({*webhook, applied.index});
        news = true;
      }
      if (event.has_webhook_removed()) {
        interests_.remove(core::WebhookId(event.webhook_removed().webhook()));
        inbox_.removed.emplace_back(event.webhook_removed().webhook());
        news = true;
      }
      interests_.visit(event, machine, [&](core::WebhookId webhook) {
        inbox_.touched[webhook].add(applied.index);
        news = true;
      });
    }
  }
  if (news) wake_.notify();
}

void Webhooks::take_change(Change change) {
  std::unique_ptr<Hook>& hook = hooks_[change.webhook.id];
  if (!hook) hook = std::make_unique<Hook>();
  // Nobody looked for it while it was stopped.
  if (hook->webhook.stopped_at.us != 0) hook->caught_up.reset();
  hook->webhook = std::move(change.webhook);
  hook->set_at = change.index;
  hook->retry_at = Time();
  // Its change is where a new wish begins: of what was before nothing new is to be sent.
  hook->touch.add(change.index);
  due_.insert(hook->webhook.id);
}

void Webhooks::take_inbox() {
  Inbox news;
  {
    const std::lock_guard lock(mutex_);
    std::swap(news, inbox_);
    inbox_.last = news.last;
  }
  looked_at_ = news.last;
  for (Change& change : news.changed) take_change(std::move(change));
  // One that is removed while it is busy stays until then, and is due no more.
  for (const auto& [id, touch] : news.touched) {
    const auto found = hooks_.find(id);
    if (found == hooks_.end() || found->second->is_removed) continue;
    found->second->touch.add(touch.first);
    found->second->touch.add(touch.last);
    due_.insert(id);
  }
  for (const core::WebhookId id : news.poked) {
    const auto found = hooks_.find(id);
    if (found == hooks_.end() || found->second->is_removed) continue;
    found->second->caught_up.reset();
    found->second->retry_at = Time();
    due_.insert(id);
  }
  for (const core::WebhookId id : news.removed) {
    const auto found = hooks_.find(id);
    if (found == hooks_.end()) continue;
    due_.erase(id);
    found->second->is_removed = true;
    if (found->second->sender != nullptr) found->second->sender->cancel();
    if (!found->second->is_busy) hooks_.erase(found);
    parts_.store->remove(id);
  }
}

Duration Webhooks::begin_due() {
  const Time now = parts_.clock->now();
  Duration wait = kSaveEvery;
  auto at = due_.upper_bound(begun_);
  for (std::size_t left = due_.size(); left > 0 && busy_ < limits_.sending_max; --left) {
    if (at == due_.end()) at = due_.begin();
    Hook& hook = *hooks_.at(*at);
    if (hook.webhook.stopped_at.us != 0) {
      at = due_.erase(at);
      continue;
    }
    const bool is_early = hook.retry_at > now;
    if (is_early) wait = std::min(wait, hook.retry_at - now);
    const auto busy = busy_of_.find(hook.webhook.account);
    const bool is_crowded =
        busy != busy_of_.end() && busy->second >= limits_.sending_per_account_max;
    if (hook.is_busy || is_early || is_crowded) {
      ++at;  // its end, or that of another of the account, wakes us
      continue;
    }
    begun_ = *at;
    at = due_.erase(at);
    hook.is_busy = true;
    ++busy_of_[hook.webhook.account];
    ++busy_;
    net::spawn(pool_.executor(0), serve(hook));
  }
  return wait;
}

net::Task<void> Webhooks::run() {
  saved_at_ = parts_.clock->monotonic();
  while (!stopping_) {
    take_inbox();
    const Duration wait = begin_due();
    waiting_ = due_.size();
    sending_ = busy_;
    co_await wake_.wait(std::max(wait, milliseconds(10)));
    if (parts_.clock->monotonic() - saved_at_ >= kSaveEvery) co_await save_idle();
  }
  for (const auto& [unused, hook] : hooks_) {
    if (hook->sender != nullptr) hook->sender->cancel();
  }
  while (busy_ > 0) co_await wake_.wait(seconds(1));
  take_inbox();
  co_await save_idle();
  ended_.set_value();
}

net::Task<void> Webhooks::save_idle() {
  struct Idle {
    core::WebhookId id;
    EventPlace from;
  };
  saved_at_ = parts_.clock->monotonic();
  const EventPlace to{LogIndex(looked_at_.value + 1), 0};
  std::vector<Idle> idle;
  for (const auto& [id, hook] : hooks_) {
    if (hook->is_busy || !hook->caught_up || hook->touch.first.value != 0) continue;
    if (to <= *hook->caught_up) continue;
    idle.push_back({id, *hook->caught_up});
    hook->caught_up = to;
  }
  if (idle.empty()) co_return;
  const std::function<Result<bool>()> save = [&]() -> Result<bool> {
    // Where one was moved meanwhile, it stands elsewhere: the next run finds out.
    for (const Idle& each : idle) FALLOW_TRY(parts_.store->pass(each.id, each.from, to));
    return true;
  };
  (void)co_await on_disk(save);
}

net::Task<void> Webhooks::serve(Hook& hook) {
  // Reading whom the system trusts takes a while: once, and only for who needs it.
  if (!tls_ && !hook.webhook.url.starts_with("http:")) {
    if (auto tls = net::TlsClient::system_trust(); tls) tls_ = std::move(*tls);
  }
  WebhookSender sender(targets_, tls_, names_.of(hook.webhook.account.value), hook.webhook.url,
                       limits_.times);
  hook.sender = &sender;
  const Run ended = co_await send_some(hook, sender);
  hook.sender = nullptr;
  hook.is_busy = false;
  --busy_;
  const auto busy = busy_of_.find(hook.webhook.account);
  if (--busy->second == 0) busy_of_.erase(busy);
  const core::WebhookId id = hook.webhook.id;
  if (hook.is_removed) {
    due_.erase(id);
    hooks_.erase(id);
    parts_.store->remove(id);  // what was noted since
  } else if (ended != Run::kCaughtUp) {
    if (ended == Run::kBehind) hook.retry_at = parts_.clock->now() + kBehind;
    due_.insert(id);
  }
  wake_.notify();
}

}  // namespace fallow::server
