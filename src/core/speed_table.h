// How fast devices are: what was measured and set by SetSpeed, and the vendors' figures for the
// rest.
//
// Owner: Scoring, market thread only.
#pragma once

#include <absl/container/btree_map.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/speed.h"

namespace fallow::core {

class SpeedTable {
 public:
  // Of a device, each at least 1: what was set of its model, else the vendor's. GENERAL is the mean
  // of FP32 and FP16 as they count, unless it was set itself.
  Speeds of(const v1::Device& device) const;
  // Of a model by its name alone, as if it were a GPU of unknown memory.
  Speeds of_model(std::string_view model) const;

  // Of a model as in gpu_name; 0: nothing is set of it any more.
  void set(std::string_view model, v1::WorkloadClass workload, std::uint32_t speed_thousandths);
  // What was set of the model by this very name; 0 where nothing was.
  Speeds set_of(std::string_view model) const;
  // What was set and counts for it: by this name, else by that of the vendor's table which names
  // it, so that a speed of rtx_4090 is that of an NVIDIA GeForce RTX 4090; 0 where neither was.
  Speeds counting(std::string_view model) const;
  std::size_t size() const { return set_.size(); }  // models of which something was set

  // Canonical model and what was set of it, in the order of models.
  template <class Visit>
  void visit(Visit&& visit) const {
    for (const auto& [model, speeds] : set_) visit(model, speeds);
  }
  // One of a snapshot; false when the model is there already or a speed cannot be.
  bool restore(const std::string& model, const Speeds& speeds);

 private:
  Speeds with_set(std::string_view model, Speeds vendor) const;

  absl::btree_map<std::string, Speeds, std::less<>> set_;  // by canonical model
};
constexpr std::uint32_t kSpeedMax = 1'000'000'000;  // a million RTX 3090

}  // namespace fallow::core
