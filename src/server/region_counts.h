// RegionCounts: how many nodes and devices a market has, and what they do, by region and model.
//
// Owner: a handler, for one answer. add() on the market thread, in several visits; the rest after.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "core/node.h"
#include "fallow/v1/services.pb.h"

namespace fallow::server {

class RegionCounts {
 public:
  // Regions and models are words of providers. There are at most `models_max` regions, and as many
  // rows of models in all of them together: what comes later is counted in `others`. A device whose
  // model has no row still counts in its region's sums, if that has one.
  explicit RegionCounts(std::size_t models_max = 1'000) : models_max_(models_max) {}

  // A node that was removed is none.
  void add(const core::Node& node);

  // Regions by name, of each its models by name.
  v1::ListRegionsResponse view() const;

 private:
  struct Counts {
    std::uint32_t nodes = 0;
    std::uint32_t nodes_connected = 0;
    std::uint32_t nodes_occupied = 0;
    std::uint32_t devices = 0;
    std::uint64_t leased_thousandths = 0;
    std::uint64_t free_thousandths = 0;
    v1::DeviceCountsView view() const;
  };
  struct Region {
    Counts counts;
    std::map<std::string, Counts> models;
  };
  static void count_node(const core::Node& node, Counts& counts);
  static void count_device(const core::NodeDevice& device, bool is_available, Counts& counts);
  Region* region_of(const core::Node& node);

  const std::size_t models_max_;
  std::size_t models_ = 0;  // of all regions
  Counts all_;
  Counts others_;  // nodes of regions that have no row, and devices of models that have none
  std::map<std::string, Region> regions_;
};

}  // namespace fallow::server
