// What the API needs of the hub, the log store and the read models: small interfaces, so that the
// API neither knows how output is stored nor how agents are spoken to.
//
// Implemented beside it (hub, log_store, history, receipts), joined by Server. Every function is
// safe on every thread; "may block" means a read of the local disk, never the network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "core/price_index.h"
#include "fallow/v1/agent.pb.h"
#include "fallow/v1/receipt.pb.h"
#include "fallow/v1/views.pb.h"

namespace fallow::server {

// Ends a watch when destroyed: no call of its function runs or starts afterwards.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

// The stored output of workloads.
class LogReader {
 public:
  virtual ~LogReader() = default;

  struct Piece {
    std::string data;       // from the offset that was asked for; empty: nothing there (yet)
    bool complete = false;  // the stream's end is known and `data` reaches it
  };
  // At most bytes_max bytes of one stream of a lease. A lease without output is an empty piece.
  // May block.
  virtual Result<Piece> read(LeaseId lease, v1::LogStream stream, std::uint64_t offset,
                             std::size_t bytes_max) = 0;
  // Calls `changed` whenever output of the lease was added or completed. It must not block.
  virtual std::unique_ptr<Subscription> watch(LeaseId lease, std::function<void()> changed) = 0;
};

// Signed bills.
class ReceiptSource {
 public:
  virtual ~ReceiptSource() = default;
  // kNotFound when the lease is unknown or has not ended. May block.
  virtual Result<v1::Receipt> receipt(LeaseId lease) = 0;
};

// The ledger's transfers as one account sees them, newest first.
class TransferHistory {
 public:
  virtual ~TransferHistory() = default;

  struct Page {
    std::vector<v1::TransferView> transfers;
    std::uint64_t next = 0;  // hand it back as `before`; 0: there are no more
  };
  // `before`: 0 begins at the newest. May block.
  virtual Result<Page> transfers(AccountId account, std::uint64_t before,
                                 std::size_t count_max) = 0;
};

// What classes of device went for, newest first.
class PriceHistory {
 public:
  virtual ~PriceHistory() = default;

  struct Page {
    std::vector<v1::PriceView> prices;
    std::uint64_t next = 0;  // hand it back as `before`; 0: there are no more
  };
  // `model` canonical; an empty region is every region; `before`: 0 begins at the newest. May
  // block.
  virtual Result<Page> prices(const std::string& model, const std::string& region,
                              std::uint64_t before, std::size_t count_max) = 0;
  // The newest interval of each class, ascending by model and region. May block.
  virtual Result<std::vector<v1::PriceView>> classes(std::size_t count_max) = 0;
};

// What there was of a class of device in one hour, and what was asked of it.
struct ClassHour {
  std::int64_t hour = 0;        // since 1970
  std::int64_t span_ms = 0;     // of it that intervals of the price index cover
  std::int64_t offered_ms = 0;  // thousandths of devices times milliseconds
  std::int64_t leased_ms = 0;   // of them
  std::int64_t waited_ms = 0;   // likewise, by leases that began later: what counts of their wait
  bool operator==(const ClassHour&) const = default;
};

// The hours of each class, a read model of the price index's intervals and of ended leases.
class HourHistory {
 public:
  virtual ~HourHistory() = default;

  // From `from_hour` on, ascending; hours in which nothing was offered are left out. May block.
  virtual Result<std::vector<ClassHour>> hours(const core::PriceClass& of,
                                               std::int64_t from_hour) = 0;
  // The classes that have hours and come after this one, ascending by model and region. May block.
  virtual Result<std::vector<core::PriceClass>> classes_after(const core::PriceClass& after,
                                                              std::size_t count_max) = 0;
  // Waits until everything up to `index` can be read; false when `wait` passed first, or when the
  // disk does not take it.
  virtual bool wait_for(LogIndex index, Duration wait) = 0;
};

// The market's events, kept for those who follow them.
class FeedSource {
 public:
  virtual ~FeedSource() = default;

  struct Batch {
    std::vector<v1::FeedEvent> events;  // ascending; all events of a command, or none of them
    LogIndex scanned;                   // everything up to here has been looked at
  };
  // Events of commands after `after` that concern the account (feed_filter.h says which do);
  // account 0 sees all. About count_max of them: the last command's events are all given. kNotFound
  // when events after `after` are no longer kept. May block.
  virtual Result<Batch> read(AccountId account, LogIndex after, std::size_t count_max) = 0;
  // Calls `changed` whenever there is something after what was last read. It must not block.
  virtual std::unique_ptr<Subscription> watch(std::function<void()> changed) = 0;
};

// Bearer tokens of connected agents, for the artifact store.
class SessionTokens {
 public:
  virtual ~SessionTokens() = default;
  // The node whose present connection was given this token, if any.
  virtual std::optional<NodeId> node_of(std::string_view token) const = 0;
};

}  // namespace fallow::server
