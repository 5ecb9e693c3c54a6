#include "agent/owner_watch.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <atomic>
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
constexpr Duration kTouchEvery = seconds(60);
// Far more than a look may take with a logind that does not answer. A process that stood still, or
// a machine that slept, is given time for its next look.
constexpr Duration kHangsAfter = seconds(30);
constexpr Duration kHangsSurely = seconds(2);

// When an earlier agent last saw the owner, on the monotonic clock; a wall clock that was set back
// counts as now.
std::optional<Time> last_seen(const std::vector<OwnerMoment>& moments, Time wall, Time monotonic) {
  for (std::size_t i = moments.size(); i-- > 0;) {
    if (moments[i].kind == OwnerMomentKind::kAway) return std::nullopt;
    if (moments[i].kind != OwnerMomentKind::kPresent) continue;
    const Time until = i + 1 < moments.size() ? moments[i + 1].at : moments[i].at;
    return monotonic - std::max(Duration(), wall - until);
  }
  return std::nullopt;
}

}  // namespace

struct OwnerWatch::Impl {
  Impl(OwnerWatchOptions given, const Clock& the_clock, absl::TimeZone the_zone,
       OwnerHistory the_history, std::optional<Time> seen_at)
      : options(std::move(given)),
        clock(the_clock),
        zone(the_zone),
        history(std::move(the_history)),
        signs(options.policy, options.machine),
        decision(options.policy.away_after, seen_at),
        changed(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        stop(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    FALLOW_CHECK(changed && stop, "no descriptor is left for an event");
  }

  void note(Time at, OwnerMomentKind kind, const std::string& why) {
    const auto noted = history.add(at, kind, why);
    if (!noted && !std::exchange(has_complained, true)) {
      spdlog::warn("the owner's comings and goings are not written down: {}",
                   noted.error().message);
    }
  }

  void look() {
    const Time wall = clock.now();
    const Time now = clock.monotonic();
    const auto sign = signs.look({wall, now});
    const auto change = decision.look(sign, options.policy.schedule.is_lent(wall, zone), now);
    looked_at = clock.monotonic().us;
    if (hangs.exchange(false)) ::eventfd_write(changed.get(), 1);
    if (!change) return;
    const bool present = change->state == v1::OWNER_PRESENT;
    state = change->state;
    ::eventfd_write(changed.get(), 1);
    note(wall, present ? OwnerMomentKind::kPresent : OwnerMomentKind::kAway, change->why);
    spdlog::info("{}{}: {}", options.policy.dry_run ? "dry run: " : "",
                 present ? "the owner is there" : "the owner is away", change->why);
  }

  void run() {
    Time touch_at = clock.monotonic() + kTouchEvery;
    while (true) {
      pollfd polled{stop.get(), POLLIN, 0};
      ::poll(&polled, 1, state == v1::OWNER_PRESENT ? kLookPresentMs : kLookMs);
      if ((polled.revents & POLLIN) != 0) break;
      look();
      if (const Time now = clock.monotonic(); now >= touch_at) {
        history.touch();
        touch_at = now + kTouchEvery;
      }
    }
    note(clock.now(), OwnerMomentKind::kEnded, "");
  }

  const OwnerWatchOptions options;
  const Clock& clock;
  const absl::TimeZone zone;
  OwnerHistory history;
  OwnerSigns signs;
  OwnerDecision decision;
  bool has_complained = false;
  std::optional<Time> overdue_since;  // the agent's thread
  std::atomic<bool> hangs = false;
  const Fd changed;
  const Fd stop;
  std::atomic<v1::OwnerState> state = v1::OWNER_AWAY;
  std::atomic<std::int64_t> looked_at = 0;
  std::thread thread;
};

Result<std::unique_ptr<OwnerWatch>> OwnerWatch::start(OwnerWatchOptions options,
                                                      const Clock& clock) {
  const Time wall = clock.now();
  FALLOW_ASSIGN(const absl::TimeZone zone, zone_named(options.policy.zone));
  FALLOW_ASSIGN(const auto moments, read_owner_history(options.history));
  FALLOW_ASSIGN(OwnerHistory history,
                OwnerHistory::open(options.history, wall,
                                   options.policy.dry_run ? kDryRunRemark : std::string_view()));
  const auto seen_at = last_seen(moments, wall, clock.monotonic());
  auto impl = std::make_unique<Impl>(std::move(options), clock, zone, std::move(history), seen_at);
  for (const std::string& fault : impl->signs.faults()) spdlog::info("{}", fault);
  impl->look();
  impl->thread = std::thread([watch = impl.get()] { watch->run(); });
  return std::unique_ptr<OwnerWatch>(new OwnerWatch(std::move(impl)));
}

OwnerWatch::OwnerWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

OwnerWatch::~OwnerWatch() {
  ::eventfd_write(impl_->stop.get(), 1);
  impl_->thread.join();
}

int OwnerWatch::event_fd() const { return impl_->changed.get(); }

const OwnerPolicy& OwnerWatch::policy() const { return impl_->options.policy; }

v1::OwnerState OwnerWatch::read() {
  eventfd_t count = 0;
  ::eventfd_read(impl_->changed.get(), &count);
  if (impl_->options.policy.dry_run) return v1::OWNER_AWAY;
  const Time now = impl_->clock.monotonic();
  if (now - Time{impl_->looked_at.load()} <= kHangsAfter) {
    impl_->overdue_since.reset();
    return impl_->state;
  }
  if (!impl_->overdue_since) impl_->overdue_since = now;
  if (now - *impl_->overdue_since < kHangsSurely) return impl_->state;
  if (!impl_->hangs.exchange(true)) {
    spdlog::error("the watch for the owner hangs (a driver?): the node takes no leases");
  }
  return v1::OWNER_PRESENT;
}

}  // namespace fallow::agent
