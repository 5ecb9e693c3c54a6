#include "sim/place_trace.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <tuple>

namespace fallow::sim {
namespace {

constexpr std::int64_t kCpuMilliMax = 10'000'000;
constexpr std::int64_t kMemoryMibMax = 1'000'000'000;

// The rows in the byte order of their names, which must differ.
Result<std::vector<std::size_t>> rows_by_name(const CsvTable& table, std::size_t column,
                                              std::size_t rows_max) {
  if (table.rows() > rows_max) {
    return fail(ErrorCode::kTooLarge, "{} has {} rows; the most is {}", table.name(), table.rows(),
                rows_max);
  }
  std::vector<std::size_t> rows(table.rows());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  std::sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) {
    return std::tuple(table.text(a, column), a) < std::tuple(table.text(b, column), b);
  });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string_view name = table.text(rows[i], column);
    if (name.empty()) return fail(ErrorCode::kInvalid, "{}: no name", table.place(rows[i]));
    if (i > 0 && name == table.text(rows[i - 1], column)) {
      return fail(ErrorCode::kInvalid, "{}: the name {} was there before, in {}",
                  table.place(rows[i]), name, table.place(rows[i - 1]));
    }
  }
  return rows;
}

Result<std::uint8_t> model_of(std::string_view model, const CsvTable& table, std::size_t row,
                              Fleet& fleet) {
  const auto found = std::find(fleet.models.begin(), fleet.models.end(), model);
  const auto index = static_cast<std::size_t>(found - fleet.models.begin());
  if (found == fleet.models.end()) {
    if (model.empty() || model.find('|') != std::string_view::npos) {
      return fail(ErrorCode::kInvalid, "{}: model is \"{}\", not one model's name",
                  table.place(row), model);
    }
    if (fleet.models.size() == kModelsMax) {
      return fail(ErrorCode::kTooLarge, "{}: more than {} GPU models", table.place(row),
                  kModelsMax);
    }
    fleet.models.emplace_back(model);
  }
  return static_cast<std::uint8_t>(index);
}

// A spec that names no model at all ("" or "|") allows any.
std::uint64_t mask_of(std::string_view spec, const Fleet& fleet) {
  std::uint64_t mask = 0;
  bool any = true;
  for (std::size_t at = 0; at <= spec.size();) {
    const std::size_t stop = std::min(spec.find('|', at), spec.size());
    const std::string_view model = spec.substr(at, stop - at);
    any = any && model.empty();
    for (std::size_t i = 0; i < fleet.models.size(); ++i) {
      if (fleet.models[i] == model) mask |= std::uint64_t{1} << i;
    }
    at = stop + 1;
  }
  return any ? ~std::uint64_t{0} : mask;
}

}  // namespace

Result<Fleet> parse_fleet(const CsvTable& table) {
  FALLOW_ASSIGN(const std::size_t name, table.column("sn"));
  FALLOW_ASSIGN(const std::size_t cpu, table.column("cpu_milli"));
  FALLOW_ASSIGN(const std::size_t memory, table.column("memory_mib"));
  FALLOW_ASSIGN(const std::size_t devices, table.column("gpu"));
  FALLOW_ASSIGN(const std::size_t model, table.column("model"));
  FALLOW_ASSIGN(const std::vector<std::size_t> rows, rows_by_name(table, name, kPlaceNodesMax));
  Fleet fleet;
  for (const std::size_t row : rows) {
    NodeState node;
    FALLOW_ASSIGN(const std::int64_t cpu_milli, table.integer(row, cpu, 0, kCpuMilliMax));
    FALLOW_ASSIGN(const std::int64_t memory_mib, table.integer(row, memory, 0, kMemoryMibMax));
    FALLOW_ASSIGN(const std::int64_t count, table.integer(row, devices, 1, kDevicesPerNodeMax));
    FALLOW_ASSIGN(node.model, model_of(table.text(row, model), table, row, fleet));
    node.cpu_milli = static_cast<std::int32_t>(cpu_milli);
    node.memory_mib = static_cast<std::int32_t>(memory_mib);
    node.devices = static_cast<std::uint8_t>(count);
    std::fill_n(node.free_milli.begin(), count, std::int16_t{kDeviceMilli});
    fleet.device_milli += count * kDeviceMilli;
    fleet.nodes.push_back(node);
    fleet.names.emplace_back(table.text(row, name));
  }
  if (fleet.nodes.empty()) {
    return fail(ErrorCode::kInvalid, "{} has no node", table.name());
  }
  return fleet;
}

Result<PodList> parse_pods(const CsvTable& table, const Fleet& fleet) {
  FALLOW_ASSIGN(const std::size_t name, table.column("name"));
  FALLOW_ASSIGN(const std::size_t cpu, table.column("cpu_milli"));
  FALLOW_ASSIGN(const std::size_t memory, table.column("memory_mib"));
  FALLOW_ASSIGN(const std::size_t devices, table.column("num_gpu"));
  FALLOW_ASSIGN(const std::size_t milli, table.column("gpu_milli"));
  const bool with_spec = table.has_column("gpu_spec");
  FALLOW_ASSIGN(const std::size_t spec,
                with_spec ? table.column("gpu_spec") : Result<std::size_t>(0));
  FALLOW_ASSIGN(const std::vector<std::size_t> rows, rows_by_name(table, name, kPodsMax));
  PodList list;
  std::map<std::tuple<std::int32_t, std::int32_t, std::int32_t, std::string>, std::uint32_t> known;
  std::int64_t total_milli = 0;
  for (const std::size_t row : rows) {
    PodClass c;
    FALLOW_ASSIGN(const std::int64_t cpu_milli, table.integer(row, cpu, 0, kCpuMilliMax));
    FALLOW_ASSIGN(const std::int64_t memory_mib, table.integer(row, memory, 0, kMemoryMibMax));
    FALLOW_ASSIGN(const std::int64_t count, table.integer(row, devices, 0, kDevicesPerNodeMax));
    c.cpu_milli = static_cast<std::int32_t>(cpu_milli);
    c.devices = static_cast<std::int32_t>(count);
    if (count > 0) {
      FALLOW_ASSIGN(const std::int64_t each, table.integer(row, milli, 1, kDeviceMilli));
      if (count > 1 && each < kDeviceMilli) {
        return fail(ErrorCode::kInvalid,
                    "{}: {} devices of {} thousandths; a part is of one device only",
                    table.place(row), count, each);
      }
      c.device_milli = static_cast<std::int32_t>(each);
      if (with_spec) c.models_text = table.text(row, spec);
      c.models = mask_of(c.models_text, fleet);
    }
    total_milli += c.total_milli();
    const auto [found, fresh] =
        known.try_emplace(std::tuple(c.cpu_milli, c.devices, c.device_milli, c.models_text),
                          static_cast<std::uint32_t>(list.classes.size()));
    if (fresh) list.classes.push_back(std::move(c));
    list.pods.push_back(Pod{found->second, static_cast<std::int32_t>(memory_mib)});
  }
  if (total_milli == 0) {
    return fail(ErrorCode::kInvalid, "{} has no pod that asks for a device", table.name());
  }
  return list;
}

}  // namespace fallow::sim
