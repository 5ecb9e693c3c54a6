// Prices at which the demand still expected meets what the fleet can still take.
//
// Each class of the expected mix has a price: what one more pod of it placed is worth, in device
// thousandths. CPU and memory have one too. A node is worth what it earns when it is filled at
// these prices (PriceTable), its CPUs and memory priced at least at the fleet's price and higher
// where they are what runs out: the dual of the fleet-wide filling problem. Where a class is short,
// its price rises, so that the devices and nodes that can take it become worth keeping; demand that
// cannot be met gives way as its price rises (elasticity 1).
//
// The idea follows bid prices of network revenue management (Talluri and van Ryzin, "The Theory and
// Practice of Revenue Management", 2004, chapter 3): place where the resources used up are worth
// least to the demand to come. A value; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/place_types.h"
#include "sim/price_table.h"

namespace fallow::sim {

// One class of the demand to come.
struct ExpectedClass {
  PodClass pod_class;
  double memory_mib = 0;  // on average
  double share = 0;       // of all pods, CPU-only ones included
};

class PlacePrices {
 public:
  // Some class asks for devices.
  PlacePrices(const Fleet& fleet, const std::vector<ExpectedClass>& mix);

  // Solves for the fleet as it stands: many rounds the first time, few later, as little changed.
  void solve(std::span<const NodeState> nodes);

  // What the node earns when it is filled, device thousandths; after the first solve.
  double worth(const NodeState& node);

 private:
  static constexpr std::size_t kLevels = PriceTable::kLevels;
  using Levels = std::array<double, kLevels>;
  // What devices share on their node. Per unit of it: CPU thousandth, MiB.
  struct Host {
    double by_others_per_pod = 0;  // what a pod of the mix brings without asking for devices
    double reference = 0;          // its price when it is neither short nor plenty
    double price = 0;              // the fleet's: the least on any node
    double price_max = 0;
    double spare = 0;  // what no device's filling wants
    Levels levels{};
  };
  static constexpr std::size_t kHosts = 2;  // CPU, memory
  static constexpr std::size_t kHostLevels = kLevels / kHosts;
  // Nodes that are worth the same.
  struct Likeness {
    NodeState node;
    double count;
  };

  void add_tables(const Fleet& fleet);
  std::vector<Likeness> alike(std::span<const NodeState> nodes) const;
  void worths(const NodeState& node, Levels& by_level);
  void build(double temperature);
  void count_supply(std::span<const Likeness> nodes);
  void spread(const Likeness& nodes);
  void adjust(double pods, double temperature);

  std::vector<PricedClass> classes_;
  CpuStages stages_;
  std::vector<PriceTable> tables_;
  std::vector<std::size_t> table_of_;  // by model; models that no class tells apart share one
  std::vector<double> logs_;           // [class][level]
  std::array<Host, kHosts> hosts_;
  double milli_per_pod_ = 0;  // of devices, on average
  bool solved_ = false;
};

}  // namespace fallow::sim
