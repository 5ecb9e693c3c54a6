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
#include "fallow/v1/statement.pb.h"
#include "fallow/v1/telemetry.pb.h"
#include "fallow/v1/views.pb.h"
#include "server/secret_asks.h"

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

// What accounts' calendar months (UTC) came to.
class StatementHistory {
 public:
  virtual ~StatementHistory() = default;

  // A line's place among a statement's: what was spent comes before what was earned.
  struct Place {
    bool as_provider = false;
    LeaseId lease;
  };
  struct Asked {
    AccountId account;
    std::int32_t month = 0;  // as core::month_of() counts
    Place after;             // of the lines
    std::size_t lines_max = 0;
  };
  struct Page {
    v1::StatementView view;     // without the currency
    std::optional<Place> next;  // of the last line, when there are more
  };
  // All of one moment. May block.
  virtual Result<Page> statement(const Asked& asked) = 0;
  // The pages in turn, all of one moment, whatever happens between them. To be read without delay:
  // until the last page was read the history's file grows with what is written. One thread at a
  // time.
  class Reading {
   public:
    virtual ~Reading() = default;
    // May block. Not after the last page.
    virtual Result<Page> next() = 0;
  };
  static constexpr std::size_t kReadingsMax = 16;  // that exist at once
  // From `asked.after` on. kBusy: there are too many. May block.
  virtual Result<std::unique_ptr<Reading>> read_whole(const Asked& asked) = 0;
  // As HourHistory's.
  virtual bool wait_for(LogIndex index, Duration wait) = 0;
};

// What accounts earned by day (UTC) and device, and what they asked to be paid out.
class EarningsHistory {
 public:
  virtual ~EarningsHistory() = default;

  // Of a row: a day since 1970, or a node's devices as "0,2", or both.
  struct DaysPlace {
    std::int32_t day = 0;
    std::int64_t node = 0;
    std::string devices;
  };
  struct DaysAsked {
    AccountId account;
    NodeId node;  // 0: all
    std::int32_t first_day = 0;
    std::int32_t last_day = 0;
    v1::EarningsBy by = v1::EARNINGS_BY_DAY_AND_DEVICE;
    std::optional<DaysPlace> after;
    std::size_t rows_max = 0;
  };
  struct DaysPage {
    std::vector<v1::EarningsView> rows;  // without the nodes' names
    std::optional<DaysPlace> next;       // go on behind it; none: that was all
  };
  // Newest day first, then by node and devices. May block.
  virtual Result<DaysPage> earnings(const DaysAsked& asked) = 0;

  struct PayoutsPage {
    std::vector<v1::PayoutView> payouts;
    std::uint64_t next = 0;  // hand it back as `before`; 0: there are no more
  };
  // Newest first; `before`: 0 begins at the newest. May block.
  virtual Result<PayoutsPage> payouts(AccountId account, std::uint64_t before,
                                      std::size_t count_max) = 0;
  // As HourHistory's.
  virtual bool wait_for(LogIndex index, Duration wait) = 0;
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
    std::vector<v1::FeedEvent> events;    // ascending; all events of a command, or none of them
    std::vector<std::uint32_t> ordinals;  // of each: its place among all that its command led to
    LogIndex scanned;                     // everything up to here has been looked at
  };
  // Events of commands after `after` that concern the account (feed_filter.h says which do);
  // account 0 sees all. About count_max of them: the last command's events are all given. kNotFound
  // when events after `after` are no longer kept. May block.
  virtual Result<Batch> read(AccountId account, LogIndex after, std::size_t count_max) = 0;
  // The first command at or after the moment of which events are kept; one beyond the last when
  // there is none. May block.
  virtual Result<LogIndex> index_at(Time since) = 0;
  // Calls `changed` whenever there is something after what was last read. It must not block.
  virtual std::unique_ptr<Subscription> watch(std::function<void()> changed) = 0;
};

// The feed's events with the commands that they come from, to be searched.
class AuditSource {
 public:
  virtual ~AuditSource() = default;

  struct Place {
    LogIndex index;
    std::uint32_t ordinal = 0;  // of the event among its command's
  };
  // All that is said must hold; what is 0 says nothing.
  struct Filter {
    AccountId account;     // it asked for it, or the event concerns it
    int command_kind = 0;  // numbers of Command's and Event's fields
    int event_kind = 0;
    std::uint64_t node = 0;  // that the event names, or else its command
    std::uint64_t order = 0;
    std::uint64_t lease = 0;
    Time since;  // from this moment on
    Time until;  // up to but without this one
  };
  struct Page {
    std::vector<v1::AuditEntryView> entries;
    std::optional<Place> next;  // go on there; none: there is nothing older that could be found
  };
  // Newest first, from behind `before` on, or from the newest. At most count_max entries of the
  // rows that one reading looks at: a page may be empty and go on. May block.
  virtual Result<Page> search(const Filter& wanted, std::optional<Place> before,
                              std::size_t count_max) = 0;
  // As HourHistory's.
  virtual bool wait_for(LogIndex index, Duration wait) = 0;
};

// What nodes measure.
class TelemetrySource {
 public:
  virtual ~TelemetrySource() = default;

  struct Moment {
    Time at;  // when it came
    v1::TelemetrySample sample;
  };
  // The last sample of a node that is watched; none before the first.
  virtual std::optional<Moment> latest(NodeId node) = 0;
  // Calls `changed` whenever there is a newer one. It must not block. While somebody watches, the
  // node is asked to send what it measures.
  virtual std::unique_ptr<Subscription> watch(NodeId node, std::function<void()> changed) = 0;

  struct Minute {
    Time at;  // its end, as it came
    v1::TelemetryMinute minute;
  };
  struct OwnerMoment {
    std::uint64_t id = 0;
    Time at;
    v1::OwnerNote note;
  };
  // What nodes say of their owners, newest first; `before` is an id, 0 begins at the newest. May
  // block.
  virtual Result<std::vector<OwnerMoment>> owner_moments(NodeId node, std::uint64_t before,
                                                         std::size_t count_max) = 0;

  // What was kept of the node's minutes after `after` and not after `until`, ascending. May block.
  virtual Result<std::vector<Minute>> minutes(NodeId node, Time after, Time until,
                                              std::size_t count_max) = 0;
};

// The way of a renter's secrets to the nodes that wait for them: docs/secrets.md.
class SecretDoor {
 public:
  virtual ~SecretDoor() = default;
  // What nodes say of the order's leases; whether a lease is theirs is not looked at.
  virtual std::vector<SecretAsks::Ask> secret_asks(OrderId order) const = 0;
  virtual SecretDelivery deliver_secrets(NodeId node, LeaseId lease, std::string sealed) = 0;
};

// Bearer tokens of connected agents, for the artifact store.
class SessionTokens {
 public:
  virtual ~SessionTokens() = default;
  // The node whose present connection was given this token, if any.
  virtual std::optional<NodeId> node_of(std::string_view token) const = 0;
};

}  // namespace fallow::server
