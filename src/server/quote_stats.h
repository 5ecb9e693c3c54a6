// How many quotes were taken, and what became of them: the share that is honoured is the market's
// word. Counted since the server's start.
//
// Owner: Server. on_batch() on the market thread; counts() on any.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/batch.h"

namespace fallow::server {

class QuoteStats final : public engine::Subscriber {
 public:
  struct Counts {
    std::uint64_t honoured = 0;  // the order was accepted at the quote's price
    std::uint64_t gone = 0;      // it was refused within its time to live: its offers were gone
    std::uint64_t late = 0;      // it had run out
    // Of those that were taken in time; 1 while there are none.
    double share_honoured() const;
  };

  std::string_view name() const override { return "quote figures"; }
  void on_batch(const engine::Batch& batch, const core::Machine& machine) override;
  Counts counts() const { return {honoured_, gone_, late_}; }

 private:
  std::atomic<std::uint64_t> honoured_ = 0;
  std::atomic<std::uint64_t> gone_ = 0;
  std::atomic<std::uint64_t> late_ = 0;
};

}  // namespace fallow::server
