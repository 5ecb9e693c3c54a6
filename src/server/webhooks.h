// Webhooks: sends events on to where their accounts want them, in the log's order, at least once.
//
// The log is the outbox. Of each webhook only the place is kept that it has come to (WebhookStore);
// the events are read from the history's feed, which holds them durably and in order. What fails is
// tried again, twice as late each time, and nothing behind it is sent before; after days of nothing
// but failures the webhook is stopped by a command in the log, which its account sees.
//
// Owner: Server. Sending runs on a thread of its own, so that strangers' names and handshakes take
// nothing from the API's. on_batch() on the market thread; poke() and counts() on any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/types.h"
#include "engine/engine.h"
#include "net/io_pool.h"
#include "net/name_lookups.h"
#include "net/notifier.h"
#include "server/disk_pool.h"
#include "server/ports.h"
#include "server/webhook_interests.h"
#include "server/webhook_sender.h"
#include "server/webhook_store.h"

namespace fallow::server {

struct WebhookLimits {
  std::size_t sending_max = 64;             // receivers that are spoken to at once
  std::size_t sending_per_account_max = 4;  // of them
  Duration retry_first = seconds(1);        // after a failure; then twice as long each time
  Duration retry_max = hours(1);
  Duration give_up_after = hours(5 * 24);  // of failures only
  WebhookTimes times;
};

class Webhooks final : public engine::Subscriber {
 public:
  // All outlive it, the engine and its threads included: see stop().
  struct Parts {
    FeedSource* feed = nullptr;
    WebhookStore* store = nullptr;
    DiskPool* disk = nullptr;
    const Clock* clock = nullptr;
    Random* random = nullptr;
    std::string secret;                           // of the server: webhooks' secrets derive from it
    std::function<void(const std::string&)> log;  // may be empty
  };
  Webhooks(Parts parts, WebhookTargets targets, const WebhookLimits& limits);
  ~Webhooks() override;

  const WebhookTargets& targets() const { return targets_; }

  // The market stands: takes what webhooks there are, and begins to send. Where the store is ahead
  // of the log, as after a restore, it says so and goes on from the log's end.
  Status start(engine::Engine& engine);
  // Breaks off what is being sent. Before the engine and the disk's threads stop. Idempotent.
  void stop();
  // A person has changed how far the webhook is, or asked for a replay: it is due at once.
  void poke(core::WebhookId webhook);

  struct Counts {
    std::uint64_t delivered = 0;            // since the start
    std::uint64_t failed = 0;               // attempts
    std::uint64_t stopped = 0;              // webhooks that were given up
    std::uint64_t lookups_written_off = 0;  // of names, that the system has not ended yet
    std::uint64_t waiting = 0;  // webhooks with something to look through, or to try again
    std::uint64_t sending = 0;  // that are being sent to
  };
  Counts counts() const {
    return {delivered_.load(),           failed_.load(),  stopped_.load(),
            names_.counts().written_off, waiting_.load(), sending_.load()};
  }

  // Subscriber.
  std::string_view name() const override { return "webhooks"; }
  void on_batch(const engine::Batch& batch, const core::Machine& machine) override;

 private:
  // Commands that concern a webhook and that it has not been looked through yet.
  struct Touch {
    LogIndex first;  // 0: none
    LogIndex last;
    void add(LogIndex index) {
      if (first.value == 0 || index < first) first = index;
      if (index > last) last = index;
    }
  };
  struct Change {
    core::Webhook webhook;
    LogIndex index;
  };
  // What other threads have to say; at most an entry a webhook and the changes of a few batches.
  struct Inbox {
    std::map<core::WebhookId, Touch> touched;
    std::vector<Change> changed;
    std::vector<core::WebhookId> removed;
    std::set<core::WebhookId> poked;
    LogIndex last;  // every command up to here has been looked at
  };
  // On the sending thread alone, as everything below but the inbox.
  struct Hook {
    core::Webhook webhook;
    Touch touch;
    // The store has it here, and nothing between here and touch.first is for it.
    std::optional<EventPlace> caught_up;
    LogIndex set_at;  // the command that set or stopped it last
    Time retry_at;
    Time run_until;  // monotonic, while it is busy
    bool is_busy = false;
    bool is_removed = false;
    WebhookSender* sender = nullptr;  // while it is busy
  };
  enum class Run { kCaughtUp, kMore, kFailed, kBehind };

  Status check_log_end(LogIndex last);
  net::Task<void> run();
  void take_inbox();
  void take_change(Change change);
  // Begins what is due; how long nothing else will be.
  Duration begin_due();
  net::Task<void> serve(Hook& hook);
  bool may_go_on(const Hook& hook, const WebhookSender& sender) const;
  bool is_left(const Hook& hook, LogIndex set_at) const;
  net::Task<Run> send_some(Hook& hook, WebhookSender& sender);
  net::Task<Result<Run>> send_page(Hook& hook, WebhookSender& sender);
  net::Task<Result<bool>> send_replay(Hook& hook, WebhookSender& sender);
  net::Task<Result<bool>> send_next(Hook& hook, WebhookSender& sender, const v1::FeedEvent& event,
                                    EventPlace place, WebhookStore::Progress& progress);
  net::Task<WebhookStore::Attempt> attempt(Hook& hook, WebhookSender& sender,
                                           const v1::FeedEvent& event, EventPlace place,
                                           std::optional<Duration>& wait);
  net::Task<Result<bool>> skip_lost(Hook& hook, const WebhookStore::Progress& progress);
  net::Task<void> save_idle();
  void after_failure(Hook& hook, const WebhookStore::Attempt& attempt, Time failing_since);
  Duration retry_delay(std::uint32_t attempts) const;
  void say(const std::string& sentence) const;

  // The disk's threads speak of problems; here they are sentences.
  template <class T>
  net::Task<Result<T>> on_disk(std::function<Result<T>()> work) {
    Result<T> result = fail(ErrorCode::kBusy, "too much waits for the disk");
    const std::function<Answer<bool>()> job = [&]() -> Answer<bool> {
      result = work();
      return true;
    };
    (void)co_await parts_.disk->run<bool>(pool_.executor(0), job);
    co_return result;
  }

  const Parts parts_;
  const WebhookTargets targets_;
  const WebhookLimits limits_;
  // Never more than are sending, but for those that were written off: whose they are waits first.
  net::NameLookups names_;
  std::shared_ptr<const net::TlsClient> tls_;  // the sending thread's; null: nobody needed it yet
  engine::Engine* engine_ = nullptr;
  WebhookInterests interests_;  // market thread

  std::mutex mutex_;
  Inbox inbox_;  // under the mutex

  std::map<core::WebhookId, std::unique_ptr<Hook>> hooks_;
  std::set<core::WebhookId> due_;
  core::WebhookId begun_;                     // the last; the next in the circle comes next
  std::map<AccountId, std::size_t> busy_of_;  // webhooks that are busy, by account
  std::size_t busy_ = 0;
  LogIndex looked_at_;  // as Inbox::last, of what was taken
  Time saved_at_;       // monotonic

  std::atomic<std::uint64_t> delivered_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> stopped_ = 0;
  std::atomic<std::uint64_t> waiting_ = 0;  // due_ and busy_, for who asks
  std::atomic<std::uint64_t> sending_ = 0;
  std::atomic<bool> stopping_ = false;
  bool started_ = false;  // the owner's thread
  std::promise<void> ended_;
  net::IoPool pool_{1};
  net::Notifier wake_{pool_.executor(0)};
  std::unique_ptr<Subscription> watch_;
};

}  // namespace fallow::server
