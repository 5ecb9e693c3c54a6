#include "cli/port_keeper.h"

#include <pthread.h>

#include <chrono>
#include <csignal>
#include <utility>

#include "cli/command.h"
#include "cli/reach.h"

namespace fallow::cli {
namespace {

constexpr int kTurnMs = 200;
constexpr int kPauseTurns = 5;  // until it is looked again which lease runs

Context without_json(Context context) {
  context.json = false;
  return context;
}

}  // namespace

PortKeeper::PortKeeper(Context context, std::unique_ptr<client::Api> api, std::uint64_t order,
                       LocalPorts ports)
    : context_(without_json(std::move(context))),
      api_(std::move(api)),
      order_(order),
      ports_(std::move(ports)),
      thread_([this] { keep(); }) {}

PortKeeper::~PortKeeper() {
  ending_ = true;
  api_->cancel();
  thread_.join();
}

void PortKeeper::keep() {
  // A caller that goes is an error of write(2), and no end of the program.
  sigset_t broken_pipe;
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  while (!ending_) {
    if (const std::uint64_t lease = running_lease(); lease != 0) serve(lease);
    for (int turn = 0; turn < kPauseTurns && !ending_; ++turn) {
      std::this_thread::sleep_for(std::chrono::milliseconds(kTurnMs));
    }
  }
}

std::uint64_t PortKeeper::running_lease() {
  v1::ListTasksRequest request;
  request.set_order(order_);
  request.set_page_size(1);
  const auto page = api_->call<v1::ListTasksResponse>("Orders.ListTasks", request);
  // Who is away now may be there the next time; the job is followed elsewhere.
  if (!page || page->tasks().empty() || page->tasks(0).state() != v1::LEASED) return 0;
  v1::GetLeaseRequest asked;
  asked.set_lease(page->tasks(0).lease());
  const auto lease = api_->call<v1::LeaseView>("Leases.GetLease", asked);
  return lease && lease->state() == v1::RUNNING ? lease->id() : 0;
}

void PortKeeper::serve(std::uint64_t lease) {
  const auto opened = Reach::connect(context_, lease, &ending_);
  if (!opened) return say_why_not(opened.error());
  told_.clear();
  Reach* const reach = opened->get();
  reach->endpoint().on_event([&](const tunnel::MuxEvent& event) {
    using Kind = tunnel::MuxEvent::Kind;
    if (event.kind == Kind::kReset && event.bytes != tunnel::kClosedReason) {
      report(context_, Error{ErrorCode::kFailed, printable(event.bytes)});
    }
    if (event.kind != Kind::kReady) return;
    ports_.join(*reach, context_);
    for (const LocalPort& port : ports_.ports()) {
      std::fprintf(stderr, "127.0.0.1:%u leads to port %u of lease %llu\n", port.here, port.inside,
                   static_cast<unsigned long long>(lease));
    }
  });
  while (!ending_ && reach->endpoint().turn(kTurnMs)) {
  }
}

void PortKeeper::say_why_not(const client::ApiError& error) {
  if (ending_ || error.message == told_) return;
  told_ = error.message;
  report(context_, error);
}

}  // namespace fallow::cli
