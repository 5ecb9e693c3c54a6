// What the devices of one kind of GPU models earn when they are filled at given prices.
//
// A device is divided into cells and filled with classes that ask for one device or a part; a
// node's whole devices are filled with the classes that ask for several, the rest one by one. A
// class counts only where the node has CPUs enough left for it: nodes are told apart by the stage
// that their CPUs reach (CpuStages). Prices come in levels (place_prices.h). A value; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/place_types.h"
#include "sim/soft_fill.h"

namespace fallow::sim {

// A class of the expected demand that asks for devices.
struct PricedClass {
  PodClass pod_class;
  std::array<double, 2> host_units{};  // CPU thousandths and MiB of memory
  double share = 0;                    // of all pods
  double price = 0;                    // device thousandths that one more pod placed is worth
  double supply = 0;                   // pods that the fleet would take at these prices
  std::size_t stage = 0;               // from which on a node has CPUs enough

  bool gang() const { return pod_class.devices > 1; }
};

// Steps of the CPUs left on a node, from 1; at stage 0 they suffice for no class.
class CpuStages {
 public:
  // Stages for single devices part the demand in even shares; each gang size and need of CPUs has
  // one, up to a limit. Sets the stages of `classes`.
  explicit CpuStages(std::vector<PricedClass>& classes);
  std::size_t count() const { return limits_.size(); }
  std::size_t of(std::int32_t cpu_milli) const;

 private:
  std::vector<std::int32_t> limits_;  // ascending; stage s admits what needs limits_[s - 1] or less
};

class PriceTable {
 public:
  static constexpr std::size_t kLevels = SoftFill::kLevels;
  static constexpr std::size_t kCells = 100;
  static constexpr int kCellMilli = kDeviceMilli / static_cast<int>(kCells);

  // `members` index `classes`: those that the models admit and that some node could hold.
  PriceTable(const std::vector<PricedClass>& classes, std::span<const std::size_t> members,
             std::size_t stages, std::size_t devices_most);

  // Device thousandths that make a filling e times as likely.
  struct Temperatures {
    double device;
    double gang;
  };
  // logs[i * kLevels + k]: what one pod of classes[i] earns at level k, over its temperature. They
  // must stay until the next build.
  void build(std::span<const double> logs, Temperatures temperatures);

  // What one device with `free_milli` left adds to its node's worth, by level; valid until the
  // next build.
  SoftFill::Row device_worth(std::size_t stage, int free_milli) {
    return device_.worth(stage, static_cast<std::size_t>(free_milli / kCellMilli));
  }
  // What `whole` free devices add.
  SoftFill::Row whole_worth(std::size_t stage, std::size_t whole) {
    return gangs_at(stage).fill.worth(1, whole);
  }

  // `count` nodes like this one are filled at the level.
  void add_nodes(const NodeState& node, std::size_t stage, std::size_t level, double count);
  // Adds what the nodes added hold to the classes' supply, and forgets the nodes.
  void count_supply(std::vector<PricedClass>& classes);

 private:
  // The filling of whole devices by gangs: one for each stage, as its cells' worth differs.
  struct Gangs {
    std::vector<std::size_t> members;
    std::vector<std::size_t> entry_of;  // by member
    SoftFill fill;
    std::vector<double> entry_logs;
    bool built = false;
    bool filled = false;        // with nodes
    std::vector<double> whole;  // [level]: whole devices of the nodes added
  };
  Gangs& gangs_at(std::size_t stage);

  std::vector<std::size_t> singles_;
  std::vector<std::size_t> entry_of_;  // by single
  std::vector<double> entry_peaks_;    // [entry][level]: the greatest log of its members
  std::vector<double> entry_sums_;     // [entry][level]: of e^(log - peak)
  std::vector<double> weights_;        // [single][level]: e^(log - peak)
  std::vector<double> entry_logs_;
  SoftFill device_;
  std::vector<Gangs> gangs_;  // by stage
  std::span<const double> logs_;
  Temperatures temperatures_{1, 1};
};

}  // namespace fallow::sim
