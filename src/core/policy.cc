#include "core/policy.h"

#include "base/money.h"
#include "base/types.h"

namespace fallow::core {
namespace {

constexpr std::int64_t kPolicySpanMax = hours(24 * 366).value;
// A proof takes a device for seconds.
constexpr std::int64_t kProofIntervalMin = seconds(1).value;
constexpr std::uint32_t kAttemptsMax = 1'000;
constexpr int kVolumeDiscountsMax = 8;

std::optional<Refusal> check_volume(const v1::Policy& policy) {
  bool sound = policy.volume_discounts_size() <= kVolumeDiscountsMax;
  const v1::VolumeDiscount* before = nullptr;
  for (const v1::VolumeDiscount& step : policy.volume_discounts()) {
    sound = sound && step.spent_micros_min() >= 0 && step.fee_basis_points() <= kBasisPoints;
    sound = sound && (before == nullptr || (before->spent_micros_min() < step.spent_micros_min() &&
                                            before->fee_basis_points() <= step.fee_basis_points()));
    before = &step;
  }
  if (sound) return std::nullopt;
  return refusal(
      v1::VALUE_INVALID, "policy.volume_discounts",
      "volume discounts are at most {}, each for more spending than the one before, of no "
      "less and at most {} basis points of the fee",
      kVolumeDiscountsMax, kBasisPoints);
}

}  // namespace

v1::Policy default_policy() {
  v1::Policy policy;
  policy.set_meter_interval_us(seconds(5).value);
  policy.set_suspend_after_us(seconds(15).value);
  policy.set_close_after_us(seconds(30).value);
  policy.set_start_timeout_us(minutes(15).value);
  policy.set_stop_grace_us(seconds(10).value);
  policy.set_owner_notice_us(seconds(5).value);
  policy.set_fee_basis_points(500);
  policy.set_payout_delay_us(hours(24).value);
  policy.set_quote_ttl_us(minutes(5).value);
  policy.set_attempts_max(5);
  policy.set_price_interval_us(minutes(5).value);
  policy.set_price_step_basis_points(300);
  policy.set_use_target_basis_points(7'000);
  policy.set_spot_min_run_us(minutes(5).value);
  policy.set_spot_cool_down_us(minutes(10).value);
  policy.set_spot_notice_us(seconds(30).value);
  policy.set_fragmentation_basis_points(100);
  policy.set_survival_basis_points(200);
  policy.set_locality_basis_points(100);
  policy.set_retry_delay_us(seconds(10).value);
  policy.set_retry_delay_us_max(minutes(5).value);
  policy.set_waits_for_fence(true);
  policy.set_forecast_basis_points(2'500);
  policy.set_credit_basis_points_max(5'000);
  policy.set_scarcity_basis_points(100);
  policy.set_deadlines_by_forecast(true);
  policy.set_bounds_meters(true);
  policy.set_weighs_kept_time(true);
  policy.set_pull_timeout_us(hours(1).value);
  policy.set_fair_turns(true);
  policy.set_counts_until_stop(true);
  policy.set_firm_turns(true);
  policy.set_firm_proofs(true);
  policy.set_holds_deposits(true);
  policy.set_keeps_device_records(true);
  policy.set_lease_proof_basis_points(500);
  policy.set_prices_egress(true);
  return policy;
}

std::optional<Refusal> check_policy(const v1::Policy& policy) {
  const struct {
    const char* name;
    std::int64_t value;
    std::int64_t min;
  } spans[] = {
      {"meter_interval_us", policy.meter_interval_us(), 1},
      {"suspend_after_us", policy.suspend_after_us(), 1},
      {"close_after_us", policy.close_after_us(), policy.suspend_after_us()},
      {"start_timeout_us", policy.start_timeout_us(), 1},
      {"stop_grace_us", policy.stop_grace_us(), 0},
      {"owner_notice_us", policy.owner_notice_us(), 0},
      {"payout_delay_us", policy.payout_delay_us(), 0},
      {"quote_ttl_us", policy.quote_ttl_us(), 1},
      {"price_interval_us", policy.price_interval_us(), 0},
      {"spot_min_run_us", policy.spot_min_run_us(), 0},
      {"spot_cool_down_us", policy.spot_cool_down_us(), 0},
      {"spot_notice_us", policy.spot_notice_us(), 0},
      {"start_cost_us", policy.start_cost_us(), 0},
      {"retry_delay_us", policy.retry_delay_us(), 0},
      {"retry_delay_us_max", policy.retry_delay_us_max(), policy.retry_delay_us()},
      {"proof_interval_us", policy.proof_interval_us(), 0},
      {"pull_timeout_us", policy.pull_timeout_us(), 0},
  };
  for (const auto& span : spans) {
    if (span.value < span.min || span.value > kPolicySpanMax) {
      return refusal(v1::VALUE_INVALID, fmt::format("policy.{}", span.name),
                     "{} of {} us is not between {} us and a year", span.name, span.value,
                     span.min);
    }
  }
  if (policy.proof_interval_us() > 0 && policy.proof_interval_us() < kProofIntervalMin) {
    return refusal(v1::VALUE_INVALID, "policy.proof_interval_us",
                   "proofs every {} us would keep the devices from all else: at least {} us apart, "
                   "or 0 for never",
                   policy.proof_interval_us(), kProofIntervalMin);
  }
  if (policy.fee_basis_points() > kBasisPoints) {
    return refusal(v1::VALUE_INVALID, "policy.fee_basis_points",
                   "a fee of {} basis points is more than all: at most {}",
                   policy.fee_basis_points(), kBasisPoints);
  }
  if (policy.price_step_basis_points() > kBasisPoints) {
    return refusal(v1::VALUE_INVALID, "policy.price_step_basis_points",
                   "a price cannot move by {} basis points at once: at most {}",
                   policy.price_step_basis_points(), kBasisPoints);
  }
  const struct {
    const char* name;
    std::uint32_t value;
  } weights[] = {{"fragmentation_basis_points", policy.fragmentation_basis_points()},
                 {"survival_basis_points", policy.survival_basis_points()},
                 {"locality_basis_points", policy.locality_basis_points()},
                 {"scarcity_basis_points", policy.scarcity_basis_points()}};
  for (const auto& weight : weights) {
    if (weight.value <= kBasisPoints) continue;
    return refusal(v1::VALUE_INVALID, fmt::format("policy.{}", weight.name),
                   "{} of {} would outweigh the price itself: at most {}", weight.name,
                   weight.value, kBasisPoints);
  }
  if (policy.forecast_basis_points() > kBasisPoints) {
    return refusal(v1::VALUE_INVALID, "policy.forecast_basis_points",
                   "expected use cannot count for {} basis points of a move: at most {}, all of it",
                   policy.forecast_basis_points(), kBasisPoints);
  }
  if (policy.credit_basis_points_max() > kBasisPoints) {
    return refusal(v1::VALUE_INVALID, "policy.credit_basis_points_max",
                   "{} basis points of a charge cannot be credited: at most {}, all of it",
                   policy.credit_basis_points_max(), kBasisPoints);
  }
  if (policy.lease_proof_basis_points() > kBasisPoints) {
    return refusal(v1::VALUE_INVALID, "policy.lease_proof_basis_points",
                   "{} of {} leases cannot be asked for a proof: at most {}, every one",
                   policy.lease_proof_basis_points(), kBasisPoints, kBasisPoints);
  }
  if (auto why = check_volume(policy)) return why;
  const bool keeps_index = policy.price_interval_us() > 0;
  if (keeps_index &&
      (policy.use_target_basis_points() == 0 || policy.use_target_basis_points() >= kBasisPoints)) {
    return refusal(v1::VALUE_INVALID, "policy.use_target_basis_points",
                   "a price index needs a use at which it stays, of 1 to {} basis points: found {}",
                   kBasisPoints - 1, policy.use_target_basis_points());
  }
  if (policy.attempts_max() == 0 || policy.attempts_max() > kAttemptsMax) {
    return refusal(v1::VALUE_INVALID, "policy.attempts_max", "{} attempts: 1 to {} are accepted",
                   policy.attempts_max(), kAttemptsMax);
  }
  return std::nullopt;
}

}  // namespace fallow::core
