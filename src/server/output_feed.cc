// Orders.FollowOrderLogs and Leases.FollowLeaseLogs: what workloads write, as it comes.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "server/event_streams.h"
#include "server/json.h"
#include "server/visible.h"

namespace fallow::server {
namespace {

constexpr std::size_t kPieceBytesMax = 16 * 1024;
constexpr std::size_t kChunkBytesMax = 64 * 1024;
// Beyond it events carry no id: a stream that is resumed begins anew, and offsets tell what is old.
constexpr std::size_t kOutputsInIdMax = 64;
// An agent's last words may come after the lease's end: so long the stream stays open for them.
constexpr Duration kLastWordsMax = seconds(3);
constexpr Duration kPollMin = milliseconds(10);
constexpr Duration kPollMax = milliseconds(500);

struct Offsets {
  std::uint64_t out = 0;
  std::uint64_t error = 0;
};
using Resume = std::map<std::uint64_t, Offsets>;  // by lease

// "lease-out-error" joined by dots.
Answer<Resume> resume_of(const Call& call) {
  Resume resume;
  const std::string* id = call.request().headers.find("Last-Event-ID");
  if (id == nullptr || id->empty()) return resume;
  const char* at = id->data();
  const char* const end = at + id->size();
  const auto number = [&](char before, std::uint64_t& value) {
    if (before != '\0' && (at == end || *at++ != before)) return false;
    const auto [stop, error] = std::from_chars(at, end, value);
    at = stop;
    return error == std::errc();
  };
  while (at != end) {
    std::uint64_t lease = 0;
    Offsets offsets;
    const char before = resume.empty() ? '\0' : '.';
    if (!number(before, lease) || !number('-', offsets.out) || !number('-', offsets.error) ||
        resume.size() >= kOutputsInIdMax) {
      return refuse_field("Last-Event-ID", "Last-Event-ID is not an id of this stream");
    }
    resume[lease] = offsets;
  }
  return resume;
}

class OutputFeed final : public EventSource {
 public:
  // One lease's output, and how far it was given out.
  struct Output {
    LeaseId lease;
    std::uint32_t task = 0;
    std::uint64_t offsets[2] = {0, 0};  // stdout, stderr
    bool complete[2] = {false, false};
    std::unique_ptr<Subscription> subscription = nullptr;

    bool is_complete() const { return complete[0] && complete[1]; }
  };
  // What there is to follow now; the order or lease has ended.
  struct Present {
    std::vector<std::pair<LeaseId, std::uint32_t>> leases;  // with their tasks
    bool ended = false;
    Time ended_at;  // market's time, once it has
  };
  using Look = std::function<Answer<Present>(const core::Machine&)>;

  OutputFeed(Call& call, Look look, bool follow, Resume resume, net::Notifier wake)
      : call_(call),
        look_(std::move(look)),
        follow_(follow),
        resume_(std::move(resume)),
        wake_(std::move(wake)),
        words_at_(call.parts().clock->monotonic()),
        changed_at_(words_at_) {}

  net::Task<Answer<Chunk>> next() override {
    FALLOW_CO_ASSIGN(const Present present, co_await call_.visit(look_));
    add_new(present);
    const std::function<Answer<Chunk>()> read = [this] { return read_chunk(); };
    FALLOW_CO_ASSIGN(Chunk chunk, co_await call_.on_disk(read));
    const Time now = call_.parts().clock->monotonic();
    if (!chunk.events.empty() || !present.ended) words_at_ = now;
    if (!chunk.events.empty() || present.leases != seen_.leases || present.ended != seen_.ended) {
      changed_at_ = now;
      seen_ = present;
    }
    if (chunk.events.empty()) {
      chunk.is_last = present.ended ? !may_say_more(present, now) : !follow_;
    }
    co_return chunk;
  }
  // New attempts and the end are found by looking; output itself wakes at once. The longer nothing
  // has changed the rarer, so that a short job is not kept waiting by more than a quarter of its
  // time, and a thousand followers of long ones cost the market little.
  Duration poll_interval() const override {
    const Duration quiet = call_.parts().clock->monotonic() - changed_at_;
    return std::clamp(Duration(quiet.value / 4), kPollMin, kPollMax);
  }

 private:
  // Nobody who asks for the output of what has just ended wants it without its end.
  bool may_say_more(const Present& present, Time now) const {
    const bool all = std::all_of(outputs_.begin(), outputs_.end(),
                                 [](const Output& output) { return output.is_complete(); });
    return !all && now - words_at_ < kLastWordsMax &&
           (follow_ || call_.now() - present.ended_at < kLastWordsMax);
  }

  void add_new(const Present& present) {
    for (const auto& [lease, task] : present.leases) {
      if (lease.value == 0 || known_.contains(lease.value)) continue;
      known_.insert(lease.value);
      Output output{lease, task};
      if (const auto found = resume_.find(lease.value); found != resume_.end()) {
        output.offsets[0] = found->second.out;
        output.offsets[1] = found->second.error;
      }
      output.subscription = call_.parts().logs->watch(lease, [wake = wake_] { wake.notify(); });
      outputs_.push_back(std::move(output));
    }
  }

  Answer<Chunk> read_chunk() {
    Chunk chunk;
    std::size_t bytes = 0;
    for (std::size_t n = 0; n < outputs_.size() && bytes < kChunkBytesMax; ++n) {
      // In turn, so that one loud task does not silence the others.
      Output& output = outputs_[(first_ + n) % outputs_.size()];
      for (int which = 0; which < 2; ++which) {
        FALLOW_ASSIGN(const std::size_t read, read_piece(output, which, chunk));
        bytes += read;
      }
      if (output.is_complete()) output.subscription.reset();
    }
    if (!outputs_.empty()) first_ = (first_ + 1) % outputs_.size();
    if (!chunk.events.empty()) chunk.events.back().id = id();
    return chunk;
  }

  Answer<std::size_t> read_piece(Output& output, int which, Chunk& chunk) {
    if (output.complete[which]) return 0;
    const auto piece = call_.parts().logs->read(output.lease, which == 0 ? v1::STDOUT : v1::STDERR,
                                                output.offsets[which], kPieceBytesMax);
    if (!piece) return tl::unexpected(problem_of(piece.error(), "read the output"));
    output.complete[which] = piece->complete;
    // A node's last chunk is often an empty one: who was told the words is told that they are all.
    const bool only_the_end = piece->complete && output.offsets[which] > 0;
    if (piece->data.empty() && !only_the_end) return 0;
    v1::LogLine line;
    line.set_lease(output.lease.value);
    line.set_task(output.task);
    line.set_error_stream(which == 1);
    line.set_offset(output.offsets[which]);
    line.set_data(piece->data);
    line.set_last(piece->complete);
    chunk.events.push_back({{}, write_json(line), {}});
    output.offsets[which] += piece->data.size();
    return piece->data.size();
  }

  std::string id() const {
    if (outputs_.size() > kOutputsInIdMax) return {};
    std::string text;
    for (const Output& output : outputs_) {
      if (!text.empty()) text += '.';
      text += fmt::format("{}-{}-{}", output.lease.value, output.offsets[0], output.offsets[1]);
    }
    return text;
  }

  Call& call_;
  const Look look_;
  const bool follow_;
  const Resume resume_;
  const net::Notifier wake_;
  Time words_at_;    // monotonic: of the last output, or of an open order
  Time changed_at_;  // monotonic: of the last output, attempt or end
  Present seen_;
  std::size_t first_ = 0;
  std::vector<Output> outputs_;  // one an attempt: core's tasks_per_order_max times attempts
  std::set<std::uint64_t> known_;
};

}  // namespace

OpenStream follow_order_logs(Call& call, const v1::FollowOrderLogsRequest& request,
                             net::Notifier wake) {
  FALLOW_CO_ASSIGN(Resume resume, resume_of(call));
  const OutputFeed::Look look =
      [&call, id = request.order()](const core::Machine& machine) -> Answer<OutputFeed::Present> {
    FALLOW_ASSIGN(const core::Order* order, visible_order(call, machine, id));
    OutputFeed::Present present;
    present.ended = order->state != v1::OPEN;
    present.ended_at = order->ended_at;
    for (std::size_t i = 0; i < order->tasks.size(); ++i) {
      if (order->tasks[i].lease.value == 0) continue;
      present.leases.emplace_back(order->tasks[i].lease, static_cast<std::uint32_t>(i));
    }
    return present;
  };
  FALLOW_CO_TRY(co_await call.visit(look));
  co_return std::make_unique<OutputFeed>(call, look, request.follow(), std::move(resume), wake);
}

OpenStream follow_lease_logs(Call& call, const v1::FollowLeaseLogsRequest& request,
                             net::Notifier wake) {
  FALLOW_CO_ASSIGN(Resume resume, resume_of(call));
  const OutputFeed::Look look = [&call, id = LeaseId(request.lease())](
                                    const core::Machine& machine) -> Answer<OutputFeed::Present> {
    const core::Lease* lease = machine.lease(id);
    if (lease == nullptr || !call.caller().may_see(lease->renter)) {
      return refuse(404, "not_found", "there is no lease {} of yours; GET /v1/leases lists them",
                    id.value);
    }
    OutputFeed::Present present;
    present.ended = !core::is_open(*lease);
    present.ended_at = lease->ended_at;
    present.leases.emplace_back(id, lease->task);
    return present;
  };
  FALLOW_CO_TRY(co_await call.visit(look));
  co_return std::make_unique<OutputFeed>(call, look, request.follow(), std::move(resume), wake);
}

}  // namespace fallow::server
