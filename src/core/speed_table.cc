#include "core/speed_table.h"

#include <algorithm>

#include "core/query.h"

namespace fallow::core {

Speeds SpeedTable::of(const v1::Device& device) const {
  return with_set(device.model(), vendor_speeds(device.model(), device.memory_mb(), device.kind()));
}

Speeds SpeedTable::of_model(std::string_view model) const {
  return with_set(model, vendor_speeds(model, 0, v1::GPU));
}

Speeds SpeedTable::with_set(std::string_view model, Speeds vendor) const {
  if (set_.empty()) return vendor;
  const Speeds set = counting(model);
  for (const v1::WorkloadClass workload : {v1::FP32, v1::FP16, v1::BANDWIDTH}) {
    if (set[workload] > 0) vendor[workload] = set[workload];
  }
  // Of a model that nobody knows all classes are alike, so their mean is as well.
  vendor[v1::GENERAL] = set[v1::GENERAL] > 0 ? set[v1::GENERAL] : mean_speed(vendor);
  return vendor;
}

void SpeedTable::set(std::string_view model, v1::WorkloadClass workload,
                     std::uint32_t speed_thousandths) {
  const auto at = set_.try_emplace(canonical_word(model)).first;
  at->second[workload] = speed_thousandths;
  if (at->second == Speeds()) set_.erase(at);
}

Speeds SpeedTable::set_of(std::string_view model) const {
  const auto found = set_.find(canonical_word(model));
  return found == set_.end() ? Speeds() : found->second;
}

Speeds SpeedTable::counting(std::string_view model) const {
  Speeds set = set_of(model);
  const Speeds of_row = set_of(vendor_model(model));
  for (const v1::WorkloadClass workload : {v1::GENERAL, v1::FP32, v1::FP16, v1::BANDWIDTH}) {
    if (set[workload] == 0) set[workload] = of_row[workload];
  }
  return set;
}

bool SpeedTable::restore(const std::string& model, const Speeds& speeds) {
  const bool sound = std::all_of(speeds.begin(), speeds.end(), [](std::int64_t speed) {
    return speed >= 0 && speed <= kSpeedMax;
  });
  return sound && speeds != Speeds() && canonical_word(model) == model &&
         set_.emplace(model, speeds).second;
}

}  // namespace fallow::core
