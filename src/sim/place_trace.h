// Readers of the OpenB node and pod lists (Alibaba cluster-trace-gpu-v2023), .csv or .csv.gz.
//
// Nodes: sn, cpu_milli, memory_mib, gpu, model. Pods: name, cpu_milli, memory_mib, num_gpu,
// gpu_milli and, where the list has it, gpu_spec; other columns are not read.
#pragma once

#include "base/result.h"
#include "sim/csv_table.h"
#include "sim/place_types.h"

namespace fallow::sim {

// kInvalid with the line's number for a bad row, a name that comes twice, or a list without any
// device.
Result<Fleet> parse_fleet(const CsvTable& table);
// The classes' masks are of this fleet's models; a model that the fleet lacks fits nowhere.
Result<PodList> parse_pods(const CsvTable& table, const Fleet& fleet);

}  // namespace fallow::sim
