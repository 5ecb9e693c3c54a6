#include "sim/place_report.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <thread>

#include "base/check.h"
#include "sim/csv_table.h"
#include "sim/place_trace.h"

namespace fallow::sim {
namespace {

struct Figure {
  const char* name;
  double LoadFigures::*value;
};
constexpr Figure kFigures[] = {
    {"allocation_pct", &LoadFigures::allocation_pct},
    {"fragmented_pct", &LoadFigures::fragmented_pct},
    {"fragmented_idle_pct", &LoadFigures::fragmented_idle_pct},
    {"accepted_pct", &LoadFigures::accepted_pct},
    {"cpu_only_accepted_pct", &LoadFigures::cpu_only_pct},
};

int load_of(std::size_t i) { return static_cast<int>(i + 1) * kLoadStep; }

// {"allocation_pct":{"10":9.98,...},...} without the braces around.
std::string json_of(const std::array<LoadFigures, kLoads>& loads) {
  std::string text;
  for (const Figure& figure : kFigures) {
    text += fmt::format("{}\"{}\":{{", text.empty() ? "" : ",", figure.name);
    for (std::size_t i = 0; i < kLoads; ++i) {
      text += fmt::format("{}\"{}\":{:.4f}", i == 0 ? "" : ",", load_of(i), loads[i].*figure.value);
    }
    text += "}";
  }
  return text;
}

void summarise(PlaceReport& report) {
  Digester digester;
  double decisions = 0;
  double seconds = 0;
  const auto runs = static_cast<double>(report.runs.size());
  for (const PlaceRun& run : report.runs) {
    digester.update(run.digest);
    decisions += static_cast<double>(run.decisions);
    seconds += run.seconds;
    for (const Figure& figure : kFigures) {
      for (std::size_t i = 0; i < kLoads; ++i) {
        report.mean[i].*figure.value += run.loads[i].*figure.value / runs;
      }
    }
  }
  report.digest = digester.finish();
  report.decisions_per_second = seconds > 0 ? decisions / seconds : 0;
}

}  // namespace

PlaceReport run_place(const Fleet& fleet, const PodList& list, const PlaceOptions& options) {
  FALLOW_CHECK(options.first_seed <= options.last_seed, "seeds {} to {}", options.first_seed,
               options.last_seed);
  PlaceReport report;
  report.policy = options.policy;
  report.nodes = fleet.nodes.size();
  report.devices = fleet.devices();
  report.pods = list.pods.size();
  report.classes = list.classes.size();
  report.runs.resize(static_cast<std::size_t>(options.last_seed - options.first_seed + 1));
  const Fragmentation fragmentation(list);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < report.runs.size(); i = next++) {
      const std::int64_t seed = options.first_seed + static_cast<std::int64_t>(i);
      report.runs[i] = run_placement(fleet, list, fragmentation, options.policy, seed);
    }
  };
  std::vector<std::jthread> helpers;
  for (unsigned i = 1; i < options.threads; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();  // joins
  summarise(report);
  return report;
}

Result<PlaceReport> run_place(const PlaceOptions& options) {
  FALLOW_ASSIGN(const CsvTable nodes, CsvTable::read(options.nodes));
  FALLOW_ASSIGN(const Fleet fleet, parse_fleet(nodes));
  FALLOW_ASSIGN(const CsvTable pods, CsvTable::read(options.pods));
  FALLOW_ASSIGN(const PodList list, parse_pods(pods, fleet));
  return run_place(fleet, list, options);
}

Status parse_seeds(const std::string& text, PlaceOptions& options) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalid,
                "seeds are written 42..51 or 42, at most {} of them; \"{}\" is neither", kSeedsMax,
                text);
  };
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, options.first_seed);
  if (first.ec != std::errc{} || options.first_seed < 0) return bad();
  options.last_seed = options.first_seed;
  if (first.ptr == end) return {};
  const std::string_view rest(first.ptr, static_cast<std::size_t>(end - first.ptr));
  if (!rest.starts_with("..")) return bad();
  const auto last = std::from_chars(first.ptr + 2, end, options.last_seed);
  if (last.ec != std::errc{} || last.ptr != end || options.last_seed < options.first_seed ||
      options.last_seed - options.first_seed >= kSeedsMax) {
    return bad();
  }
  return {};
}

std::string to_json(const PlaceReport& report) {
  std::string runs;
  for (const PlaceRun& run : report.runs) {
    runs += fmt::format("{}{{\"seed\":{},\"decisions\":{},\"digest\":\"{}\",{}}}",
                        runs.empty() ? "" : ",", run.seed, run.decisions, to_hex(run.digest),
                        json_of(run.loads));
  }
  return fmt::format(
      "{{\"policy\":\"{}\",\"nodes\":{},\"devices\":{},\"pods\":{},\"classes\":{},\"runs\":[{}],"
      "\"mean\":{{{}}},\"decisions_per_second\":{:.0f},\"digest\":\"{}\"}}",
      name_of(report.policy), report.nodes, report.devices, report.pods, report.classes, runs,
      json_of(report.mean), report.decisions_per_second, to_hex(report.digest));
}

Chart allocation_chart(const PlaceReport& report) {
  Chart chart;
  chart.title = fmt::format("{}: {} devices, mean of {} runs", name_of(report.policy),
                            report.devices, report.runs.size());
  chart.x_label = "arrived demand, % of all devices";
  chart.y_label = "% of all devices";
  chart.lines = {ChartLine{"allocated", {}}, ChartLine{"fragmented", {}}};
  for (std::size_t i = 0; i < kLoads; ++i) {
    chart.lines[0].points.push_back({double(load_of(i)), report.mean[i].allocation_pct});
    chart.lines[1].points.push_back({double(load_of(i)), report.mean[i].fragmented_pct});
  }
  return chart;
}

}  // namespace fallow::sim
