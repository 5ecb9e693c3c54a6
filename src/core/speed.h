// How fast a device is, as far as nobody has measured it: a table of vendor figures by model.
//
// Pure functions; any thread. Speeds only order offers (objectives FASTEST and COST_TO_COMPLETE);
// no money is computed from them. What was measured stands in core/speed_table.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "fallow/v1/types.pb.h"

namespace fallow::core {

constexpr std::int64_t kSpeedUnit = 1'000;  // an RTX 3090, at every class of workload
constexpr std::size_t kWorkloadClasses = 4;

// One for each class of workload.
class Speeds {
 public:
  Speeds() = default;
  explicit Speeds(std::int64_t all) { by_class_.fill(all); }

  // Not of WORKLOAD_CLASS_UNSPECIFIED.
  std::int64_t operator[](v1::WorkloadClass workload) const { return by_class_[place(workload)]; }
  std::int64_t& operator[](v1::WorkloadClass workload) { return by_class_[place(workload)]; }
  bool operator==(const Speeds&) const = default;

  auto begin() { return by_class_.begin(); }
  auto end() { return by_class_.end(); }
  auto begin() const { return by_class_.begin(); }
  auto end() const { return by_class_.end(); }

 private:
  static std::size_t place(v1::WorkloadClass workload) {
    return static_cast<std::size_t>(workload) - 1;
  }
  std::array<std::int64_t, kWorkloadClasses> by_class_{};
};

// Thousandths of an RTX 3090, each at least 1. `model` as reported: case, blanks, dashes and vendor
// words do not matter. A model that is not in the table counts by its memory, modestly and alike
// for every class; a processor as a hundredth.
Speeds vendor_speeds(std::string_view model, std::uint32_t memory_mb, v1::DeviceKind kind);

// GENERAL, where nothing else is said of it: the mean of FP32 and FP16.
std::int64_t mean_speed(const Speeds& speeds);

// The model of the table whose figures those are, as in vendor_models(); empty: none.
std::string_view vendor_model(std::string_view model);

// The models of the table, as their tokens stand in reported names.
std::vector<std::string_view> vendor_models();

v1::WorkloadClass workload_of(const v1::Requirements& requirements);  // GENERAL by default

}  // namespace fallow::core
