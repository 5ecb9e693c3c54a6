#include "server/forecast_watch.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <memory>
#include <utility>

#include "base/money.h"
#include "core/repricing.h"
#include "server/class_forecast.h"

namespace fallow::server {
namespace {

constexpr std::size_t kClassesPerCommand = 512;
// A history that is further behind is being made anew, and a part of it says something else.
constexpr Duration kHistoryBehindMax = seconds(1);

}  // namespace

Result<v1::SetForecast> forecast_of(HourHistory& history,
                                    const std::vector<core::PriceClass>& classes,
                                    std::int64_t hour) {
  v1::SetForecast command;
  for (const core::PriceClass& of : classes) {
    FALLOW_ASSIGN(const auto hours, history.hours(of, hour - kForecastWindowHours));
    const auto use = expected_use(hours, hour, hour + 1);
    if (!use) continue;
    v1::ClassForecast& told = *command.add_classes();
    told.set_model(of.model);
    told.set_region(of.region);
    told.set_use_basis_points(static_cast<std::uint32_t>(std::lround(*use * kBasisPoints)));
    told.set_until_us((hour + 1) * kHour.value);
  }
  return command;
}

ForecastWatch::ForecastWatch(engine::Engine& engine, HourHistory& history, const Clock& clock,
                             Duration interval)
    : engine_(engine), history_(history), clock_(clock), interval_(interval), thread_([this] {
        loop();
      }) {}

ForecastWatch::~ForecastWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  stopping_.notify_all();
  thread_.join();
}

bool ForecastWatch::is_stopped() {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

void ForecastWatch::loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_.wait_for(lock, std::chrono::microseconds(interval_.value),
                             [this] { return stopped_; })) {
    lock.unlock();
    (void)run_once();
    lock.lock();
  }
}

Result<bool> ForecastWatch::is_wanted() {
  struct Market {
    bool is_wanted;
    LogIndex last;
  };
  auto promise = std::make_shared<std::promise<Market>>();
  std::future<Market> answer = promise->get_future();
  FALLOW_TRY(engine_.read([promise](const core::Machine& machine) {
    const v1::Policy& policy = machine.policy();
    const bool is_read = policy.forecast_basis_points() > 0 || policy.scarcity_basis_points() > 0 ||
                         policy.deadlines_by_forecast();
    promise->set_value({core::keeps_index(policy) && is_read, machine.last_index()});
  }));
  const Market market = answer.get();
  if (market.is_wanted && !history_.wait_for(market.last, kHistoryBehindMax)) {
    return fail(ErrorCode::kBusy, "the history is behind the market");
  }
  return market.is_wanted;
}

Status ForecastWatch::run_once() {
  const Time now = clock_.now();
  const std::int64_t hour = now.us / kHour.value;
  if (hour <= told_hour_ || now < Time{hour * kHour.value} + kSettleTime) return {};
  FALLOW_ASSIGN(const bool wanted, is_wanted());
  core::PriceClass after;
  for (bool more = wanted; more && !is_stopped();) {
    FALLOW_ASSIGN(const auto classes, history_.classes_after(after, kClassesPerCommand));
    FALLOW_ASSIGN(auto told, forecast_of(history_, classes, hour));
    if (!told.classes().empty()) {
      v1::Command command;
      *command.mutable_set_forecast() = std::move(told);
      if (auto answer = engine_.execute(command); !answer) return tl::unexpected(answer.error());
    }
    more = classes.size() == kClassesPerCommand;
    if (more) after = classes.back();
  }
  if (wanted) told_hour_ = hour;
  return {};
}

}  // namespace fallow::server
