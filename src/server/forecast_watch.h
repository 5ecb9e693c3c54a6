// Tells the market once an hour what the next hour is likely to ask of each class, on a thread of
// its own, so that its price indexes, its ranking of offers and its orders with a deadline look
// ahead.
//
// When an hour is over, it takes each class's hours out of the history and tells the use that is
// expected of the hour after the one that has begun (SetForecast, which counts while that one
// runs). Nothing is kept between two hours: a server that was started in between learns the same of
// the same log. Nothing is told while nothing in the policy goes by it.
//
// Owner: Server. Constructed and destroyed on its thread, after the engine and before it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "server/ports.h"

namespace fallow::server {

// Of these classes while the hour `hour` runs: what is expected of the next. Classes with too short
// a history are left out.
Result<v1::SetForecast> forecast_of(HourHistory& history,
                                    const std::vector<core::PriceClass>& classes,
                                    std::int64_t hour);

class ForecastWatch {
 public:
  // An hour's last interval is closed by the Tick after it, and written by another thread.
  static constexpr Duration kSettleTime = minutes(1);

  // Looks every `interval` whether an hour is over. Engine and history outlive it.
  ForecastWatch(engine::Engine& engine, HourHistory& history, const Clock& clock,
                Duration interval);
  ~ForecastWatch();
  ForecastWatch(const ForecastWatch&) = delete;
  ForecastWatch& operator=(const ForecastWatch&) = delete;

  // What the thread does: nothing in an hour for which all was told. An error ends it; the next
  // look tries again.
  Status run_once();

 private:
  bool is_stopped();
  Result<bool> is_wanted();
  void loop();

  engine::Engine& engine_;
  HourHistory& history_;
  const Clock& clock_;
  const Duration interval_;
  std::int64_t told_hour_ = 0;  // run_once() alone
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace fallow::server
