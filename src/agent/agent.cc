#include "agent/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "agent/inbox.h"
#include "agent/log_pump.h"
#include "agent/owner_file.h"
#include "agent/reconciler.h"
#include "agent/state_store.h"
#include "agent/transfers.h"
#include "base/check.h"
#include "base/file.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kLogBytesPerTurn = 256 << 10;
// Logs that could not be sent because the link was full are tried again after this.
constexpr Duration kLogRetry = milliseconds(20);
// An end is told even if its logs cannot be brought; and what has been told is kept this long for
// logs that are still on their way.
constexpr Duration kLogWaitMax = seconds(10);
constexpr Duration kLingerMax = seconds(30);
constexpr std::uint64_t kOutputBytesMax = std::uint64_t{64} << 30;
// The two clocks are read one after the other; a smaller difference is no sleep of the machine.
constexpr Duration kSleptMin = milliseconds(500);

Time read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return Time{std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000};
}

Now read_now() { return {read_clock(CLOCK_REALTIME), read_clock(CLOCK_BOOTTIME)}; }

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

}  // namespace

struct Agent::Impl {
  Impl(AgentOptions given, Runtime& the_runtime, HubLink& the_link, FolderStore& store,
       Random& random, StateStore the_states, OwnerFile the_owner, Fd the_lock)
      : options(std::move(given)),
        runtime(the_runtime),
        link(the_link),
        states(std::move(the_states)),
        owner(std::move(the_owner)),
        lock(std::move(the_lock)),
        wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        signer(options.key),
        reconciler(session_options(), signer, random),
        pump([this](LeaseId lease, v1::LogStream stream, std::uint64_t offset,
                    std::size_t bytes_max) { return read_log(lease, stream, offset, bytes_max); }),
        transfers(store, options.transfer_threads) {
    FALLOW_CHECK(static_cast<bool>(wake), "no descriptor is left for an event");
  }

  SessionOptions session_options() const {
    SessionOptions session;
    session.node = options.node;
    session.facts = options.facts;
    for (const LocalDevice& device : options.devices) *session.facts.add_devices() = device.facts;
    return session;
  }

  void adopt();
  AgentEnd run();
  void take_everything();
  void hear_link();
  void note_sleep();
  void tell(const RuntimeEvent& event);
  void act(std::vector<Action> actions);
  void start(const Start& action);
  void prepare(const Prepare& action);
  void connect();
  bool send(const v1::AgentMessage& message);
  void pump_logs();
  void finish_collections();
  void finish_forgetting();
  int poll_ms() const;
  std::string read_log(LeaseId lease, v1::LogStream stream, std::uint64_t offset,
                       std::size_t bytes_max) const;

  // A workload that is gone and whose logs and outputs are on their way.
  struct Collection {
    std::optional<RuntimeEvent> outputs;  // the answer, once it is known
    Time until;
  };

  AgentOptions options;
  Runtime& runtime;
  HubLink& link;
  StateStore states;
  OwnerFile owner;
  Fd lock;
  Fd wake;
  KeySigner signer;
  Reconciler reconciler;
  LogPump pump;
  Transfers transfers;
  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();

  std::map<LeaseId, Collection> collections;
  std::map<LeaseId, Time> forgetting;   // until when its logs are waited for
  std::deque<RuntimeEvent> own_events;  // answers to actions that failed or were done at once
  Time logs_blocked_until{};
  bool more_logs = false;        // the last turn ended before the logs did
  bool link_open = false;        // open() was called and closed() has not come
  bool connect_pending = false;  // connect as soon as it has
  bool was_ready = false;
  std::string token;
  Duration slept_before{};  // CLOCK_BOOTTIME less CLOCK_MONOTONIC
  std::atomic<bool> stopping = false;
  bool removed = false;
};

Result<std::unique_ptr<Agent>> Agent::make(AgentOptions options, Runtime& runtime, HubLink& link,
                                           FolderStore& store, Random& random) {
  if (::mkdir(options.data_folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return tl::unexpected(file_error("make", options.data_folder, errno));
  }
  FALLOW_ASSIGN(Fd lock, open_file(options.data_folder + "/agent.lock", O_RDWR | O_CREAT));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::kBusy,
                "another agent is running on {}; stop it, or give this one "
                "another --data folder",
                options.data_folder);
  }
  FALLOW_ASSIGN(StateStore states, StateStore::open(options.data_folder + "/workloads", boot_id()));
  FALLOW_ASSIGN(OwnerFile owner, OwnerFile::open(options.data_folder));
  auto impl = std::make_unique<Impl>(std::move(options), runtime, link, store, random,
                                     std::move(states), std::move(owner), std::move(lock));
  return std::unique_ptr<Agent>(new Agent(std::move(impl)));
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() = default;

AgentEnd Agent::run() { return impl_->run(); }

void Agent::stop() {
  impl_->stopping = true;
  ::eventfd_write(impl_->wake.get(), 1);
}

AgentEnd Agent::Impl::run() {
  slept_before = read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC);
  adopt();
  while (true) {
    take_everything();
    while (true) {
      act(reconciler.step(read_now()));
      finish_collections();
      if (own_events.empty()) break;
      while (!own_events.empty()) {
        const RuntimeEvent event = std::move(own_events.front());
        own_events.pop_front();
        tell(event);
      }
    }
    pump_logs();
    finish_forgetting();
    if (stopping || (removed && reconciler.workloads().empty() && forgetting.empty())) break;
    std::array<pollfd, 5> polled{{{wake.get(), POLLIN, 0},
                                  {inbox->event_fd(), POLLIN, 0},
                                  {runtime.event_fd(), POLLIN, 0},
                                  {transfers.event_fd(), POLLIN, 0},
                                  {owner.event_fd(), POLLIN, 0}}};
    ::poll(polled.data(), polled.size(), own_events.empty() ? poll_ms() : 0);
  }
  link.close();
  return removed ? AgentEnd::kRemoved : AgentEnd::kStopped;
}

// Takes over what an earlier agent on this data folder left.
void Agent::Impl::adopt() {
  std::vector<WorkloadRecord> records;
  std::vector<RuntimeEvent> meanwhile;
  std::set<LeaseId> known;
  auto stored = states.load();
  if (!stored) spdlog::error("the stored workloads cannot be read: {}", stored.error().message);
  for (StoredRecord& one : stored ? *stored : std::vector<StoredRecord>()) {
    known.insert(one.lease);
    if (!one.record) {
      WorkloadRecord record;
      record.desired.set_lease(one.lease.value);
      record.phase = Phase::kEnded;
      record.end.set_lease(one.lease.value);
      record.end.set_state(v1::ENDED);
      record.end.set_reason(v1::WORKLOAD_LOST);
      record.end.set_detail("the node lost its record of the workload");
      runtime.adopt(one.lease);
      runtime.kill(one.lease);
      records.push_back(std::move(record));
      continue;
    }
    WorkloadRecord& record = *one.record;
    // A fence on the clock of an earlier start of the machine means nothing on this one.
    if (!one.same_boot) record.fence_at = {};
    if (record.phase >= Phase::kStarting) pump.add(one.lease);
    if (record.is_live()) {
      const Adopted adopted = one.same_boot ? runtime.adopt(one.lease) : Adopted{};
      if (one.same_boot && adopted.state == AdoptState::kTaken) {
        record.fence_at = adopted.fence_at;
        spdlog::info("lease {} goes on", one.lease.value);
      } else if (one.same_boot && adopted.state == AdoptState::kNotStarted &&
                 record.phase == Phase::kStarting) {
        record.phase = Phase::kPreparing;
      } else {
        meanwhile.emplace_back(Exited{one.lease,
                                      {},
                                      ExitCause::kLost,
                                      0,
                                      0,
                                      "the workload was gone when the agent came back"});
      }
    } else if (record.phase == Phase::kEnded) {
      pump.finish(one.lease);
    }
    records.push_back(std::move(record));
  }
  for (const LeaseId lease : runtime.list()) {
    if (known.contains(lease)) continue;
    spdlog::warn("lease {} has no record here: it is removed", lease.value);
    runtime.adopt(lease);
    runtime.forget(lease);
  }
  for (RuntimeEvent& event : runtime.take_events().events) meanwhile.push_back(std::move(event));
  reconciler.adopt(std::move(records), meanwhile, read_now());
  reconciler.set_owner(owner.read(), read_now());
}

// In this order: an exit that came before a fence counts before it.
void Agent::Impl::take_everything() {
  eventfd_t count = 0;
  ::eventfd_read(wake.get(), &count);
  Runtime::Events events = runtime.take_events();
  for (const RuntimeEvent& event : events.events) tell(event);
  for (const LeaseId lease : events.logs_grown) pump.grown(lease);
  note_sleep();
  for (const RuntimeEvent& event : transfers.take_events()) tell(event);
  hear_link();
  reconciler.set_owner(owner.read(), read_now());
  if (reconciler.session().session_token() != token) {
    token = reconciler.session().session_token();
    transfers.set_token(token);
  }
}

void Agent::Impl::tell(const RuntimeEvent& event) {
  // Outputs are only half of a collection: logs are the other.
  const LeaseId lease = std::visit([](const auto& e) { return e.lease; }, event);
  if (std::holds_alternative<Collected>(event) || std::holds_alternative<CollectFailed>(event)) {
    const auto found = collections.find(lease);
    if (found != collections.end() && !found->second.outputs) {
      found->second.outputs = event;
      return;
    }
  }
  if (const auto* exited = std::get_if<Exited>(&event)) {
    spdlog::info("lease {} ended: exit code {}, signal {}{}{}", lease.value, exited->exit_code,
                 exited->signal, exited->detail.empty() ? "" : ", ", exited->detail);
  }
  reconciler.happened(event, read_now());
}

void Agent::Impl::note_sleep() {
  const Duration slept = read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC);
  if (slept - slept_before < kSleptMin) return;
  reconciler.slept(slept - slept_before, read_now());
  slept_before = slept;
}

void Agent::Impl::hear_link() {
  bool overflowed = false;
  for (Inbox::Item& item : inbox->take(overflowed)) {
    std::visit(
        Overloaded{
            [this](const Inbox::Opened&) { reconciler.link_opened(read_now()); },
            [this](const Inbox::Received& received) {
              v1::HubMessage message;
              if (!message.ParseFromString(received.bytes)) {
                spdlog::error("the market sent what this agent does not understand; is it newer?");
                link.close();
                return;
              }
              if (message.has_log_ack()) {
                pump.acknowledged(message.log_ack());
              } else {
                reconciler.received(message, read_now());
              }
            },
            [this](const Inbox::Closed& closed) {
              link_open = false;
              if (connect_pending) {
                connect();
                return;
              }
              spdlog::warn("no connection to the market: {}", closed.why.message);
              reconciler.link_closed(read_now());
            },
        },
        item);
  }
  if (overflowed) link.close();
  const bool is_ready = reconciler.session().is_ready();
  if (is_ready && !was_ready) {
    spdlog::info("connected to the market as node {}", options.node.value);
    pump.restart();
  }
  was_ready = is_ready;
}

void Agent::Impl::act(std::vector<Action> actions) {
  std::set<LeaseId> unstored;
  for (Action& action : actions) {
    std::visit(
        Overloaded{
            [&](const Persist& persist) {
              const Status saved = states.save(persist.record);
              if (saved) return;
              spdlog::error("the state of lease {} cannot be stored: {}",
                            persist.record.lease().value, saved.error().message);
              unstored.insert(persist.record.lease());
              reconciler.not_stored(persist.record.lease());
            },
            [&](const Prepare& prepare_action) {
              const LeaseId lease(prepare_action.desired.lease());
              if (unstored.contains(lease)) {
                own_events.emplace_back(PrepareFailed{lease, v1::START_FAILED,
                                                      "the node's disk takes no more records"});
              } else {
                prepare(prepare_action);
              }
            },
            [&](const Start& start_action) {
              const LeaseId lease(start_action.desired.lease());
              if (unstored.contains(lease)) {
                own_events.emplace_back(Exited{lease, read_now().monotonic, ExitCause::kStartFailed,
                                               0, 0, "the node's disk takes no more records"});
              } else {
                start(start_action);
              }
            },
            [&](const ExtendFence& fence) { runtime.set_fence(fence.lease, fence.fence_at); },
            [&](const Suspend& suspend) { runtime.suspend(suspend.lease); },
            [&](const Resume& resume) { runtime.resume(resume.lease); },
            [&](const Stop& stop_action) { runtime.stop(stop_action.lease); },
            [&](const Kill& kill) {
              transfers.cancel(kill.lease);
              runtime.kill(kill.lease);
            },
            [&](const Collect& collect) {
              Collection& collection = collections[collect.lease];
              collection.until = read_now().monotonic + kLogWaitMax;
              pump.finish(collect.lease);
              if (collect.outputs) {
                transfers.put(collect.lease, runtime.folders(collect.lease).out, kOutputBytesMax);
              } else {
                collection.outputs = Collected{collect.lease, ""};
              }
            },
            [&](const Forget& forget) {
              transfers.cancel(forget.lease);
              collections.erase(forget.lease);
              forgetting[forget.lease] =
                  read_now().monotonic + (removed ? Duration(0) : kLingerMax);
            },
            [&](const Connect&) { connect(); },
            [&](const Disconnect& disconnect) {
              spdlog::warn("leaving the connection to the market: {}", disconnect.reason);
              connect_pending = false;
              link.close();
            },
            [&](const Send& message) {
              // A meter record that is not stored must not be seen by anyone.
              if (unstored.empty() || !message.message.has_observed()) send(message.message);
            },
            [&](const Quit& quit) {
              spdlog::warn("the market removed this node: {}", quit.reason);
              removed = true;
            },
        },
        action);
  }
}

void Agent::Impl::prepare(const Prepare& action) {
  const LeaseId lease(action.desired.lease());
  const auto spec = launch_spec(action.desired, options.devices, Time{});
  if (!spec) {
    own_events.emplace_back(PrepareFailed{lease, v1::INPUT_INVALID, spec.error().message});
    return;
  }
  const auto folders = runtime.prepare(lease);
  if (!folders) {
    own_events.emplace_back(PrepareFailed{lease, v1::START_FAILED, folders.error().message});
    return;
  }
  const std::string& manifest = action.desired.workload().input_manifest();
  if (manifest.empty()) {
    own_events.emplace_back(Prepared{lease});
  } else if (!transfers.is_busy(lease)) {
    transfers.fetch(lease, manifest, folders->work, spec->disk_bytes_max);
  }
}

void Agent::Impl::start(const Start& action) {
  const LeaseId lease(action.desired.lease());
  const auto spec = launch_spec(action.desired, options.devices, action.fence_at);
  const Status started = spec ? runtime.start(*spec) : Status(tl::unexpected(spec.error()));
  if (!started) {
    own_events.emplace_back(Exited{lease, read_now().monotonic, ExitCause::kStartFailed, 0, 0,
                                   started.error().message});
    return;
  }
  pump.add(lease);
  spdlog::info("lease {} starts: {}", lease.value, spec->command[0]);
}

void Agent::Impl::connect() {
  // The link must have told the end of its last connection first.
  connect_pending = link_open;
  if (link_open) return;
  link_open = true;
  link.open(Inbox::events(inbox));
}

bool Agent::Impl::send(const v1::AgentMessage& message) {
  const Status sent = link.send(message.SerializeAsString());
  if (!sent && sent.error().code != ErrorCode::kBusy && sent.error().code != ErrorCode::kClosed) {
    spdlog::error("a message to the market could not be sent: {}", sent.error().message);
  }
  return sent.has_value();
}

void Agent::Impl::pump_logs() {
  more_logs = false;
  if (!reconciler.session().is_ready() || read_now().monotonic < logs_blocked_until) return;
  std::size_t bytes = 0;
  for (v1::LogChunk& chunk : pump.take(kLogBytesPerTurn)) {
    bytes += chunk.data().size();
    v1::AgentMessage message;
    message.mutable_log_chunk()->Swap(&chunk);
    if (send(message)) continue;
    pump.put_back(message.log_chunk());
    logs_blocked_until = read_now().monotonic + kLogRetry;
  }
  more_logs = bytes >= kLogBytesPerTurn;
}

void Agent::Impl::finish_collections() {
  // Chunks that are sent before the end is told arrive before it.
  if (!collections.empty()) pump_logs();
  const Time now = read_now().monotonic;
  for (auto it = collections.begin(); it != collections.end();) {
    const Collection& collection = it->second;
    if (!collection.outputs ||
        (reconciler.session().is_ready() && !pump.is_sent(it->first) && now < collection.until)) {
      ++it;
      continue;
    }
    own_events.push_back(*collection.outputs);
    it = collections.erase(it);
  }
}

void Agent::Impl::finish_forgetting() {
  const Time now = read_now().monotonic;
  for (auto it = forgetting.begin(); it != forgetting.end();) {
    const LeaseId lease = it->first;
    if (transfers.is_busy(lease) || (!pump.is_acknowledged(lease) && now < it->second)) {
      ++it;
      continue;
    }
    runtime.forget(lease);
    states.remove(lease);
    pump.remove(lease);
    it = forgetting.erase(it);
  }
}

int Agent::Impl::poll_ms() const {
  const Time now = read_now().monotonic;
  Time at = reconciler.next_deadline();
  for (const auto& [lease, collection] : collections) {
    if (collection.outputs) at = std::min(at, collection.until);
  }
  for (const auto& [lease, until] : forgetting) {
    if (!transfers.is_busy(lease)) at = std::min(at, until);
  }
  if (logs_blocked_until > now) {
    at = std::min(at, logs_blocked_until);
  } else if (more_logs) {
    at = now;
  }
  if (at == kNever) return -1;
  const std::int64_t left_us = std::clamp<std::int64_t>(at.us - now.us, 0, 60'000'000);
  return static_cast<int>((left_us + 999) / 1000);
}

std::string Agent::Impl::read_log(LeaseId lease, v1::LogStream stream, std::uint64_t offset,
                                  std::size_t bytes_max) const {
  const WorkloadFolders folders = runtime.folders(lease);
  const std::string& path = stream == v1::STDERR ? folders.stderr_log : folders.stdout_log;
  const auto file = open_file(path, O_RDONLY);
  if (!file) return "";
  std::string bytes(bytes_max, '\0');
  const auto size = read_at(*file, bytes, offset, path);
  bytes.resize(size ? *size : 0);
  return bytes;
}

}  // namespace fallow::agent
