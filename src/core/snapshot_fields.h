// What a snapshot holds of each thing, in order, for writing and reading alike. What follows from
// the rest is left out: derived.cc makes it anew. A change here is a new kSnapshotVersion.
#pragma once

#include "core/market_state.h"

namespace fallow::core {

constexpr std::uint32_t kSnapshotVersion = 12;
// With what fair turns keep, at the end of the schedule. Markets that keep nothing of it have the
// bytes of the version before.
constexpr std::uint32_t kFairSnapshotVersion = 13;
// With what leases that stop can still prove, at the very end, and all of the version before.
// Markets without any have the bytes of those versions.
constexpr std::uint32_t kStopsSnapshotVersion = 14;
// With deposits that can be reversed or were, and the records of devices, at the very end, and all
// of the version before. Likewise.
constexpr std::uint32_t kRecordsSnapshotVersion = 15;
// With the proofs that leases wait for, at the very end, and all of the version before. Likewise.
constexpr std::uint32_t kLeaseProofsSnapshotVersion = 16;
// With what offers, orders and leases say of egress, at the very end, and all of the version
// before. Likewise.
constexpr std::uint32_t kEgressSnapshotVersion = 17;

template <class Archive, class List, class Each>
void list_fields(Archive& archive, List& list, Each&& each) {
  if constexpr (Archive::kReading) {
    list.clear();
    for (auto left = archive.template value<std::uint64_t>(); left > 0 && archive.ok(); --left) {
      each(list.emplace_back());
    }
  } else {
    archive(static_cast<std::uint64_t>(list.size()));
    for (auto& element : list) each(element);
  }
}

// A map by name.
template <class Archive, class Map, class Each>
void map_fields(Archive& archive, Map& map, Each&& each) {
  if constexpr (Archive::kReading) {
    map.clear();
    for (auto left = archive.template value<std::uint64_t>(); left > 0 && archive.ok(); --left) {
      std::string name;
      archive(name);
      each(map[name]);
    }
  } else {
    archive(static_cast<std::uint64_t>(map.size()));
    for (auto& [name, value] : map) {
      archive(name);
      each(value);
    }
  }
}

template <class Archive, class T>
void account_fields(Archive& archive, T& x) {
  archive(x.id, x.name, x.scopes, x.created_at, x.month_budget, x.month, x.month_used, x.turn);
  archive(x.total.max, x.total.used);
  map_fields(archive, x.projects, [&](auto& project) { archive(project.max, project.used); });
  list_fields(archive, x.spent, [&](auto& spent) { archive(spent.day, spent.amount); });
}

template <class Archive, class T>
void key_fields(Archive& archive, T& x) {
  archive(x.secret_hash, x.account, x.scopes, x.label, x.expires_at, x.role, x.created_at);
}

template <class Archive, class T>
void webhook_fields(Archive& archive, T& x) {
  archive(x.id, x.account, x.url, x.label, x.everyone, x.created_at, x.created_index, x.stopped_at,
          x.stop_reason, x.secret_number, x.secret_since);
  list_fields(archive, x.kinds, [&](auto& kind) { archive(kind); });
}

template <class Archive, class T>
void join_token_fields(Archive& archive, T& x) {
  archive(x.secret_hash, x.account, x.expires_at, x.uses_left);
}

template <class Archive, class T>
void payout_fields(Archive& archive, T& x) {
  archive(x.id, x.account, x.amount, x.destination, x.requested_at, x.source);
}

template <class Archive, class T>
void booked_fields(Archive& archive, T& x) {
  archive(x.reference, x.index, x.account, x.amount);
}

template <class Archive, class T>
void answered_fields(Archive& archive, T& x) {
  archive(x.fingerprint, x.index, x.entity);
}

template <class Archive, class T>
void discount_fields(Archive& archive, T& x) {
  for (auto& basis_points : x) archive(basis_points);
}

template <class Archive, class T>
void offer_fields(Archive& archive, T& x) {
  archive(x.id, x.device_hour, x.disk_gb_hour, x.share_thousandths_min, x.duration_max, x.floor,
          x.ceiling);
  discount_fields(archive, x.discounts);
  archive(x.spot, x.spot_floor);
  list_fields(archive, x.former, [&](auto& former) {
    archive(former.raised_at, former.device_hour, former.disk_gb_hour);
    discount_fields(archive, former.discounts);
  });
}

template <class Archive, class T>
void node_fields(Archive& archive, T& x) {
  archive(x.id, x.provider, x.public_key, x.facts);
  list_fields(archive, x.devices,
              [&](auto& device) { archive(device.facts, device.verified_int8_mops); });
  offer_fields(archive, x.offer);
  archive(x.connected, x.removed, x.silent, x.owner, x.owner_since, x.joined_at, x.seen_at,
          x.desired_revision, x.leases_kept, x.leases_broken, x.kept_time, x.priced, x.proof,
          x.proof_disturbed);
  Uptime::fields(archive, x.uptime);
  for (auto& code : x.survival.codes) archive(code);
}

template <class Archive, class T>
void order_fields(Archive& archive, T& x) {
  archive(x.id, x.account, x.name, x.project, x.requirements, x.workload, x.created_at, x.ended_at,
          x.quoted_at, x.quote_until, x.rate_hour_max, x.budget, x.charged, x.month,
          x.month_counted, x.attempts_max, x.stop_asked, x.state, x.rescued, x.turn, x.spot_after,
          x.deadline, x.restart, x.on_spot);
  list_fields(archive, x.tasks, [&](auto& task) {
    archive(task.state, task.attempts, task.preempted, task.failures, task.lease, task.proven,
            task.avoid, task.retry_at);
  });
}

template <class Archive, class T>
void lease_fields(Archive& archive, T& x) {
  archive(x.id, x.order, x.task, x.attempt, x.renter, x.provider, x.node, x.devices,
          x.device_thousandths, x.cpu_thousandths, x.memory_mb, x.disk_mb);
  archive(x.device_hour, x.disk_gb_hour, x.rate_hour, x.fee_basis_points, x.volume_basis_points,
          x.credit_basis_points_max, x.slow_basis_points, x.hold, x.time_max, x.extended_revision,
          x.time_known);
  discount_fields(archive, x.discounts);
  archive(x.term, x.term_before, x.cut_short, x.rerated_hour, x.spot, x.spot_bid, x.spot_floor,
          x.claimant);
  list_fields(archive, x.runs, [&](auto& run) { archive(run.rate_hour, run.until); });
  archive(x.state, x.stop_reason, x.placed_at, x.started_at, x.heard_at, x.start_by, x.pulling,
          x.stopping_at, x.ended_at, x.close_after, x.fenced_at, x.placed_revision, x.placed_index,
          x.ended_index, x.metered_index);
  archive(x.meter_sequence, x.unseen, x.idle_since, x.idle, x.proven, x.slowed, x.charged, x.fee,
          x.refunded, x.credited, x.reason, x.blame, x.exit_code, x.detail, x.output_manifest,
          x.image_digest, x.checkpoint, x.checkpoint_at, x.checkpoint_sequence,
          x.earnings_released);
}

// ---- of egress, behind all else

template <class Archive, class T>
void offer_egress_fields(Archive& archive, T& x) {
  archive(x.offer.egress_gb);
  for (auto& former : x.offer.former) archive(former.egress_gb);
}

template <class Archive, class T>
void order_egress_fields(Archive& archive, T& x) {
  archive(x.egress_gb_max);
  for (auto& task : x.tasks) archive(task.egress_bytes);
}

template <class Archive, class T>
void lease_egress_fields(Archive& archive, T& x) {
  archive(x.egress_gb, x.egress_bytes_max, x.egress_bytes);
}

template <class Archive, class T>
void index_fields(Archive& archive, T& x) {
  archive(x.key.model, x.key.region, x.value, x.open, x.low, x.high, x.mean, x.trades,
          x.traded_thousandths, x.offered_ms, x.leased_ms, x.counted_to, x.began_at,
          x.expected_use_basis_points, x.expected_until, x.spot, x.spot_losing);
}

// The market's own values, ahead of all things.
template <class Archive, class T>
void market_fields(Archive& archive, T& x) {
  archive(x.founded, x.found, x.policy, x.operator_account, x.last_index, x.resumed_index, x.now,
          x.turn, x.interval_end);
}

template <class Archive, class T>
void turn_fields(Archive& archive, T& x) {
  archive(x.turn, x.order);
}

template <class Archive, class T>
void spot_turn_fields(Archive& archive, T& x) {
  archive(x.bid_turned);
  turn_fields(archive, x.turn);
}

}  // namespace fallow::core
