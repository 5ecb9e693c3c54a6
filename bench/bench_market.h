// A market for benchmarks: providers' nodes with offers, leases running on some of them, and an
// endless mix of the commands that such a market lives from.
//
// Owner: one benchmark, one thread. Commands are generated against a machine, because identities
// derive from the place in the log.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/commands.pb.h"

namespace fallow::bench {

struct Shape {
  std::uint32_t nodes = 1'000;  // one device each, all offered
  std::uint32_t leases = 500;   // of them leased
};

v1::Found bench_found();

class BenchMarket {
 public:
  // Where a generated command goes, with the events it led to.
  using Sink = std::function<void(const v1::Command&)>;

  explicit BenchMarket(const Shape& shape) : shape_(shape) {}

  // Found, accounts, money, nodes, links, offers, orders: applied here and given to `sink`.
  void open(Time start, const Sink& sink);
  // SetNodeLink of every node: what a hub sends after a restart.
  std::vector<v1::Command> links() const;
  // The i-th command of the mix: 85 of 100 are a node's report with one meter record, 10 a deposit,
  // 5 a lowered price. Each is accepted if all are applied in order.
  v1::Command mixed(std::uint64_t i);

  const core::Machine& machine() const { return machine_; }
  Time now() const { return now_; }

 private:
  struct Running {
    std::uint64_t lease = 0;
    std::uint64_t node = 0;
    std::uint32_t sequence = 0;
  };
  void give(const v1::Command& command, const Sink& sink);

  const Shape shape_;
  core::Machine machine_;
  core::Events events_;  // of the last command
  Time now_;
  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::vector<std::uint64_t> nodes_;
  std::vector<Running> running_;
};

}  // namespace fallow::bench
