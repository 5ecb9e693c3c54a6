#include "server/seasonal.h"

#include <algorithm>
#include <span>
#include <utility>

namespace fallow::server {
namespace {

// Of distances from usual, the hour before the last counts this much of the last.
constexpr double kHourFade = 0.999;
constexpr double kPhiMax = 0.995;
// Repetitions of a cell, on the mean, from which on they tell how far it varies within itself.
constexpr double kRepetitionsMin = 0.3;

// Weighted values of one hour of the week, or of several.
struct Cell {
  double weight = 0;
  double sum = 0;
  double squares = 0;

  void fade(double by) {
    weight *= by;
    sum *= by;
    squares *= by;
  }
  void add(const Cell& other) {
    weight += other.weight;
    sum += other.sum;
    squares += other.squares;
  }
};

// How much a cell's parent counts beside its own values; below 0: the parent alone.
double kappa_of(std::span<const Cell> cells, std::span<const double> parents) {
  double weight = 0;
  double within = 0;
  double between = 0;
  double count = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    if (cell.weight <= 0) continue;
    const double mean = cell.sum / cell.weight;
    ++count;
    weight += cell.weight;
    within += cell.squares - cell.sum * mean;
    between += cell.weight * (mean - parents[i]) * (mean - parents[i]);
  }
  const double repetitions = weight - count;
  if (repetitions <= kRepetitionsMin * count) return Seasonal::kKappaUnknown;
  const double variance = std::max(within, 0.0) / repetitions;
  const double spread = (between - count * variance) / weight;
  return spread > 0 ? variance / spread : -1;
}

void draw_to(std::span<const double> parents, std::span<const Cell> cells, std::span<double> out) {
  const double kappa = kappa_of(cells, parents);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const double whole = cells[i].weight + kappa;
    const bool alone = kappa < 0 || whole <= 0;
    out[i] = alone ? parents[i] : (cells[i].sum + kappa * parents[i]) / whole;
  }
}

// The values of a series as they come in.
class Profile {
 public:
  void add(std::int64_t hour, double value) {
    const auto at = static_cast<std::size_t>(hour % kWeekHours);
    bring_to(at, hour / kWeekHours);
    cells_[at].add({1, value, value * value});
  }

  bool is_empty() const {
    return std::all_of(cells_.begin(), cells_.end(),
                       [](const Cell& cell) { return cell.weight <= 0; });
  }

  std::array<double, kWeekHours> table(std::int64_t hour) {
    std::array<Cell, kDayHours> days{};
    Cell all;
    for (std::size_t at = 0; at < cells_.size(); ++at) {
      bring_to(at, hour / kWeekHours);
      days[at % kDayHours].add(cells_[at]);
      all.add(cells_[at]);
    }
    std::array<double, kDayHours> day_parents{};
    day_parents.fill(all.sum / all.weight);
    std::array<double, kDayHours> day_means{};
    draw_to(day_parents, days, day_means);
    std::array<double, kWeekHours> parents{};
    for (std::size_t at = 0; at < parents.size(); ++at) parents[at] = day_means[at % kDayHours];
    std::array<double, kWeekHours> table{};
    draw_to(parents, cells_, table);
    return table;
  }

 private:
  void bring_to(std::size_t at, std::int64_t week) {
    for (; weeks_[at] < week && cells_[at].weight > 0; ++weeks_[at]) {
      cells_[at].fade(Seasonal::kWeekFade);
    }
    weeks_[at] = week;
  }

  std::array<Cell, kWeekHours> cells_{};
  std::array<std::int64_t, kWeekHours> weeks_{};
};

// By multiplication alone: the same on every machine.
double to_power(double base, std::int64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result *= base;
    base *= base;
  }
  return result;
}

double quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(at, sorted.size() - 1)];
}

}  // namespace

std::optional<Seasonal> Seasonal::fit(HourSeries series) {
  std::size_t known = 0;
  for (const auto& value : series.values) known += value ? 1 : 0;
  if (known < kKnownMin) return std::nullopt;
  Seasonal made(std::move(series));
  Profile profile;
  double products = 0;
  double squares = 0;
  std::optional<double> before;  // the distance from usual an hour ago
  const auto& values = made.series_.values;
  for (std::size_t at = 0; at < values.size(); ++at) {
    const std::int64_t hour = made.series_.first_hour + static_cast<std::int64_t>(at);
    std::optional<double> distance;
    if (values[at] && !made.tables_.empty()) {
      distance = *values[at] - made.tables_.back()[static_cast<std::size_t>(hour % kWeekHours)];
    }
    if (values[at]) profile.add(hour, *values[at]);
    if (at % kDayHours == 0) {
      made.tables_.push_back(profile.is_empty() ? Table{} : profile.table(hour));
    }
    if (distance && before) {
      products = products * kHourFade + *distance * *before;
      squares = squares * kHourFade + *before * *before;
    }
    before = distance;
    made.kept_.push_back(squares > 0 ? std::clamp(products / squares, 0.0, kPhiMax) : 0);
  }
  // The latest of all counts for what is asked, the hours of its last day too.
  made.tables_.push_back(
      profile.table(made.series_.first_hour + static_cast<std::int64_t>(values.size()) - 1));
  return made;
}

double Seasonal::plain(std::size_t at, std::int64_t ahead) const {
  const bool last = at + 1 == series_.values.size();
  const Table& table = last ? tables_.back() : tables_[at / kDayHours];
  const std::int64_t hour = series_.first_hour + static_cast<std::int64_t>(at);
  const double usual = table[static_cast<std::size_t>((hour + ahead) % kWeekHours)];
  if (!series_.values[at]) return usual;
  const double distance = *series_.values[at] - table[static_cast<std::size_t>(hour % kWeekHours)];
  return usual + to_power(kept_[at], ahead) * distance;
}

Band Seasonal::ahead(std::int64_t ahead) const {
  const std::size_t count = series_.values.size();
  // Of a time as long as the whole history there are no errors yet: those of half of it.
  const auto lead = std::min<std::size_t>(static_cast<std::size_t>(ahead), count / 2);
  std::vector<double> errors;
  for (std::size_t to = count; to-- > lead && errors.size() < kErrorsMax;) {
    if (!series_.values[to]) continue;
    errors.push_back(*series_.values[to] - plain(to - lead, static_cast<std::int64_t>(lead)));
  }
  std::sort(errors.begin(), errors.end());
  const double middle = plain(count - 1, ahead);
  const auto at = [&](double share) {
    return std::clamp(middle + quantile(errors, share), series_.least, series_.most);
  };
  return {at(0.1), at(0.5), at(0.9)};
}

}  // namespace fallow::server
