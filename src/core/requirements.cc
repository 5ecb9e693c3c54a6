#include "core/requirements.h"

#include "core/checks.h"

namespace fallow::core {

v1::Requirements understood(const v1::Requirements& requirements) {
  v1::Requirements whole = requirements;
  if (whole.tier() == v1::TIER_UNSPECIFIED) whole.set_tier(v1::ON_DEMAND);
  if (whole.objective() == v1::OBJECTIVE_UNSPECIFIED) whole.set_objective(v1::CHEAPEST);
  if (whole.workload_class() == v1::WORKLOAD_CLASS_UNSPECIFIED) {
    whole.set_workload_class(v1::GENERAL);
  }
  if (whole.gpus() == 0) whole.set_gpus(1);
  if (whole.nodes() == 0) whole.set_nodes(1);
  if (whole.device_thousandths() == 0) whole.set_device_thousandths(kWholeDevice);
  if (whole.isolation_min() == v1::ISOLATION_UNSPECIFIED) whole.set_isolation_min(v1::BUBBLEWRAP);
  return whole;
}

tl::expected<Demand, Refusal> demand_of(const v1::Requirements& requirements,
                                        const Limits& limits) {
  if (!v1::Tier_IsValid(requirements.tier()) || requirements.tier() == v1::TIER_UNSPECIFIED) {
    return tl::unexpected(refusal(v1::TIER_NOT_OFFERED, "requirements.tier",
                                  "the tiers are on_demand, reserved and spot"));
  }
  if (requirements.tier() == v1::SPOT && requirements.price_per_hour_micros_max() == 0) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.price_per_hour_micros_max",
                                  "a spot order bids: say what an hour of a task may cost"));
  }
  if (!v1::Objective_IsValid(requirements.objective())) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.objective",
                                  "objective {} is unknown",
                                  static_cast<int>(requirements.objective())));
  }
  if (requirements.near().size() > limits.name_bytes_max) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.near",
                                  "the region has {} bytes: at most {} are accepted",
                                  requirements.near().size(), limits.name_bytes_max));
  }
  if (!v1::WorkloadClass_IsValid(requirements.workload_class())) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.workload_class",
                                  "workload class {} is unknown",
                                  static_cast<int>(requirements.workload_class())));
  }
  if (!v1::Isolation_IsValid(requirements.isolation_min())) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.isolation_min",
                                  "isolation {} is unknown",
                                  static_cast<int>(requirements.isolation_min())));
  }
  if (!v1::Network_IsValid(requirements.network())) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.network",
                                  "network {} is unknown",
                                  static_cast<int>(requirements.network())));
  }
  if (requirements.egress_mb_max() > 0 && requirements.network() != v1::EGRESS) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.egress_mb_max",
                                  "a task without a network sends nothing: ask for the network "
                                  "EGRESS, or leave out how much it may send"));
  }
  if (requirements.gpus() > limits.devices_per_node_max) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.gpus",
                                  "{} GPUs: a node has at most {}", requirements.gpus(),
                                  limits.devices_per_node_max));
  }
  if (requirements.nodes() > limits.nodes_per_gang_max) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.nodes",
                                  "a gang of {} nodes: at most {} start together",
                                  requirements.nodes(), limits.nodes_per_gang_max));
  }
  if (requirements.nodes() > 1 && requirements.tier() == v1::SPOT) {
    return tl::unexpected(refusal(v1::TIER_NOT_OFFERED, "requirements.tier",
                                  "a gang ends when one of its nodes is preempted, so it is not "
                                  "offered on spot: take on_demand or reserved"));
  }
  if (requirements.device_thousandths() > kWholeDevice) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "requirements.device_thousandths",
                                  "a share of {} thousandths is more than a device",
                                  requirements.device_thousandths()));
  }
  if (requirements.duration_us() <= 0 || requirements.duration_us() > limits.duration_max.value) {
    return tl::unexpected(
        refusal(v1::VALUE_INVALID, "requirements.duration_us",
                "a task of {} us is not accepted: more than 0 and at most {} hours",
                requirements.duration_us(), limits.duration_max.value / kHour.value));
  }
  if (auto why = check_money("requirements.price_per_hour_micros_max",
                             requirements.price_per_hour_micros_max(), true, limits)) {
    return tl::unexpected(std::move(*why));
  }
  QueryError error;
  std::optional<Query> query = Query::parse(requirements.query(), error, limits.query_bytes_max);
  if (!query) {
    Refusal why = refusal(v1::QUERY_INVALID, "requirements.query", "{}", error.message);
    why.column = error.column;
    return tl::unexpected(std::move(why));
  }
  Demand demand;
  demand.query = std::move(*query);
  demand.requirements = requirements;
  return demand;
}

bool same(const v1::Requirements& a, const v1::Requirements& b) {
  return understood(a).SerializeAsString() == understood(b).SerializeAsString();
}

}  // namespace fallow::core
