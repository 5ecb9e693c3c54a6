#include "agent/owner_watch.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "agent/owner_decision.h"
#include "agent/owner_history.h"
#include "base/check.h"
#include "base/file.h"

namespace fallow::agent {
namespace {

// Between two looks. Nobody waits for the machine while the owner has it.
constexpr int kLookMs = 500;
constexpr int kLookPresentMs = 2'000;
// A process that stood still, or a machine that slept, is given time for its next look.
constexpr Duration kHangsSurely = seconds(2);
constexpr std::chrono::seconds kEndMax(2);

// When an earlier agent last saw the owner, on the monotonic clock; a wall clock that was set back
// counts as now.
std::optional<Time> last_seen(const std::vector<OwnerMoment>& moments, Time wall, Time monotonic) {
  for (std::size_t i = moments.size(); i-- > 0;) {
    if (moments[i].kind == OwnerMomentKind::kAway) return std::nullopt;
    // Beyond the schedule's hours nobody was seen, but perhaps before.
    if (moments[i].kind != OwnerMomentKind::kPresent || moments[i].why == kOutsideSchedule)
      continue;
    const Time until = i + 1 < moments.size() ? moments[i + 1].at : moments[i].at;
    return monotonic - std::max(Duration(), wall - until);
  }
  return std::nullopt;
}

}  // namespace

struct OwnerWatch::Impl {
  Impl(OwnerWatchOptions given, const Clock& the_clock, absl::TimeZone the_zone,
       std::optional<Time> seen_at)
      : options(std::move(given)),
        clock(the_clock),
        zone(the_zone),
        decision(options.policy.away_after, seen_at),
        changed(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        stop(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    FALLOW_CHECK(changed && stop, "no descriptor is left for an event");
  }

  // A diary: without it the node works as well.
  void cannot_note(const Error& error) {
    if (std::exchange(has_complained, true)) return;
    spdlog::warn("the owner's comings and goings are not written down: {}", error.message);
  }

  void open_history(Time wall) {
    auto opened = OwnerHistory::open(options.history, wall,
                                     options.policy.dry_run ? kDryRunRemark : std::string_view());
    if (opened) {
      history = std::move(*opened);
    } else {
      cannot_note(opened.error());
    }
  }

  void note(Time at, OwnerMomentKind kind, const std::string& reason) {
    if (!history) return;
    const auto added = history->add(at, kind, reason);
    if (!added) cannot_note(added.error());
  }

  // For the thread. Nothing: it is abandoned, and the clock may be gone.
  std::optional<OwnerSigns::When> times() {
    const std::lock_guard lock(mutex);
    if (is_abandoned) return std::nullopt;
    return OwnerSigns::When{clock.now(), clock.monotonic()};
  }

  // False: it took so long that nobody is left to hear of it.
  bool look(OwnerSigns& signs) {
    const auto begun = times();
    if (!begun) return false;
    const auto sign = signs.look(*begun);
    const auto done = times();
    if (!done) return false;
    const auto change =
        decision.look(sign, options.policy.schedule.is_lent(begun->wall, zone), begun->monotonic);
    if (change) {
      const bool present = change->state == v1::OWNER_PRESENT;
      {
        const std::lock_guard lock(mutex);
        why = change->why;
      }
      state = change->state;
      note(begun->wall, present ? OwnerMomentKind::kPresent : OwnerMomentKind::kAway, change->why);
      spdlog::info("{}{}: {}", options.policy.dry_run ? "dry run: " : "",
                   present ? "the owner is there" : "the owner is away", change->why);
    }
    looked_at = done->monotonic.us;
    if (hangs.exchange(false) || change) ::eventfd_write(changed.get(), 1);
    return true;
  }

  // Whatever may hang is done here.
  void watch() {
    OwnerSigns signs(options.policy, options.machine);
    if (!times()) return;
    for (const std::string& fault : signs.faults()) spdlog::info("{}", fault);
    if (!look(signs)) return;
    step(Step::kLooked);
    Time touch_at{looked_at + OwnerHistory::kTouchEvery.value};
    while (true) {
      pollfd polled{stop.get(), POLLIN, 0};
      ::poll(&polled, 1, state == v1::OWNER_PRESENT ? kLookPresentMs : kLookMs);
      if ((polled.revents & POLLIN) != 0) break;
      if (!look(signs)) return;
      if (const Time now{looked_at}; now >= touch_at) {
        if (history) history->touch();
        touch_at = now + OwnerHistory::kTouchEvery;
      }
    }
    if (const auto now = times()) note(now->wall, OwnerMomentKind::kEnded, "");
  }

  void complain_of_hang() {
    if (hangs.exchange(true) || options.policy.dry_run) return;
    spdlog::error("the watch for the owner hangs (a driver?): the node takes no leases");
  }

  enum class Step : std::uint8_t { kBegun, kLooked, kEnded };
  void step(Step to) {
    const std::lock_guard lock(mutex);
    reached = to;
    reached_more.notify_all();
  }
  bool wait_for(Step wanted, std::chrono::microseconds at_most) {
    std::unique_lock lock(mutex);
    return reached_more.wait_for(lock, at_most, [&] { return reached >= wanted; });
  }

  const OwnerWatchOptions options;
  const Clock& clock;
  const absl::TimeZone zone;
  std::optional<OwnerHistory> history;
  OwnerDecision decision;
  bool has_complained = false;
  std::optional<Time> overdue_since;  // the agent's thread
  std::atomic<bool> hangs = false;
  const Fd changed;
  const Fd stop;
  // Until the first look says otherwise.
  std::atomic<v1::OwnerState> state = v1::OWNER_PRESENT;
  std::atomic<std::int64_t> looked_at = 0;
  std::mutex mutex;
  std::string why;  // of the last change
  std::condition_variable reached_more;
  Step reached = Step::kBegun;
  bool is_abandoned = false;  // the thread, should it ever go on, ends at once
  std::thread thread;
};

Result<std::unique_ptr<OwnerWatch>> OwnerWatch::start(OwnerWatchOptions options,
                                                      const Clock& clock) {
  const Time wall = clock.now();
  const Duration hangs_after = options.hangs_after;
  FALLOW_ASSIGN(const absl::TimeZone zone, zone_named(options.policy.zone));
  const auto moments = read_owner_history(options.history);
  const auto seen_at = moments ? last_seen(*moments, wall, clock.monotonic()) : std::nullopt;
  const auto impl = std::make_shared<Impl>(std::move(options), clock, zone, seen_at);
  impl->open_history(wall);
  impl->looked_at = clock.monotonic().us;
  impl->thread = std::thread([impl] {
    impl->watch();
    impl->step(Impl::Step::kEnded);
  });
  if (!impl->wait_for(Impl::Step::kLooked, std::chrono::microseconds(hangs_after.value))) {
    impl->complain_of_hang();
  }
  return std::unique_ptr<OwnerWatch>(new OwnerWatch(impl));
}

OwnerWatch::OwnerWatch(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

OwnerWatch::~OwnerWatch() {
  ::eventfd_write(impl_->stop.get(), 1);
  if (impl_->wait_for(Impl::Step::kEnded, kEndMax)) {
    impl_->thread.join();
    return;
  }
  const std::lock_guard lock(impl_->mutex);
  impl_->is_abandoned = true;
  impl_->thread.detach();
}

int OwnerWatch::event_fd() const { return impl_->changed.get(); }

const OwnerPolicy& OwnerWatch::policy() const { return impl_->options.policy; }

std::string OwnerWatch::why() const {
  if (impl_->hangs) return "the watch for the owner hangs";
  const std::lock_guard lock(impl_->mutex);
  return impl_->why;
}

v1::OwnerState OwnerWatch::read() {
  eventfd_t count = 0;
  ::eventfd_read(impl_->changed.get(), &count);
  if (impl_->options.policy.dry_run) return v1::OWNER_AWAY;
  const Time now = impl_->clock.monotonic();
  if (now - Time{impl_->looked_at.load()} <= impl_->options.hangs_after) {
    impl_->overdue_since.reset();
    return impl_->state;
  }
  if (!impl_->overdue_since) impl_->overdue_since = now;
  if (now - *impl_->overdue_since < kHangsSurely) return impl_->state;
  impl_->complain_of_hang();
  return v1::OWNER_PRESENT;
}

}  // namespace fallow::agent
