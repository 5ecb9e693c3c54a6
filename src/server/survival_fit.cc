#include "server/survival_fit.h"

#include <algorithm>
#include <cmath>

namespace fallow::server {
namespace {

constexpr double kShapeMin = 0.05;
constexpr double kShapeMax = 20;

// The slope of the likelihood in the shape, the scale being the best for it: falls through 0 at the
// likeliest shape. Times are relative to the longest, so that no power overflows.
double slope(std::span<const Stretch> stretches, double longest, double mean_log_ended,
             double shape) {
  double sum = 0;
  double sum_log = 0;
  for (const Stretch& stretch : stretches) {
    const double log_time = std::log(stretch.hours / longest);
    const double power = std::exp(shape * log_time);
    sum += power;
    sum_log += power * log_time;
  }
  return 1 / shape + mean_log_ended - sum_log / sum;
}

}  // namespace

std::optional<Weibull> fit_weibull(std::span<const Stretch> stretches) {
  double longest = 0;
  std::size_t ended = 0;
  for (const Stretch& stretch : stretches) {
    longest = std::max(longest, stretch.hours);
    ended += stretch.ended ? 1 : 0;
  }
  if (ended < kEndedMin) return std::nullopt;
  double mean_log = 0;
  for (const Stretch& stretch : stretches) {
    if (stretch.ended) mean_log += std::log(stretch.hours / longest);
  }
  mean_log /= static_cast<double>(ended);
  double low = kShapeMin;
  double high = kShapeMax;
  for (int step = 0; step < 60; ++step) {
    const double middle = std::sqrt(low * high);
    (slope(stretches, longest, mean_log, middle) > 0 ? low : high) = middle;
  }
  Weibull fit;
  fit.shape = std::sqrt(low * high);
  double sum = 0;
  for (const Stretch& stretch : stretches) sum += std::pow(stretch.hours / longest, fit.shape);
  fit.scale_hours = longest * std::pow(sum / static_cast<double>(ended), 1 / fit.shape);
  return fit;
}

// With the shape k given, hours^k until an ending are exponential, so a gamma prior stays one:
// endings are its shape, exposure its rate.
NodeSurvival::NodeSurvival(const Weibull& of_class, std::span<const Stretch> own, double up_hours)
    : shape_(of_class.shape),
      up_hours_(up_hours),
      endings_(kClassWeight),
      exposure_(kClassWeight * std::pow(of_class.scale_hours, of_class.shape)) {
  for (const Stretch& stretch : own) {
    exposure_ += std::pow(stretch.hours, shape_);
    endings_ += stretch.ended ? 1 : 0;
  }
  exposure_ += std::pow(up_hours, shape_);
}

double NodeSurvival::lasting(double hours) const {
  const double more = std::pow(up_hours_ + hours, shape_) - std::pow(up_hours_, shape_);
  return std::pow(exposure_ / (exposure_ + more), endings_);
}

}  // namespace fallow::server
