#include "server/requirements.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/money.h"
#include "core/query.h"

namespace fallow::server {
namespace {

constexpr double kHoursMax = 24 * 366;
constexpr std::uint32_t kGpusMax = 64;
constexpr std::uint32_t kNodesMax = 64;
constexpr std::uint32_t kTasksMax = 100'000;
constexpr double kAmountMax = 1e6;  // GB or cores of one task

// `amount` in thousandths (GB to MB, cores to thousandths), rounded up.
Answer<std::uint32_t> thousandths_of(const std::string& field, double amount) {
  if (!std::isfinite(amount) || amount < 0 || amount > kAmountMax) {
    return refuse_field(field, "{} must be between 0 and {:.0f}", field, kAmountMax);
  }
  // 0.3 * 1000 is a little above 300: what is within rounding of a whole number is that number.
  return static_cast<std::uint32_t>(std::ceil(amount * 1000 - 1e-6));
}

// What does not parse is for the market to refuse.
std::string with_images(const std::string& query) {
  if (wants_images(query)) return query;
  return query + (query.empty() ? "" : " ") + "images=true";
}

}  // namespace

bool wants_images(std::string_view query) {
  core::QueryError error;
  const auto parsed = core::Query::parse(query, error);
  if (!parsed) return false;
  const auto& all = parsed->predicates();
  return std::any_of(all.begin(), all.end(), [](const core::Predicate& one) {
    return one.field == core::Field::kImages && one.op != core::Operator::kAny && one.holds(1) &&
           !one.holds(0);
  });
}

Answer<Micros> money_of(std::string_view field, std::string_view text) {
  if (text.empty()) return Micros{};
  const auto amount = parse_money(text);
  if (!amount) return refuse_field(field, "{}: {}", field, amount.error().message);
  if (amount->value < 0) return refuse_field(field, "{} must not be negative", field);
  return *amount;
}

Answer<Micros> positive_money_of(std::string_view field, std::string_view text) {
  if (text.empty())
    return refuse_field(field, "{} is missing: give an amount like \"10.00\"", field);
  FALLOW_ASSIGN(const Micros amount, money_of(field, text));
  if (amount.value == 0) return refuse_field(field, "{} must be above 0", field);
  return amount;
}

Answer<Micros> limit_of(std::string_view field, std::string_view text) {
  FALLOW_ASSIGN(const Micros limit, money_of(field, text));
  if (limit.value == 0 && !text.empty()) {
    return refuse_field(field, "{} of 0 allows nothing; leave it empty for no limit", field);
  }
  return limit;
}

Answer<Duration> hours_of(std::string_view field, double hours, Duration when_zero,
                          double hours_max) {
  if (hours == 0) return when_zero;
  if (!std::isfinite(hours) || hours < 0 || hours > hours_max) {
    return refuse_field(field, "{} must be above 0 and at most {:.0f}", field, hours_max);
  }
  const auto time = Duration(std::llround(hours * static_cast<double>(kHour.value)));
  if (time.value == 0) return refuse_field(field, "{} is shorter than a microsecond", field);
  return time;
}

Answer<Wanted> wanted_of(const v1::CreateQuoteRequest& request, std::string_view prefix) {
  const auto name = [prefix](std::string_view field) { return fmt::format("{}{}", prefix, field); };
  Wanted wanted;
  v1::Requirements& out = wanted.requirements;
  out.set_query(request.images() ? with_images(request.query()) : request.query());

  out.set_gpus(request.gpus() == 0 ? 1 : request.gpus());
  if (out.gpus() > kGpusMax) {
    return refuse_field(name("gpus"), "gpus is at most {} of one node", kGpusMax);
  }
  const double share = request.device_share();
  if (!std::isfinite(share) || share < 0 || share > 1) {
    return refuse_field(name("device_share"),
                        "device_share is the part of each GPU: above 0 and at most 1");
  }
  out.set_device_thousandths(
      share == 0 ? 1000 : static_cast<std::uint32_t>(std::ceil(share * 1000 - 1e-6)));
  if (out.device_thousandths() == 0) {
    return refuse_field(name("device_share"), "device_share is below a thousandth");
  }

  out.set_tier(request.tier() == v1::TIER_UNSPECIFIED ? v1::ON_DEMAND : request.tier());
  out.set_objective(request.objective() == v1::OBJECTIVE_UNSPECIFIED ? v1::CHEAPEST
                                                                     : request.objective());
  out.set_near(request.near());
  out.set_workload_class(request.workload_class() == v1::WORKLOAD_CLASS_UNSPECIFIED
                             ? v1::GENERAL
                             : request.workload_class());
  FALLOW_ASSIGN(const Duration time, hours_of(name("hours"), request.hours(), kHour, kHoursMax));
  out.set_duration_us(time.value);
  FALLOW_ASSIGN(const Micros price,
                limit_of(name("max_price_per_hour"), request.max_price_per_hour()));
  out.set_price_per_hour_micros_max(price.value);

  FALLOW_ASSIGN(const std::uint32_t memory, thousandths_of(name("memory_gb"), request.memory_gb()));
  FALLOW_ASSIGN(const std::uint32_t cores, thousandths_of(name("cpu_cores"), request.cpu_cores()));
  FALLOW_ASSIGN(const std::uint32_t disk, thousandths_of(name("disk_gb"), request.disk_gb()));
  out.set_memory_mb(memory);
  out.set_cpu_thousandths(cores);
  out.set_disk_mb(disk);
  FALLOW_ASSIGN(const std::uint32_t egress, thousandths_of(name("egress_gb"), request.egress_gb()));
  out.set_egress_mb_max(egress);
  out.set_network(request.network());
  out.set_isolation_min(request.isolation_min());

  out.set_nodes(request.nodes() == 0 ? 1 : request.nodes());
  if (out.nodes() > kNodesMax) {
    return refuse_field(name("nodes"), "nodes is at most {} of one gang", kNodesMax);
  }
  wanted.tasks = request.tasks() == 0 ? out.nodes() : request.tasks();
  if (wanted.tasks > kTasksMax) {
    return refuse_field(name("tasks"), "tasks is at most {} of one order", kTasksMax);
  }
  return wanted;
}

}  // namespace fallow::server
