#include "server/problem.h"

#include <algorithm>

#include "base/check.h"
#include "base/money.h"
#include "net/http.h"

namespace fallow::server {

v1::Problem make_problem(int status, std::string_view code, std::string detail,
                         std::string_view field) {
  v1::Problem problem;
  problem.set_type(fmt::format("urn:fallow:problem:{}", code));
  problem.set_title(std::string(net::status_text(status)));
  problem.set_status(static_cast<std::uint32_t>(status));
  problem.set_detail(std::move(detail));
  problem.set_code(std::string(code));
  problem.set_field(std::string(field));
  return problem;
}

namespace {

std::string code_of(v1::Refusal refusal) {
  std::string name = v1::Refusal_Name(refusal);
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return name;
}

// Commands speak of micros and thousandths where requests have decimal money, hours and GB: the
// last part of a command's field as the request names it.
std::string field_of(const std::string& command_field) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"amount_micros", "amount"},
      {"budget_micros_max", "budget"},
      {"month_micros_max", "month_budget"},
      {"total_micros_max", "total_budget"},
      {"device_hour_micros", "price_per_hour"},
      {"disk_gb_hour_micros", "disk_price_per_gb_hour"},
      {"spot_floor_micros", "spot_floor_per_hour"},
      {"share_thousandths_min", "share_min"},
      {"duration_us_max", "hours_max"},
      {"duration_us", "hours"},
      {"more_us", "hours"},
      {"deadline_after_us", "deadline_hours"},
      {"restart_us", "restart_hours"},
      {"price_per_hour_micros_max", "max_price_per_hour"},
      {"device_thousandths", "device_share"},
      {"memory_mb", "memory_gb"},
      {"cpu_thousandths", "cpu_cores"},
      {"disk_mb", "disk_gb"},
      {"egress_gb_micros", "egress_price_per_gb"},
      {"egress_mb_max", "egress_gb"},
      {"expires_at_us", "hours"},
      {"secret_hash", "secret"},
      {"request_key", "Idempotency-Key"},
  };
  const std::size_t dot = command_field.rfind('.');
  const std::size_t begin = dot == std::string::npos ? 0 : dot + 1;
  for (const auto& [command, request] : kNames) {
    if (std::string_view(command_field).substr(begin) == command) {
      return command_field.substr(0, begin) + std::string(request);
    }
  }
  return command_field;
}

}  // namespace

int status_of(v1::Refusal refusal) {
  switch (refusal) {
    case v1::NO_FUNDS:
    case v1::OVER_BUDGET:
      return 402;
    case v1::NOT_ALLOWED:
      return 403;
    case v1::ACCOUNT_UNKNOWN:
    case v1::NOT_FOUND:
      return 404;
    case v1::NO_MATCH:
    case v1::ALREADY_ENDED:
    case v1::NODE_KEY_TAKEN:
    case v1::STALE:
      return 409;
    case v1::QUOTE_GONE:
      return 410;
    case v1::KEY_REUSED:
      return 422;
    case v1::LIMIT_REACHED:
      return 429;
    case v1::TOKEN_INVALID:
      return 401;
    case v1::QUERY_INVALID:
    case v1::VALUE_INVALID:
    case v1::TIER_NOT_OFFERED:
      return 400;
    default:
      break;
  }
  check_failed("refusal", __FILE__, __LINE__,
               fmt::format("refusal {} has no status", static_cast<int>(refusal)));
}

v1::Problem problem_of(const v1::Refused& refused) {
  v1::Problem problem = make_problem(status_of(refused.code()), code_of(refused.code()),
                                     refused.message(), field_of(refused.field()));
  problem.set_column(refused.column());
  for (const v1::Relaxation& relaxation : refused.relaxations()) {
    v1::RelaxationView& view = *problem.add_relaxations();
    view.set_field(relaxation.field());
    view.set_change(relaxation.change());
    view.set_task_price_per_hour(format_money(Micros(relaxation.task_hour_micros())));
  }
  return problem;
}

v1::Problem problem_of(const core::Refusal& refusal) {
  v1::Refused refused;
  refused.set_code(refusal.code);
  refused.set_message(refusal.message);
  refused.set_field(refusal.field);
  refused.set_column(refusal.column);
  for (const v1::Relaxation& relaxation : refusal.relaxations) {
    *refused.add_relaxations() = relaxation;
  }
  return problem_of(refused);
}

v1::Problem problem_of(const Error& error, std::string_view doing) {
  const std::string detail = fmt::format("cannot {}: {}", doing, error.message);
  switch (error.code) {
    case ErrorCode::kInvalid:
      return make_problem(400, "value_invalid", detail);
    case ErrorCode::kNotFound:
      return make_problem(404, "not_found", detail);
    case ErrorCode::kTooLarge:
      return make_problem(413, "too_large", detail);
    case ErrorCode::kBusy:
    case ErrorCode::kClosed:
      return make_problem(503, "busy", detail);
    case ErrorCode::kTimedOut:
      return make_problem(504, "timed_out", detail);
    case ErrorCode::kDenied:
      return make_problem(403, "not_allowed", detail);
    default:
      return make_problem(500, "failed", detail);
  }
}

}  // namespace fallow::server
