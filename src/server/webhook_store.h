// WebhookStore: how far each webhook has come in the log, what was sent lately and how it went, and
// what is to be sent again. The outbox itself is the log: this is no more than a place in it.
//
// A place moves only from where it was read: when a replay has set it back meanwhile, the sending
// that was under way does not move it on. So a crash or a replay sends something twice at worst.
//
// Owner: Server. Any thread; every call waits for the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sqlite_db.h"
#include "base/types.h"
#include "core/webhook.h"
#include "fallow/v1/views.pb.h"
#include "server/webhook_message.h"

namespace fallow::server {

class WebhookStore {
 public:
  static constexpr std::size_t kDeliveriesKept = 200;  // of each webhook, the newest
  static constexpr std::size_t kReplaysMax = 100;      // of each, that wait

  // How sending to one webhook stands.
  struct Progress {
    EventPlace next;             // nothing before it is to be sent any more
    Time failing_since;          // 0: the last attempt went well
    std::uint32_t attempts = 0;  // since then
    Time retry_at;               // while failing
  };
  // How one attempt went.
  struct Attempt {
    EventPlace place;
    std::string kind;
    Time happened_at;
    Time tried_at;
    bool delivered = false;
    int status = 0;       // of the answer; 0: there was none
    std::string trouble;  // a sentence; empty when delivered
  };

  // `path`: the file, made when missing.
  static Result<std::unique_ptr<WebhookStore>> open(const std::string& path);

  // Where the webhook stands; one that is not known begins at `begin`.
  Result<Progress> progress(core::WebhookId webhook, EventPlace begin);
  // Notes the attempt, and moves on from `from` to `to`: the webhook failed and stays there when
  // they are the same. False: somebody has moved it meanwhile, and it stands elsewhere.
  Result<bool> record(core::WebhookId webhook, const Attempt& attempt, const Progress& from,
                      const Progress& to);
  // Moves on without a word of what was between; false as above.
  Result<bool> pass(core::WebhookId webhook, EventPlace from, EventPlace to);
  // Back to there, whatever is under way; one that has not come so far stays, for what it has not
  // sent yet is not to be passed over. Also takes the failures off.
  Status move_back(core::WebhookId webhook, EventPlace to);
  // Takes the failures off: the next attempt is due.
  Status forgive(core::WebhookId webhook);
  void remove(core::WebhookId webhook);
  // The log ends with `last`, whatever is known here: as when it was restored from a backup. What
  // stands behind its end is taken back to it, failures and all, and what was noted of commands
  // that it does not have is forgotten: they will be others. How many webhooks that were.
  Result<std::size_t> end_with(LogIndex last);

  // One delivery again, before whatever else there is. kBusy: too many wait.
  Status add_replay(core::WebhookId webhook, EventPlace place);
  Result<std::optional<EventPlace>> next_replay(core::WebhookId webhook);
  // Notes the attempt; the replay is over, however it went: a person asked for it and sees it.
  Status record_replay(core::WebhookId webhook, const Attempt& attempt);

  struct Page {
    std::vector<v1::DeliveryView> deliveries;  // newest first
    std::uint64_t next = 0;                    // hand it back as `before`; 0: there are no more
  };
  Result<Page> deliveries(core::WebhookId webhook, std::uint64_t before, std::size_t count_max);

 private:
  explicit WebhookStore(SqliteDb db) : db_(std::move(db)) {}
  Status note(core::WebhookId webhook, const Attempt& attempt);
  Status run(const char* sql, std::initializer_list<std::int64_t> values);
  Status in_transaction(const std::function<Status()>& work);
  Result<bool> moved(core::WebhookId webhook, EventPlace from, const Progress& to);

  std::mutex mutex_;
  SqliteDb db_;
};

}  // namespace fallow::server
