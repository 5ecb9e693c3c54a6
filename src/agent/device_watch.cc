#include "agent/device_watch.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/file.h"

namespace fallow::agent {
namespace {

constexpr std::chrono::seconds kWatchEndMax(2);
// A driver that takes longer for a look has nothing to say of now.
constexpr Duration kFreshFor = seconds(3);

Time time_of_watch() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return Time{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

}  // namespace

struct DeviceWatch::Impl {
  Impl(std::vector<LocalDevice> the_devices, std::string the_root, std::function<Nvml()> the_open)
      : devices(std::move(the_devices)),
        root(std::move(the_root)),
        open(std::move(the_open)),
        found(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    FALLOW_CHECK(found && wake, "no descriptor is left for an event");
  }

  void watch() {
    std::optional<DeviceGauges> gauges;
    bool was_wanted = false;
    Time next{};
    while (true) {
      const int wait_ms = was_wanted ? static_cast<int>(std::max<std::int64_t>(
                                           ((next - time_of_watch()).value + 999) / 1'000, 0))
                                     : -1;
      pollfd polled{wake.get(), POLLIN, 0};
      ::poll(&polled, 1, wait_ms);
      eventfd_t count = 0;
      ::eventfd_read(wake.get(), &count);
      std::uint64_t asked_before = 0;
      bool is_wanted = false;
      {
        const std::lock_guard lock(mutex);
        if (is_over) break;
        is_wanted = wanted;
        asked_before = asked;
        if (!is_wanted && asked == done) {
          was_wanted = false;
          continue;
        }
      }
      if (!gauges) gauges.emplace(open(), devices, root);
      // Who only asks for a look wants to know what has happened so far.
      if (is_wanted && !was_wanted) gauges->begin();
      was_wanted = is_wanted;
      std::vector<DeviceFault> new_faults;
      const Time now = time_of_watch();
      auto seen = gauges->look(now, new_faults);
      next = now + kEvery;
      const std::lock_guard lock(mutex);
      samples = std::move(seen);
      samples_at = now;
      const bool is_news = !new_faults.empty() || done != asked_before;
      done = asked_before;
      for (DeviceFault& fault : new_faults) faults.push_back(std::move(fault));
      if (is_news) ::eventfd_write(found.get(), 1);
    }
  }

  void wish(const std::shared_ptr<Impl>& self) {
    if (!thread.joinable()) {
      thread = std::thread([self] {
        self->watch();
        const std::lock_guard lock(self->mutex);
        self->has_ended = true;
        self->ended.notify_all();
      });
    }
    ::eventfd_write(wake.get(), 1);
  }

  const std::vector<LocalDevice> devices;
  const std::string root;
  const std::function<Nvml()> open;
  const Fd found;
  const Fd wake;
  std::thread thread;  // the owner's to join

  mutable std::mutex mutex;  // of all that follows
  std::condition_variable ended;
  bool wanted = false;
  std::uint64_t asked = 0;  // looks, so far
  std::uint64_t done = 0;   // of them
  std::vector<v1::DeviceSample> samples;
  Time samples_at{};
  std::vector<DeviceFault> faults;  // some a look, and the loop takes them in turn
  bool is_over = false;
  bool has_ended = false;
};

DeviceWatch::DeviceWatch(std::vector<LocalDevice> devices, std::string root,
                         std::function<Nvml()> open)
    : impl_(std::make_shared<Impl>(std::move(devices), std::move(root), std::move(open))) {}

DeviceWatch::~DeviceWatch() {
  if (!impl_->thread.joinable()) return;
  bool has_ended = false;
  {
    std::unique_lock lock(impl_->mutex);
    impl_->is_over = true;
    ::eventfd_write(impl_->wake.get(), 1);
    has_ended = impl_->ended.wait_for(lock, kWatchEndMax, [this] { return impl_->has_ended; });
  }
  if (has_ended) {
    impl_->thread.join();
  } else {
    impl_->thread.detach();
  }
}

void DeviceWatch::set_wanted(bool wanted) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->wanted == wanted) return;
    impl_->wanted = wanted;
  }
  impl_->wish(impl_);
}

void DeviceWatch::look() {
  {
    const std::lock_guard lock(impl_->mutex);
    ++impl_->asked;
  }
  impl_->wish(impl_);
}

bool DeviceWatch::is_looking() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->asked != impl_->done || !impl_->faults.empty();
}

int DeviceWatch::event_fd() const { return impl_->found.get(); }

std::vector<DeviceFault> DeviceWatch::take_faults() {
  eventfd_t count = 0;
  ::eventfd_read(impl_->found.get(), &count);
  const std::lock_guard lock(impl_->mutex);
  return std::exchange(impl_->faults, {});
}

std::vector<v1::DeviceSample> DeviceWatch::latest() const {
  const std::lock_guard lock(impl_->mutex);
  if (time_of_watch() - impl_->samples_at > kFreshFor) return {};
  return impl_->samples;
}

}  // namespace fallow::agent
