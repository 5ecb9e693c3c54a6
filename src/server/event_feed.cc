// Market.FollowEvents: the events that concern the caller, live.

#include "base/number.h"
#include "server/event_streams.h"
#include "server/json.h"

namespace fallow::server {
namespace {

constexpr std::size_t kEventsPerChunk = 128;

class EventFeed final : public EventSource {
 public:
  EventFeed(Call& call, LogIndex after, const net::Notifier& wake)
      : call_(call),
        account_(call.caller().is_operator() ? AccountId() : call.caller().account),
        after_(after),
        subscription_(call.parts().feed->watch([wake] { wake.notify(); })) {}

  net::Task<Answer<Chunk>> next() override {
    const std::function<Answer<FeedSource::Batch>()> read = [this]() -> Answer<FeedSource::Batch> {
      auto batch = call_.parts().feed->read(account_, after_, kEventsPerChunk);
      if (batch) return std::move(*batch);
      if (batch.error().code == ErrorCode::kNotFound) {
        return refuse(410, "events_gone", "{}", batch.error().message);
      }
      return tl::unexpected(problem_of(batch.error(), "read the events"));
    };
    Chunk chunk;
    bool progress = true;
    while (chunk.events.empty() && progress) {
      FALLOW_CO_ASSIGN(const FeedSource::Batch batch, co_await call_.on_disk(read));
      progress = batch.scanned > after_;
      after_ = std::max(after_, batch.scanned);
      for (int i = 0; i < static_cast<int>(batch.events.size()); ++i) {
        const auto at = static_cast<std::size_t>(i);
        const v1::FeedEvent& event = batch.events[at];
        // Only a command's last event has an id: who resumes gets whole commands.
        const bool last =
            at + 1 == batch.events.size() || batch.events[at + 1].index() != event.index();
        chunk.events.push_back({{}, write_json(event), last ? std::to_string(event.index()) : ""});
      }
    }
    co_return chunk;
  }
  // "From now on" is another moment when it is asked for again.
  std::string first_id() const override { return std::to_string(after_.value); }
  Duration poll_interval() const override { return seconds(15); }

 private:
  Call& call_;
  const AccountId account_;  // 0: all, for an operator
  LogIndex after_;
  std::unique_ptr<Subscription> subscription_;
};

Answer<LogIndex> start_of(const Call& call, const v1::FollowEventsRequest& request) {
  const std::string* last = call.request().headers.find("Last-Event-ID");
  if (last == nullptr || last->empty()) return LogIndex(request.after());
  const auto index = parse_number<std::uint64_t>(*last);
  if (!index) return refuse_field("Last-Event-ID", "Last-Event-ID is not an id of this stream");
  return LogIndex(*index);
}

}  // namespace

OpenStream follow_events(Call& call, const v1::FollowEventsRequest& request, net::Notifier wake) {
  FALLOW_CO_ASSIGN(LogIndex after, start_of(call, request));
  if (after.value == 0) {
    const std::function<Answer<LogIndex>(const core::Machine&)> look =
        [](const core::Machine& machine) -> Answer<LogIndex> { return machine.last_index(); };
    FALLOW_CO_ASSIGN(after, co_await call.visit(look));
  }
  co_return std::make_unique<EventFeed>(call, after, wake);
}

}  // namespace fallow::server
