#include "server/region_counts.h"

#include <set>
#include <string_view>

#include "core/query.h"

namespace fallow::server {

v1::DeviceCountsView RegionCounts::Counts::view() const {
  v1::DeviceCountsView view;
  view.set_nodes(nodes);
  view.set_nodes_connected(nodes_connected);
  view.set_nodes_occupied(nodes_occupied);
  view.set_devices(devices);
  view.set_devices_leased(static_cast<double>(leased_thousandths) / 1e3);
  view.set_devices_free(static_cast<double>(free_thousandths) / 1e3);
  return view;
}

void RegionCounts::count_node(const core::Node& node, Counts& counts) {
  ++counts.nodes;
  if (node.connected) ++counts.nodes_connected;
  if (node.connected && node.owner != v1::OWNER_AWAY) ++counts.nodes_occupied;
}

void RegionCounts::count_device(const core::NodeDevice& device, bool is_available, Counts& counts) {
  ++counts.devices;
  counts.leased_thousandths += core::kWholeDevice - device.free_thousandths;
  if (is_available) counts.free_thousandths += device.free_thousandths;
}

// Null: there are too many regions already. A new one may still have no room for a model of its
// own: those are limited over all regions together.
RegionCounts::Region* RegionCounts::region_of(const core::Node& node) {
  const std::string name = core::canonical_word(node.facts.region());
  const auto found = regions_.find(name);
  if (found != regions_.end()) return &found->second;
  if (regions_.size() >= models_max_) return nullptr;
  return &regions_[name];
}

void RegionCounts::add(const core::Node& node) {
  if (node.removed) return;
  const bool is_available =
      node.connected && node.owner == v1::OWNER_AWAY && node.offer.id.value != 0;
  Region* const region = region_of(node);
  count_node(node, all_);
  count_node(node, region == nullptr ? others_ : region->counts);
  std::set<Counts*> models;  // of this node
  for (const core::NodeDevice& device : node.devices) {
    count_device(device, is_available, all_);
    if (region == nullptr) {
      count_device(device, is_available, others_);
      continue;
    }
    count_device(device, is_available, region->counts);
    const std::string name = core::canonical_word(device.facts.model());
    auto found = region->models.find(name);
    if (found == region->models.end()) {
      if (models_ >= models_max_) {
        count_device(device, is_available, others_);
        continue;
      }
      ++models_;
      found = region->models.emplace(name, Counts()).first;
    }
    count_device(device, is_available, found->second);
    if (models.insert(&found->second).second) count_node(node, found->second);
  }
}

v1::ListRegionsResponse RegionCounts::view() const {
  v1::ListRegionsResponse response;
  *response.mutable_counts() = all_.view();
  *response.mutable_others() = others_.view();
  for (const auto& [name, region] : regions_) {
    v1::RegionView& told = *response.add_regions();
    told.set_region(name);
    *told.mutable_counts() = region.counts.view();
    for (const auto& [model, counts] : region.models) {
      v1::RegionModelView& row = *told.add_models();
      row.set_model(model);
      *row.mutable_counts() = counts.view();
    }
  }
  return response;
}

}  // namespace fallow::server
