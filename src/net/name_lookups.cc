#include "net/name_lookups.h"

#include <netdb.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/this_coro.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "net/notifier.h"

namespace fallow::net {
namespace {

using Addresses = Result<std::vector<std::string>>;

Addresses system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // each address once
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed != 0) {
    return fail(ErrorCode::kUnreachable, "the name {} is not known ({})", host,
                ::gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> kept(found, &::freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text.data());
    }
  }
  return addresses;
}

}  // namespace

struct NameLookups::State : std::enable_shared_from_this<NameLookups::State> {
  struct Job {
    std::string host;
    std::uint64_t asker = 0;
    std::optional<OneShot<Addresses>> answer;  // nothing: it was given, or nobody waits any more
  };
  using JobPointer = std::shared_ptr<Job>;

  State(NameLookupLimits with, Lookup by) : limits(with), lookup(std::move(by)) {}

  bool add(const JobPointer& job);
  void leave(const JobPointer& job);
  // With the mutex.
  bool may_begin(const Job& job) const;
  JobPointer take_next();
  void start_threads();
  void forget(const Job& job);
  static void give(Job& job, Addresses found);
  // Without it, on a thread of a lookup.
  static void run(const std::shared_ptr<State>& state, JobPointer job);
  JobPointer ended(const JobPointer& job, Addresses found);

  const NameLookupLimits limits;
  const Lookup lookup;
  std::mutex mutex;
  std::deque<JobPointer> waiting;                           // at most waiting_max
  std::map<std::uint64_t, std::size_t> running_of;          // by asker
  std::set<std::pair<std::uint64_t, std::string>> running;  // askers' names; a thread each
  std::size_t written_off = 0;
};

bool NameLookups::State::add(const JobPointer& job) {
  const std::lock_guard lock(mutex);
  if (waiting.size() >= limits.waiting_max) return false;
  waiting.push_back(job);
  start_threads();
  return true;
}

void NameLookups::State::leave(const JobPointer& job) {
  const std::lock_guard lock(mutex);
  if (!job->answer) return;
  // From here on its thread touches nothing of the asker's, who may be gone when it comes back.
  job->answer.reset();
  if (std::erase(waiting, job) == 0) ++written_off;
}

bool NameLookups::State::may_begin(const Job& job) const {
  const auto of_asker = running_of.find(job.asker);
  if (of_asker != running_of.end() && of_asker->second >= limits.threads_per_asker_max) {
    return false;
  }
  return !running.contains(std::pair(job.asker, job.host));
}

NameLookups::State::JobPointer NameLookups::State::take_next() {
  for (auto at = waiting.begin(); at != waiting.end(); ++at) {
    if (!may_begin(**at)) continue;
    JobPointer next = *at;
    waiting.erase(at);
    running.emplace(next->asker, next->host);
    ++running_of[next->asker];
    return next;
  }
  return nullptr;
}

void NameLookups::State::give(Job& job, Addresses found) {
  job.answer->set(std::move(found));
  job.answer.reset();
}

void NameLookups::State::forget(const Job& job) {
  running.erase(std::pair(job.asker, job.host));
  const auto of_asker = running_of.find(job.asker);
  if (--of_asker->second == 0) running_of.erase(of_asker);
}

void NameLookups::State::start_threads() {
  while (running.size() < limits.threads_max) {
    JobPointer job = take_next();
    if (!job) return;
    try {
      std::thread([state = shared_from_this(), job] { run(state, job); }).detach();
    } catch (const std::system_error& error) {
      forget(*job);
      give(*job, fail(ErrorCode::kBusy, "no thread to look up {}: {}", job->host, error.what()));
    }
  }
}

void NameLookups::State::run(const std::shared_ptr<State>& state, JobPointer job) {
  while (job) {
    Addresses found = state->lookup(job->host);
    job = state->ended(job, std::move(found));
  }
}

NameLookups::State::JobPointer NameLookups::State::ended(const JobPointer& job, Addresses found) {
  const std::lock_guard lock(mutex);
  forget(*job);
  if (job->answer) {
    give(*job, std::move(found));
  } else {
    --written_off;
  }
  return take_next();
}

NameLookups::NameLookups(NameLookupLimits limits, Lookup lookup)
    : state_(std::make_shared<State>(limits, lookup ? std::move(lookup) : Lookup(system_lookup))) {}

Task<Result<std::vector<std::string>>> NameLookups::find(std::string host, std::uint64_t asker,
                                                         Duration timeout) {
  const std::shared_ptr<State> state = state_;
  const Executor executor = co_await boost::asio::this_coro::executor;
  const OneShot<Addresses> answer(executor);
  const auto job = std::make_shared<State::Job>();
  job->host = std::move(host);
  job->asker = asker;
  job->answer = answer;
  if (!state->add(job)) {
    co_return fail(ErrorCode::kBusy, "too many names are being looked up; try again later");
  }
  // Also when the coroutine is destroyed while it waits.
  struct Asking {
    State& state;
    State::JobPointer job;
    ~Asking() { state.leave(job); }
  } const asking{*state, job};
  Result<Addresses> found = co_await answer.wait(timeout);
  if (found) co_return std::move(*found);
  co_return fail(ErrorCode::kTimedOut, "the name {} could not be looked up in time", job->host);
}

NameLookup NameLookups::of(std::uint64_t asker) {
  return [this, asker](std::string host, Duration timeout) {
    return find(std::move(host), asker, timeout);
  };
}

NameLookups::Counts NameLookups::counts() const {
  const std::lock_guard lock(state_->mutex);
  return {state_->running.size(), state_->written_off};
}

}  // namespace fallow::net
