#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <variant>

#include "agent/agent_impl.h"
#include "agent/owner_decision.h"
#include "base/check.h"
#include "base/printable.h"

namespace fallow::agent {
namespace {

// The two clocks are read one after the other; a smaller difference is no sleep of the machine.
constexpr Duration kSleptMin = milliseconds(500);
// Nothing says when a driver has let go of a process that was killed.
constexpr Duration kReapPoll = milliseconds(20);
constexpr int kLockTries = 20;
constexpr useconds_t kLockWaitUs = 50'000;

}  // namespace

Time read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return Time{std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000};
}

Now read_now() { return {read_clock(CLOCK_REALTIME), read_clock(CLOCK_BOOTTIME)}; }

Agent::Impl::Impl(AgentOptions given, Runtime& the_runtime, HubLink& the_link, FolderStore& store,
                  Random& random, StateStore the_states, OwnerFile the_owner, Notes the_notes,
                  Fd the_lock)
    : options(std::move(given)),
      runtime(the_runtime),
      link(the_link),
      states(std::move(the_states)),
      owner(std::move(the_owner)),
      notes(std::move(the_notes)),
      lock(std::move(the_lock)),
      wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      signer(options.key),
      reconciler(session_options(), signer, random, options.checkpoint_interval),
      secrets(signer, random, options.secret_wait),
      pump([this](LeaseId lease, v1::LogStream stream, std::uint64_t offset,
                  std::size_t bytes_max) { return read_log(lease, stream, offset, bytes_max); }),
      transfers(store, options.images, options.transfer_threads),
      proofs(options.devices, options.data_folder + "/kernels"),
      lease_provers(runtime, options.devices),
      device_watch(options.devices),
      energy(options.data_folder + "/energy") {
  FALLOW_CHECK(static_cast<bool>(wake), "no descriptor is left for an event");
}

SessionOptions Agent::Impl::session_options() const {
  SessionOptions session;
  session.node = options.node;
  session.facts = options.facts;
  for (const LocalDevice& device : options.devices) *session.facts.add_devices() = device.facts;
  return session;
}

Result<std::unique_ptr<Agent>> Agent::make(AgentOptions options, Runtime& runtime, HubLink& link,
                                           FolderStore& store, Random& random) {
  FALLOW_TRY(make_folder(options.data_folder));
  FALLOW_ASSIGN(Fd lock, open_file(options.data_folder + "/agent.lock", O_RDWR | O_CREAT));
  // A command that looks whether an agent runs holds it for a moment, too.
  bool locked = ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
  for (int tries = 0; !locked && tries < kLockTries; ++tries) {
    ::usleep(kLockWaitUs);
    locked = ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
  }
  if (!locked) {
    return fail(ErrorCode::kBusy,
                "another agent is running on {}; stop it, or give this one "
                "another --data folder",
                options.data_folder);
  }
  FALLOW_ASSIGN(StateStore states, StateStore::open(options.data_folder + "/workloads", boot_id()));
  FALLOW_ASSIGN(OwnerFile owner, OwnerFile::open(options.data_folder));
  FALLOW_ASSIGN(Notes notes, Notes::open(options.data_folder + "/notes"));
  auto impl =
      std::make_unique<Impl>(std::move(options), runtime, link, store, random, std::move(states),
                             std::move(owner), std::move(notes), std::move(lock));
  return std::unique_ptr<Agent>(new Agent(std::move(impl)));
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() = default;

AgentEnd Agent::run() { return impl_->run(); }

void Agent::stop() {
  impl_->stopping = true;
  ::eventfd_write(impl_->wake.get(), 1);
}

std::string Agent::metrics() { return impl_->metrics(); }

AgentEnd Agent::Impl::run() {
  slept_before = read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC);
  const OwnerWatch* watch = options.owner_watch;
  // poll() passes over what is below 0.
  const int owner_watch_fd = watch == nullptr ? -1 : watch->event_fd();
  if (watch != nullptr && !watch->policy().dry_run) {
    reconciler.set_eviction(watch->policy().ask_after, watch->policy().kill_after);
  }
  adopt();
  while (true) {
    take_everything();
    tend_lease_proofs();
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
    send_proofs();
    measure();
    tell_owner();
    pump_logs();
    finish_forgetting();
    if (stopping || (removed && reconciler.workloads().empty() && forgetting.empty())) break;
    std::vector<pollfd> polled{
        {wake.get(), POLLIN, 0},         {inbox->event_fd(), POLLIN, 0},
        {runtime.event_fd(), POLLIN, 0}, {transfers.event_fd(), POLLIN, 0},
        {owner.event_fd(), POLLIN, 0},   {proofs.fd(), POLLIN, 0},
        {owner_watch_fd, POLLIN, 0},     {device_watch.event_fd(), POLLIN, 0}};
    lease_provers.add_polled(polled);
    ::poll(polled.data(), polled.size(), own_events.empty() ? poll_ms() : 0);
  }
  store_energy();
  link.close();
  return removed ? AgentEnd::kRemoved : AgentEnd::kStopped;
}

// In this order: an exit that came before a fence counts before it.
void Agent::Impl::take_everything() {
  eventfd_t count = 0;
  ::eventfd_read(wake.get(), &count);
  Runtime::Events events = runtime.take_events();
  for (const RuntimeEvent& event : events.events) {
    if (!lease_provers.happened(event)) tell(event);
  }
  for (const LeaseId lease : events.logs_grown) {
    if (!LeaseProvers::is_prover(lease)) pump.grown(lease);
  }
  note_sleep();
  hear_transfers();
  tell_prepared();
  hear_devices();
  hear_link();
  tend_secrets();
  hear_owner();
  if (reconciler.session().session_token() != token) {
    token = reconciler.session().session_token();
    transfers.set_token(token);
  }
}

void Agent::Impl::hear_owner() {
  OwnerWatch* const watch = options.owner_watch;
  const v1::OwnerState word = owner.read();
  const v1::OwnerState seen = watch == nullptr ? v1::OWNER_AWAY : watch->read();
  const v1::OwnerState state = joined_owner_state(word, seen);
  // Whose word it is: the file's, or what the watch sees.
  const bool is_said = watch == nullptr || word == v1::OWNER_PRESENT || state == v1::OWNER_PAUSED;
  const Now now = read_now();
  owner_notes.owner_is(state, is_said ? "the owner said so" : watch->why(), now.monotonic);
  if (state != v1::OWNER_AWAY) proofs.stop("the owner is there");
  reconciler.set_owner(state, now);
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
  if (const auto* saved = std::get_if<Saved>(&event); saved != nullptr && saved->is_last) {
    const auto found = collections.find(lease);
    if (found != collections.end()) found->second.saving = false;
  }
  if (const auto* exited = std::get_if<Exited>(&event)) {
    spdlog::info("lease {} ended: exit code {}, signal {}{}{}", lease.value, exited->exit_code,
                 exited->signal, exited->detail.empty() ? "" : ", ", printable(exited->detail));
    if (exited->exit_code != 0 || exited->signal != 0) device_watch.look();
  }
  if (std::holds_alternative<PrepareFailed>(event)) {
    pump.finish(lease);
    secrets.forget(lease);
  }
  if (const auto* ready = std::get_if<Prepared>(&event); ready != nullptr && proofs.is_ending()) {
    prepared.push_back(*ready);
    return;
  }
  reconciler.happened(event, read_now());
}

// Notes first: behind a workload's start there are none.
void Agent::Impl::hear_transfers() {
  const Transfers::News news = transfers.take();
  for (const auto& [lease, sentence] : news.notes) {
    if (notes.add(lease, sentence, read_now().monotonic)) pump.grown(lease);
  }
  for (const RuntimeEvent& event : news.events) tell(event);
}

// What is prepared starts as soon as it is told.
void Agent::Impl::tell_prepared() {
  if (prepared.empty() || proofs.is_ending()) return;
  for (const Prepared& ready : std::exchange(prepared, {})) reconciler.happened(ready, read_now());
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
                hear_log_ack(message.log_ack());
              } else if (message.has_open_tunnel()) {
                open_tunnel(message.open_tunnel());
              } else if (message.has_sealed_secrets()) {
                hear_secrets(message.sealed_secrets());
              } else if (message.has_proof_ask()) {
                prove(message.proof_ask());
              } else if (message.has_watch_telemetry()) {
                watch_telemetry(message.watch_telemetry());
              } else {
                reconciler.received(message, read_now());
              }
            },
            [this](const Inbox::Closed& closed) {
              link_open = false;
              proofs.stop("the connection to the market ended");
              lease_provers.end_all("the connection to the market ended");
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
  secrets.set_connected(is_ready, read_now().monotonic);
}

int Agent::Impl::poll_ms() const {
  const Time now = read_now().monotonic;
  Time at = std::min({reconciler.next_deadline(), secrets.next_deadline(), release_logs_at});
  for (const auto& [lease, collection] : collections) {
    if (collection.outputs && !collection.saving) at = std::min(at, collection.until);
  }
  for (const auto& [lease, until] : forgetting) {
    if (!transfers.is_busy(lease)) at = std::min(at, until);
  }
  if (logs_blocked_until > now) {
    at = std::min(at, logs_blocked_until);
  } else if (more_logs) {
    at = now;
  }
  if (!prepared.empty()) at = std::min(at, now + kReapPoll);
  at = std::min(at, lease_provers.next_deadline(now));
  if (measures) at = std::min(at, measure_at);
  if (at == kNever) return -1;
  const std::int64_t left_us = std::clamp<std::int64_t>(at.us - now.us, 0, 60'000'000);
  return static_cast<int>((left_us + 999) / 1000);
}

}  // namespace fallow::agent
