// How one webhook is served: what it is to be sent next, and what comes of it.
#include <algorithm>
#include <utility>

#include "server/webhook_signature.h"
#include "server/webhooks.h"

namespace fallow::server {
namespace {

constexpr std::size_t kEventsPerPage = 64;
// Of one run; then others have their turn.
constexpr int kPagesPerRun = 4;
// And of time, for who answers slowly.
constexpr Duration kRunMax = seconds(30);
// Until what the disk refused is tried again.
constexpr Duration kDiskDelay = seconds(1);
constexpr int kStatusGone = 410;

}  // namespace

bool Webhooks::may_go_on(const Hook& hook, const WebhookSender& sender) const {
  return !stopping_ && !hook.is_removed && hook.webhook.stopped_at.us == 0 &&
         hook.webhook.url == sender.url() && parts_.clock->monotonic() < hook.run_until;
}

// What failed was broken off by our own end, or is of before the webhook was set anew: that is no
// failure of what is set now.
bool Webhooks::is_left(const Hook& hook, LogIndex set_at) const {
  return stopping_ || hook.is_removed || hook.set_at != set_at;
}

net::Task<Webhooks::Run> Webhooks::send_some(Hook& hook, WebhookSender& sender) {
  hook.run_until = parts_.clock->monotonic() + kRunMax;
  for (int page = 0; page < kPagesPerRun; ++page) {
    if (!may_go_on(hook, sender)) co_return Run::kMore;
    const Result<Run> run = co_await send_page(hook, sender);
    if (!run) {
      say(fmt::format("webhook {}: {}", hook.webhook.id.value, run.error().message));
      hook.retry_at = parts_.clock->now() + kDiskDelay;
      co_return Run::kFailed;
    }
    if (*run != Run::kMore) co_return *run;
  }
  co_return Run::kMore;
}

// What a person asked for again, then a page of the feed.
net::Task<Result<Webhooks::Run>> Webhooks::send_page(Hook& hook, WebhookSender& sender) {
  for (bool replayed = true; replayed && may_go_on(hook, sender);) {
    FALLOW_CO_ASSIGN(replayed, co_await send_replay(hook, sender));
  }
  if (!may_go_on(hook, sender)) co_return Run::kMore;
  const core::WebhookId id = hook.webhook.id;
  const EventPlace begin{hook.webhook.created_index, 0};
  const std::function<Result<WebhookStore::Progress>()> ask = [&] {
    return parts_.store->progress(id, begin);
  };
  FALLOW_CO_ASSIGN(WebhookStore::Progress progress, co_await on_disk(ask));
  hook.retry_at = progress.retry_at;
  if (progress.retry_at > parts_.clock->now()) co_return Run::kFailed;

  // What is known to be of no concern is not read.
  const EventPlace touched{hook.touch.first, 0};
  if (hook.caught_up == progress.next && touched > progress.next) {
    const std::function<Result<bool>()> pass = [&] {
      return parts_.store->pass(id, progress.next, touched);
    };
    FALLOW_CO_ASSIGN(const bool stands, co_await on_disk(pass));
    if (!stands) co_return Run::kMore;
    progress.next = touched;
  }
  hook.caught_up.reset();

  const AccountId account = hook.webhook.everyone ? AccountId() : hook.webhook.account;
  const LogIndex after(progress.next.index.value - 1);
  const std::function<Result<FeedSource::Batch>()> read = [&] {
    return parts_.feed->read(account, after, kEventsPerPage);
  };
  const Result<FeedSource::Batch> batch = co_await on_disk(read);
  if (!batch && batch.error().code == ErrorCode::kNotFound) {
    FALLOW_CO_TRY(co_await skip_lost(hook, progress));
    co_return Run::kMore;
  }
  if (!batch) co_return tl::unexpected(batch.error());
  for (std::size_t i = 0; i < batch->events.size(); ++i) {
    const v1::FeedEvent& event = batch->events[i];
    const EventPlace place{LogIndex(event.index()), batch->ordinals[i]};
    if (place < progress.next || !wants(hook.webhook, event.event().kind_case())) continue;
    // It may have been removed, or stopped, while the disk was asked.
    if (!may_go_on(hook, sender)) co_return Run::kMore;
    FALLOW_CO_ASSIGN(const bool sent, co_await send_next(hook, sender, event, place, progress));
    if (!sent) co_return Run::kFailed;
  }
  if (!may_go_on(hook, sender)) co_return Run::kMore;
  const EventPlace behind{LogIndex(batch->scanned.value + 1), 0};
  if (behind > progress.next) {
    const std::function<Result<bool>()> pass = [&] {
      return parts_.store->pass(id, progress.next, behind);
    };
    FALLOW_CO_ASSIGN(const bool stands, co_await on_disk(pass));
    if (!stands) co_return Run::kMore;
  }
  if (batch->scanned < hook.touch.last) {
    co_return behind > progress.next ? Run::kMore : Run::kBehind;
  }
  hook.touch = Touch();
  hook.caught_up = std::max(behind, progress.next);
  co_return Run::kCaughtUp;
}

// False: it failed, or somebody has moved the webhook meanwhile.
net::Task<Result<bool>> Webhooks::send_next(Hook& hook, WebhookSender& sender,
                                            const v1::FeedEvent& event, EventPlace place,
                                            WebhookStore::Progress& progress) {
  const LogIndex set_at = hook.set_at;
  std::optional<Duration> wait;
  const WebhookStore::Attempt done = co_await attempt(hook, sender, event, place, wait);
  // A change of the webhook that has come meanwhile counts.
  take_inbox();
  if (!done.delivered && is_left(hook, set_at)) co_return false;
  WebhookStore::Progress next;
  next.next = EventPlace{place.index, place.ordinal + 1};
  if (!done.delivered) {
    next = progress;
    next.attempts = progress.attempts + 1;
    if (progress.attempts == 0) next.failing_since = done.tried_at;
    const Duration delay = std::max(retry_delay(next.attempts), wait.value_or(Duration()));
    next.retry_at = parts_.clock->now() + delay;
  }
  const core::WebhookId id = hook.webhook.id;
  const std::function<Result<bool>()> record = [&] {
    return parts_.store->record(id, done, progress, next);
  };
  FALLOW_CO_ASSIGN(const bool stands, co_await on_disk(record));
  progress = next;
  if (done.delivered) co_return stands;
  if (stands && hook.set_at == set_at) {
    hook.retry_at = next.retry_at;
    after_failure(hook, done, next.failing_since);
  }
  co_return false;
}

// False: nothing was to be sent again, or not now.
net::Task<Result<bool>> Webhooks::send_replay(Hook& hook, WebhookSender& sender) {
  const core::WebhookId id = hook.webhook.id;
  const std::function<Result<std::optional<EventPlace>>()> ask = [&] {
    return parts_.store->next_replay(id);
  };
  FALLOW_CO_ASSIGN(const std::optional<EventPlace> place, co_await on_disk(ask));
  if (!place) co_return false;
  const AccountId account = hook.webhook.everyone ? AccountId() : hook.webhook.account;
  const LogIndex before(place->index.value - 1);
  const std::function<Result<FeedSource::Batch>()> read = [&] {
    return parts_.feed->read(account, before, 1);
  };
  const Result<FeedSource::Batch> batch = co_await on_disk(read);
  if (!may_go_on(hook, sender)) co_return false;
  const LogIndex set_at = hook.set_at;
  WebhookStore::Attempt done;
  done.place = *place;
  done.tried_at = parts_.clock->now();
  done.trouble = "this event is no longer kept";
  for (std::size_t i = 0; batch && i < batch->events.size(); ++i) {
    const EventPlace found{LogIndex(batch->events[i].index()), batch->ordinals[i]};
    if (found != *place) continue;
    std::optional<Duration> wait;
    done = co_await attempt(hook, sender, batch->events[i], found, wait);
    break;
  }
  take_inbox();
  if (!done.delivered && is_left(hook, set_at)) co_return false;
  const std::function<Result<bool>()> record = [&]() -> Result<bool> {
    FALLOW_TRY(parts_.store->record_replay(id, done));
    return true;
  };
  co_return co_await on_disk(record);
}

net::Task<WebhookStore::Attempt> Webhooks::attempt(Hook& hook, WebhookSender& sender,
                                                   const v1::FeedEvent& event, EventPlace place,
                                                   std::optional<Duration>& wait) {
  WebhookStore::Attempt done;
  done.place = place;
  done.kind = kind_of(event.event());
  done.happened_at = Time{event.at().seconds() * 1'000'000 + event.at().nanos() / 1'000};
  done.tried_at = parts_.clock->now();
  WebhookMessage message;
  message.id = message_id(hook.webhook.id, place);
  message.timestamp_s = done.tried_at.us / 1'000'000;
  message.body = message_body(event);
  message.signature = webhook_signature(webhook_secrets(parts_.secret, hook.webhook, done.tried_at),
                                        message.id, message.timestamp_s, message.body);
  const WebhookAnswer answer = co_await sender.send(std::move(message));
  done.status = answer.status;
  done.trouble = answer.trouble;
  done.delivered = answer.trouble.empty();
  wait = answer.wait;
  ++(done.delivered ? delivered_ : failed_);
  co_return done;
}

// It was behind for longer than events are kept: goes on with the first that there is, and says so
// among the deliveries.
net::Task<Result<bool>> Webhooks::skip_lost(Hook& hook, const WebhookStore::Progress& progress) {
  const core::WebhookId id = hook.webhook.id;
  const std::function<Result<bool>()> skip = [&]() -> Result<bool> {
    FALLOW_ASSIGN(const LogIndex first, parts_.feed->index_at(Time()));
    WebhookStore::Progress next;
    next.next = EventPlace{std::max(first, LogIndex(progress.next.index.value + 1)), 0};
    WebhookStore::Attempt lost;
    lost.place = progress.next;
    lost.kind = "events_lost";
    lost.happened_at = lost.tried_at = parts_.clock->now();
    lost.trouble = fmt::format("events of the log's commands {} to {} are no longer kept",
                               progress.next.index.value, next.next.index.value - 1);
    return parts_.store->record(id, lost, progress, next);
  };
  FALLOW_CO_TRY(co_await on_disk(skip));
  say(
      fmt::format("webhook {} of account {} has lost events: it was behind for longer than they "
                  "are kept",
                  id.value, hook.webhook.account.value));
  co_return true;
}

Duration Webhooks::retry_delay(std::uint32_t attempts) const {
  Duration delay = limits_.retry_first;
  for (std::uint32_t i = 1; i < attempts && delay < limits_.retry_max; ++i) delay += delay;
  delay = std::min(delay, limits_.retry_max);
  // So that those who failed together do not come back together.
  const auto spread = static_cast<std::uint64_t>(delay.value / 4 + 1);
  return delay + Duration(static_cast<std::int64_t>(parts_.random->below(spread)));
}

void Webhooks::after_failure(Hook& hook, const WebhookStore::Attempt& attempt, Time failing_since) {
  const Duration failing = attempt.tried_at - failing_since;
  if (attempt.status != kStatusGone && failing < limits_.give_up_after) return;
  v1::Command command;
  v1::StopWebhook& stop = *command.mutable_stop_webhook();
  stop.set_webhook(hook.webhook.id.value);
  stop.set_reason(
      attempt.status == kStatusGone
          ? "it answered 410: it wants no more. Set it again when it does"
          : fmt::format("nothing got through for {} hours, the last time: {}. What was not sent is "
                        "kept for a while: set it again when it works",
                        failing.value / kHour.value, attempt.trouble));
  const auto told = [this, id = hook.webhook.id](const Result<engine::Applied>& applied,
                                                 const core::Machine&) {
    if (!applied || applied->events.empty() || applied->events[0].has_refused()) return;
    ++stopped_;
    say(fmt::format("webhook {} is stopped: its receiver takes nothing", id.value));
  };
  // Where the queue is full the next failure says it again.
  (void)engine_->submit(command, told);
}

}  // namespace fallow::server
