// Reconciler: makes what runs on this node what the market desires, and tells the market the truth.
//
// Pure logic: messages, events and time come in; actions come out of step(). No I/O, thread, clock
// or chance of its own, so the simulator runs this very class. Level-triggered: a lost, doubled or
// late message costs time, never a workload.
//
//   desired ──► preparing ──► prepared ──► starting ──► running ◄─► (suspended)
//                                                          │
//                        ended ◄── collecting ◄── (stopping, killing) ──► gone
//
// What it holds to:
// - A workload starts only after the market has acknowledged a report that names its lease, and is
//   killed when none was acknowledged for close_after less a sixth, counted from the sending of the
//   last acknowledged one (self-fencing; docs/fencing.md). The check comes before anything else in
//   every call, so a process that was stopped for a while fences first. An acknowledgement that
//   says the lease is over moves no fence: it kills.
// - A device's share is taken only when the processes that had it are seen to be gone.
// - Running time counts from Started to the exit, less suspensions and what follows a decision to
//   stop. Meter records are cumulative, signed once, stored before they are sent, sent in order,
//   and kept until the market says that they count.
// - An ended workload is reported until its lease leaves the desired set.
// - A checkpoint is saved at intervals while the workload runs, and when it has ended other than
//   well; each that differs from the last has the next number, stored before it is reported.
// - The owner wins: present means suspended at once, and evicted after the notice, which the
//   owner's own terms may shorten.
//
// Owned by one thread at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/actions.h"
#include "agent/hub_session.h"
#include "agent/signer.h"
#include "base/env.h"

namespace fallow::agent {

class Reconciler {
 public:
  // More leases than this in a desired set are left out; no node has room for as many.
  static constexpr std::size_t kLeasesMax = 4096;
  // Records of one workload that wait for an acknowledgement. When so many wait, no further one is
  // issued until some are acknowledged: the next covers the time, since records are cumulative.
  static constexpr std::size_t kMetersMax = 4096;
  static constexpr std::size_t kMetersPerReport = 64;
  // Leases that were forgotten and must not be taken up again by a message that comes late.
  static constexpr std::size_t kForgottenMax = 4096;

  // Time from the end of one saving to the next, unless the workload says it; longer when savings
  // take long.
  static constexpr Duration kCheckpointInterval = minutes(1);
  // The least that a workload can ask for.
  static constexpr Duration kCheckpointIntervalMin = seconds(5);
  // Savings take at most so much of the time: one part in this many.
  static constexpr std::int64_t kCheckpointShare = 10;

  Reconciler(SessionOptions options, const Signer& signer, Random& random,
             Duration checkpoint_interval = kCheckpointInterval);

  // Once, before all else: the stored records, and what has happened to the workloads meanwhile.
  // Preparations and collections are begun again.
  void adopt(std::vector<WorkloadRecord> records, const std::vector<RuntimeEvent>& meanwhile,
             Now now);

  void link_opened(Now now);
  void link_closed(Now now);
  void received(const v1::HubMessage& message, Now now);
  void happened(const RuntimeEvent& event, Now now);
  void set_owner(v1::OwnerState owner, Now now);
  // The owner's own terms, which only shorten the market's: how long after the return a workload is
  // asked to end, and how long after it it is killed.
  void set_eviction(Duration ask_after, Duration kill_after);
  // A device of the node is at fault: what runs on it ends by that, and so has what failed on it
  // and is not told yet. `why`: a sentence for the renter.
  void device_failed(std::uint32_t device, std::string_view why, Now now);
  // What devices have lost of their full speed since the last call, in time that full speed would
  // not have needed: it counts against what runs on them, where the market credits that.
  void devices_slowed(const std::map<std::uint32_t, Duration>& lost, Now now);
  // What the lease has sent over its network since its start, as it was last counted: that goes
  // with its running time, where the market puts a price on it.
  void sent(LeaseId lease, std::int64_t egress_bytes);
  // The machine slept: nothing ran meanwhile, so nothing of it is running time.
  void slept(Duration duration, Now now);

  // A Persist could not be done; it comes again with the next step().
  void not_stored(LeaseId lease);

  // What is to be done now, in this order. Call after every batch of the above and at
  // next_deadline().
  std::vector<Action> step(Now now);
  // When step() must be called at the latest; monotonic.
  Time next_deadline() const;

  struct Entry {
    WorkloadRecord record;
    bool wanted = true;    // in the last desired set
    bool changed = false;  // not as it was stored
    bool proves = false;   // as last reported: its devices can be proven
    bool held = false;     // by the process that proves them
    // Its checkpoint is being saved since then, or is to be saved then; monotonic.
    bool saving = false;
    Time saving_since{};
    Time save_at{};
    Time exited_at{};                 // monotonic; of this agent's life
    std::int64_t egress_metered = 0;  // in a meter record of this agent's life
  };
  // In the order of leases. For the edge (is anything left?) and tests.
  const std::map<LeaseId, Entry>& workloads() const { return workloads_; }
  // Are the devices of a lease that has not begun free for the proof that it waits for?
  bool may_prove(LeaseId lease, std::uint64_t proof, Now now) const;
  // The process that proves them has them: until it is gone, nothing of the lease begins.
  void set_held(LeaseId lease, bool held);
  // Does a workload have the device that still runs, is made ready or is cleared up?
  bool has_work_on(std::uint32_t device) const;
  const HubSession& session() const { return session_; }
  HubSession& session() { return session_; }

 private:
  void fence(Now now);
  void occur(const RuntimeEvent& event, Now now);
  void accept(const v1::Desired& desired, Now now);
  void accept(const v1::ObservedAck& ack);
  void take_up(const v1::DesiredLease& desired, Now now);
  void advance(Entry& entry, Now now);
  void advance_owner(Entry& entry, Now now);
  bool may_have_devices(const Entry& entry, Now now) const;
  bool may_start(const Entry& entry, Now now) const;
  bool may_prove(const Entry& entry, Now now) const;
  static bool wants_outputs(const WorkloadRecord& record);
  static bool wants_checkpoint(const WorkloadRecord& record);
  Time save_due_at(const Entry& entry) const;
  void saved(Entry& entry, const Saved& event, Now now);
  bool is_idle_unwanted(const Entry& entry) const;

  void stop(Entry& entry, v1::EndReason reason, std::string detail, Now now);
  void kill(Entry& entry, v1::EndReason reason, std::string detail, Now now);
  void exited(Entry& entry, const Exited& event, Now now);
  void finish(Entry& entry);
  // Running time ends (or pauses) at `at`; a record proves it.
  void settle(Entry& entry, Time at, Now now);
  void issue_meter(Entry& entry, Now now);
  Time meter_due_at(const WorkloadRecord& record) const;
  Time deadline_of(const Entry& entry) const;
  Duration fence_span(const WorkloadRecord& record) const;
  Duration grace(const WorkloadRecord& record) const;
  void count_sent(WorkloadRecord& record, std::int64_t egress_bytes) const;
  static v1::EndReason notice_reason(const WorkloadRecord& record);
  Time evict_at() const;
  Time evicted_by() const;
  void report(Now now);

  HubSession session_;
  const Signer& signer_;
  Duration checkpoint_interval_of(const WorkloadRecord& record) const;

  const Duration checkpoint_interval_;
  std::map<LeaseId, Entry> workloads_;
  std::set<LeaseId> forgotten_;
  std::deque<LeaseId> forgotten_order_;
  std::vector<Action> actions_;

  std::uint64_t desired_revision_ = 0;  // of this connection
  v1::OwnerState owner_ = v1::OWNER_AWAY;
  Time owner_since_{};
  struct Eviction {
    Duration ask_after;
    Duration kill_after;
  };
  std::optional<Eviction> eviction_;
  bool dirty_ = false;  // something the market should hear of before the next heartbeat
};

}  // namespace fallow::agent
