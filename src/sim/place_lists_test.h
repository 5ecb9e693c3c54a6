// Made-up node and pod lists for the tests of the placement laboratory.
#pragma once

#include <fmt/core.h>

#include <string>

#include "base/check.h"
#include "sim/csv_table.h"
#include "sim/place_trace.h"

namespace fallow::sim {

inline Fleet fleet_of(const std::string& rows) {
  auto table = CsvTable::parse("sn,cpu_milli,memory_mib,gpu,model\n" + rows, "nodes.csv");
  FALLOW_CHECK(table.has_value(), "{}", table.error().message);
  auto fleet = parse_fleet(*table);
  FALLOW_CHECK(fleet.has_value(), "{}", fleet.error().message);
  return *fleet;
}

inline PodList pods_of(const std::string& rows, const Fleet& fleet) {
  auto table =
      CsvTable::parse("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" + rows, "pods.csv");
  FALLOW_CHECK(table.has_value(), "{}", table.error().message);
  auto list = parse_pods(*table, fleet);
  FALLOW_CHECK(list.has_value(), "{}", list.error().message);
  return *list;
}

// 60 nodes of three kinds with 290 devices.
inline Fleet mixed_fleet() {
  std::string rows;
  for (int i = 0; i < 60; ++i) {
    const char* kind = i < 30   ? "96000,393216,8,A"
                       : i < 50 ? "32000,131072,2,B"
                                : "16000,65536,1,C";
    rows += fmt::format("node-{:02},{}\n", i, kind);
  }
  return fleet_of(rows);
}

// 600 pods: parts of devices that fit together badly, whole ones, gangs, some CPU only.
inline PodList mixed_pods(const Fleet& fleet) {
  constexpr const char* kKinds[] = {
      "8000,16384,1,1000,",   "11000,32768,1,1000,", "4000,8192,1,300,",   "6000,16384,1,450,",
      "3000,8192,1,800,",     "8000,32768,1,1000,A", "12000,40960,1,600,", "4000,8192,0,0,",
      "10000,16384,1,1000,B", "4000,8192,1,350,",    "3000,8192,1,800,",   "16000,65536,2,1000,",
      "32000,131072,4,1000,", "3000,8192,1,800,",    "8000,16384,1,1000,", "88000,327680,8,1000,",
  };
  // The rarest kinds come last and are passed over most of the times.
  std::string rows;
  for (int i = 0; i < 600; ++i) {
    int kind = i % 16;
    if ((kind == 12 || kind == 15) && i % 3 != 0) kind = i % 5;
    rows += fmt::format("pod-{:03},{}\n", i, kKinds[kind]);
  }
  return pods_of(rows, fleet);
}

}  // namespace fallow::sim
