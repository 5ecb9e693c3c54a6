#include "sim/spot_trace.h"

#include <cmath>

namespace fallow::sim {
namespace {

constexpr std::int64_t kGapSecondsMax = 86'400;
constexpr double kSpotPriceMax = 1e6;

struct Columns {
  std::size_t kind, nodes, start, zone, gap, tick, value, price;
};

Result<Columns> columns_of(const CsvTable& table) {
  Columns columns{};
  FALLOW_ASSIGN(columns.kind, table.column("kind"));
  FALLOW_ASSIGN(columns.nodes, table.column("nodes"));
  FALLOW_ASSIGN(columns.start, table.column("cloud_start"));
  FALLOW_ASSIGN(columns.zone, table.column("zone_instance"));
  FALLOW_ASSIGN(columns.gap, table.column("gap_seconds"));
  FALLOW_ASSIGN(columns.tick, table.column("tick"));
  FALLOW_ASSIGN(columns.value, table.column("value"));
  FALLOW_ASSIGN(columns.price, table.column("price"));
  return columns;
}

}  // namespace

Result<std::vector<SpotTrace>> parse_spot_traces(const CsvTable& table, Micros spot_hour,
                                                 const std::string& only) {
  FALLOW_ASSIGN(const Columns columns, columns_of(table));
  std::vector<SpotTrace> traces;
  std::string before;  // of the row above: whose trace it belongs to
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.text(row, columns.kind) != "availability") continue;
    const std::string name =
        fmt::format("{}/{}", table.text(row, columns.start), table.text(row, columns.zone));
    const std::string whose = fmt::format("{} {}", table.text(row, columns.nodes), name);
    const bool wanted = name.starts_with(only);
    FALLOW_ASSIGN(const std::int64_t tick, table.integer(row, columns.tick, 0, 1'000'000'000));
    FALLOW_ASSIGN(const std::int64_t gap, table.integer(row, columns.gap, 1, kGapSecondsMax));
    FALLOW_ASSIGN(const std::int64_t value, table.integer(row, columns.value, 0, 1));
    if (whose != before) {
      if (tick != 0) {
        return fail(ErrorCode::kInvalid, "{}: the first tick of {} is {}, not 0", table.place(row),
                    name, tick);
      }
      before = whose;
      if (wanted) {
        if (traces.size() == kSpotTracesMax) {
          return fail(ErrorCode::kTooLarge, "{} has more than {} traces", table.name(),
                      kSpotTracesMax);
        }
        traces.push_back(SpotTrace{name, seconds(gap), {}, {}});
      }
    }
    if (!wanted) continue;
    SpotTrace& trace = traces.back();
    if (static_cast<std::size_t>(tick) != trace.available.size() || seconds(gap) != trace.gap) {
      return fail(ErrorCode::kInvalid, "{}: tick {} after {} s does not follow on the row above",
                  table.place(row), tick, gap);
    }
    Micros price = spot_hour;
    if (!table.text(row, columns.price).empty()) {
      FALLOW_ASSIGN(const double units, table.number(row, columns.price, 0, kSpotPriceMax));
      price = Micros(std::llround(units * 1e6));
    }
    trace.available.push_back(value == 1);
    trace.spot_hour.push_back(price);
  }
  if (traces.empty()) {
    return fail(ErrorCode::kInvalid, "{} has no availability trace{}{}", table.name(),
                only.empty() ? "" : " whose name begins with ", only);
  }
  return traces;
}

}  // namespace fallow::sim
