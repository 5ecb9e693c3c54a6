// Reader of spot availability traces as SkyPilot published them, .csv or .csv.gz.
//
// Columns: kind, nodes, cloud_start, zone_instance, gap_seconds, tick, value and price. Rows of the
// kind "availability" are read; the rows of a zone stand together, ticks from 0 in steps of 1. The
// value is 0 or 1; an empty price is the one given.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sim/csv_table.h"
#include "sim/spot_types.h"

namespace fallow::sim {

constexpr std::size_t kSpotTracesMax = 10'000;

// Those whose name begins with `only`, in the order of the file. kInvalid, with the line's number,
// for a row that cannot be; also when none is left.
Result<std::vector<SpotTrace>> parse_spot_traces(const CsvTable& table, Micros spot_hour,
                                                 const std::string& only);

}  // namespace fallow::sim
