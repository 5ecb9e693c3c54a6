// World: simulated time, the queue of what happens next, and chance.
//
// Events run one after the other, ordered by (time, the order in which they were planned), so a
// seed gives one history. Owner: run_chaos; everything in sim/ holds a reference. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/env.h"
#include "base/types.h"
#include "sim/marks.h"

namespace fallow::sim {

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seeded_random(seed)) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // True time: since the beginning of the world. Nobody within it can read it.
  Time now() const { return now_; }
  void at(Time when, std::function<void()> what);
  void after(Duration wait, std::function<void()> what) { at(now_ + wait, std::move(what)); }
  // Runs the next event; false when there is none, or the run has failed.
  bool step();

  Random& random() { return *random_; }
  // True once in `times`, and never when faults have stopped.
  bool fault_in(std::uint64_t times) { return !calm_ && random_->below(times) == 0; }
  bool one_in(std::uint64_t times) { return random_->below(times) == 0; }
  // Uniform in [least, most].
  Duration between(Duration least, Duration most);

  // Liveness: from now on nothing fails and nobody asks for anything new.
  void calm_down() { calm_ = true; }
  bool calm() const { return calm_; }

  void reach(Mark mark) { marks_.reach(mark); }
  const Marks& marks() const { return marks_; }

  // Something that must always hold does not. The first one counts; the run ends.
  void fail(std::string why);
  const std::string& failure() const { return failure_; }
  std::uint64_t steps() const { return steps_; }

 private:
  std::unique_ptr<Random> random_;
  Time now_;
  std::uint64_t planned_ = 0;
  std::uint64_t steps_ = 0;
  bool calm_ = false;
  // What is on its way at one time: a few per node and person.
  std::map<std::pair<Time, std::uint64_t>, std::function<void()>> queue_;
  Marks marks_;
  std::string failure_;
};

// A wall clock and a monotonic one, made from the world's time.
class SimClock final : public Clock {
 public:
  explicit SimClock(const World& world) : world_(world) {}
  Time now() const override { return Time{kEpoch.us + world_.now().us} - set_back_; }
  Time monotonic() const override { return world_.now() + seconds(1); }
  // The wall clock only.
  void set_back(Duration by) { set_back_ += by; }
  Duration behind() const { return set_back_; }

  static constexpr Time kEpoch{1'700'000'000'000'000};

 private:
  const World& world_;
  Duration set_back_;
};

}  // namespace fallow::sim
