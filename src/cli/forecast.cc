// fallow forecast: how much of each class is likely to be free and asked for in the hours to come.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>

#include "cli/command.h"

namespace fallow::cli {
namespace {

constexpr std::uint32_t kWeekHours = 168;
constexpr std::size_t kHoursShown = 24;
constexpr std::size_t kBestShown = 5;
constexpr double kBarWidth = 20;

struct ForecastOptions {
  std::string of;  // MODEL or MODEL/REGION; empty: every class
};

using Hours = std::vector<v1::ForecastView>;

std::string share_text(const v1::LikelyView& share) {
  return fmt::format("{:.0f} %", 100 * share.p50());
}

std::string share_band(const v1::LikelyView& share) {
  return fmt::format("{:.0f}-{:.0f} %", 100 * share.p10(), 100 * share.p90());
}

std::string band(const v1::LikelyView& devices) {
  return fmt::format("{:.1f}-{:.1f}", devices.p10(), devices.p90());
}

double free_devices(const v1::ForecastView& hour) {
  return hour.devices_offered().p50() * hour.free_share().p50();
}

std::string hour_text(const v1::ForecastView& hour) {
  // "2026-11-22T14:00:00Z": the seconds are always none.
  std::string text = google::protobuf::util::TimeUtil::ToString(hour.at()).substr(0, 16);
  text[10] = ' ';
  return text;
}

std::string bar(double share) {
  const auto full = static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * kBarWidth));
  return std::string(full, '#') + std::string(static_cast<std::size_t>(kBarWidth) - full, '.');
}

std::string class_text(const v1::ForecastView& hour) {
  return hour.region().empty() ? hour.model() : hour.model() + "/" + hour.region();
}

// By free devices, the surer first where as many are expected, then the earlier.
Hours best_of(Hours hours) {
  std::stable_sort(hours.begin(), hours.end(),
                   [](const v1::ForecastView& a, const v1::ForecastView& b) {
                     const auto key = [](const v1::ForecastView& hour) {
                       return std::pair(std::lround(10 * free_devices(hour)),
                                        std::lround(100 * hour.free_share().p10()));
                     };
                     return key(a) > key(b);
                   });
  hours.resize(std::min(hours.size(), kBestShown));
  return hours;
}

void print_class(const Hours& hours) {
  fmt::print("{}: the next {} hours (UTC), learned from {} days\n", class_text(hours.front()),
             std::min(hours.size(), kHoursShown), hours.front().days_known());
  Table table({"HOUR", "FREE", ">SHARE", ">10-90 OF 100", ">OFFERED", ">DEMAND", ">10-90 OF 100"});
  for (std::size_t i = 0; i < std::min(hours.size(), kHoursShown); ++i) {
    const v1::ForecastView& hour = hours[i];
    table.add({hour_text(hour), bar(hour.free_share().p50()), share_text(hour.free_share()),
               share_band(hour.free_share()), fmt::format("{:.1f}", hour.devices_offered().p50()),
               fmt::format("{:.1f}", hour.demand().p50()), band(hour.demand())});
  }
  table.print("");
  fmt::print("best hours to rent, of the next {} days\n", hours.size() / 24);
  Table best({"HOUR", ">FREE GPUS", ">SHARE", ">10-90 OF 100"});
  for (const v1::ForecastView& hour : best_of(hours)) {
    best.add({hour_text(hour), fmt::format("{:.1f}", free_devices(hour)),
              share_text(hour.free_share()), share_band(hour.free_share())});
  }
  best.print("");
}

void print_classes(const Hours& hours) {
  Table table({"GPU", "REGION", "FREE", ">SHARE", ">10-90 OF 100", ">OFFERED", ">DEMAND",
               ">10-90 OF 100", ">DAYS KNOWN"});
  for (const v1::ForecastView& hour : hours) {
    table.add({hour.model(), hour.region(), bar(hour.free_share().p50()),
               share_text(hour.free_share()), share_band(hour.free_share()),
               fmt::format("{:.1f}", hour.devices_offered().p50()),
               fmt::format("{:.1f}", hour.demand().p50()), band(hour.demand()),
               std::to_string(hour.days_known())});
  }
  table.print(
      "no class has two days of history yet, which a forecast needs; `fallow offers` shows what is "
      "free now");
}

int forecast(const Context& context, const ForecastOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::ListForecastRequest request;
  const std::size_t slash = options.of.find('/');
  request.set_model(options.of.substr(0, slash));
  if (slash != std::string::npos) request.set_region(options.of.substr(slash + 1));
  request.set_hours(options.of.empty() ? 1 : kWeekHours);
  request.set_page_size(kPageMax);
  std::vector<Hours> classes;
  do {
    const auto page = api->call<v1::ListForecastResponse>("Market.ListForecast", request);
    if (!page) return report(context, page.error());
    for (const v1::ForecastView& hour : page->hours()) {
      if (context.json) print_json(hour);
      const bool same = !classes.empty() && class_text(classes.back().front()) == class_text(hour);
      if (!same) classes.emplace_back();
      classes.back().push_back(hour);
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (options.of.empty()) {
    Hours next;
    for (const Hours& of : classes) next.push_back(of.front());
    if (!context.json) print_classes(next);
    return kDone;
  }
  if (classes.empty()) {
    fmt::print(stderr,
               "fallow: nothing can be said of {}: no class of that name has two days of history; "
               "`fallow forecast` lists those that have\n",
               options.of);
    return kRefused;
  }
  for (const Hours& of : classes) {
    if (!context.json) print_class(of);
  }
  return kDone;
}

}  // namespace

void add_forecast(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<ForecastOptions>();
  Parser* command = app.add_subcommand(
      "forecast", "how much is likely to be free and asked for in the hours to come");
  command->add_option("class", options->of,
                      "MODEL or MODEL/REGION: its next 24 hours, and the week's best to rent; "
                      "default: the present hour of every class");
  command->footer(
      "Of 100 cases, 10 are below the first of the two figures and 10 above the second. With "
      "--json "
      "a class has\nthe hours of a whole week. docs/market.md says how it is learned.\n"
      "Example:\n  fallow forecast RTX_4090/eu");
  command->callback([options, &context] {
    context.run = [options, &context] { return forecast(context, *options); };
  });
}

}  // namespace fallow::cli
