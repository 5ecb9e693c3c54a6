#include "agent/transfers.h"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "agent/evidence.h"
#include "agent/tries.h"
#include "artifacts/folder.h"
#include "base/check.h"

namespace fallow::agent {
namespace {

constexpr Duration kPauseMax = seconds(5);
// Each try reads the whole folder.
constexpr Duration kRoomPauseMax = minutes(1);
// A try that takes longer has a market that answers.
constexpr Duration kStandsMin = seconds(5);

Time steady_now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return Time{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

std::chrono::microseconds to_chrono(Duration duration) {
  return std::chrono::microseconds(duration.value);
}

// Of a checkpoint that is no good. Only what the store wrote is there.
void empty_folder(const std::string& path) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

Error no_session() { return {ErrorCode::kTimedOut, "there is no session with the market"}; }

}  // namespace

Transfers::Transfers(FolderStore& store, Images* images, std::size_t thread_count)
    : store_(store),
      images_(images),
      savings_max_(std::max<std::size_t>(1, thread_count / 2)),
      images_max_(thread_count > savings_max_ + 1 ? thread_count - savings_max_ - 1 : 1),
      event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  FALLOW_CHECK(static_cast<bool>(event_), "no descriptor is left for an event");
  for (std::size_t i = 0; i < thread_count; ++i) threads_.emplace_back([this] { work(); });
}

Transfers::~Transfers() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (auto& [lease, job] : running_) job->cancelled = true;
    for (auto& job : waiting_) job->cancelled = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Transfers::set_token(std::string token) {
  {
    const std::lock_guard lock(mutex_);
    token_ = std::move(token);
  }
  changed_.notify_all();
}

void Transfers::fetch(LeaseId lease, Needs needs) {
  auto job = std::make_shared<Job>();
  job->lease = lease;
  job->needs = std::move(needs);
  add(std::move(job));
}

void Transfers::put(LeaseId lease, std::string folder, std::uint64_t bytes_max) {
  auto job = std::make_shared<Job>();
  job->lease = lease;
  job->kind = Kind::kPut;
  job->needs.folder = std::move(folder);
  job->needs.bytes_max = bytes_max;
  add(std::move(job));
}

void Transfers::save(LeaseId lease, std::string folder, std::uint64_t bytes_max, bool is_last) {
  auto job = std::make_shared<Job>();
  job->lease = lease;
  job->kind = Kind::kSave;
  job->is_last = is_last;
  job->needs.checkpoint_folder = std::move(folder);
  job->needs.bytes_max = bytes_max;
  add(std::move(job));
}

void Transfers::cancel(LeaseId lease) {
  {
    const std::lock_guard lock(mutex_);
    const auto running = running_.find(lease);
    if (running != running_.end()) running->second->cancelled = true;
    for (auto& job : waiting_) {
      if (job->lease == lease) job->cancelled = true;
    }
  }
  changed_.notify_all();
}

bool Transfers::is_busy(LeaseId lease) const {
  const std::lock_guard lock(mutex_);
  return running_.contains(lease) ||
         std::any_of(waiting_.begin(), waiting_.end(),
                     [lease](const auto& job) { return job->lease == lease; });
}

void Transfers::forget(LeaseId lease) {
  const std::lock_guard lock(mutex_);
  saved_stamps_.erase(lease);
}

Transfers::News Transfers::take() {
  eventfd_t count = 0;
  ::eventfd_read(event_.get(), &count);
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, {});
}

void Transfers::note(LeaseId lease, std::string_view sentence) {
  const std::lock_guard lock(mutex_);
  news_.notes[lease] = sentence;
  ::eventfd_write(event_.get(), 1);
}

void Transfers::add(std::shared_ptr<Job> job) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(job));
  }
  changed_.notify_all();
}

bool Transfers::is_saving(const Job& job) { return job.kind == Kind::kSave && !job.is_last; }

bool Transfers::has_image(const Job& job) {
  return job.kind == Kind::kFetch && !job.needs.image.empty();
}

bool Transfers::may_run(const Job& job) const {
  if (running_.contains(job.lease)) return false;
  // A cancelled one that has not begun ends at once; one that has may wait for the store's answer.
  if (job.cancelled) return true;
  const auto has_place = [this](bool (*is_like)(const Job&), std::size_t most) {
    const auto alike = std::count_if(running_.begin(), running_.end(),
                                     [is_like](const auto& one) { return is_like(*one.second); });
    return static_cast<std::size_t>(alike) < most;
  };
  if (is_saving(job)) return has_place(is_saving, savings_max_);
  return !has_image(job) || has_place(has_image, images_max_);
}

// A lease's jobs keep their order: one that may not run yet holds back those behind it.
std::shared_ptr<Transfers::Job> Transfers::take_next() {
  std::set<LeaseId> held_back;
  const auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& job) {
    if (held_back.contains(job->lease)) return false;
    if (may_run(*job)) return true;
    held_back.insert(job->lease);
    return false;
  });
  if (next == waiting_.end()) return nullptr;
  std::shared_ptr<Job> job = std::move(*next);
  waiting_.erase(next);
  running_[job->lease] = job;
  return job;
}

void Transfers::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    std::shared_ptr<Job> job;
    changed_.wait(lock, [&] { return (job = take_next()) != nullptr || closing_; });
    if (job == nullptr) return;
    lock.unlock();
    RuntimeEvent event = run(*job);
    lock.lock();
    running_.erase(job->lease);
    news_.events.push_back(std::move(event));
    ::eventfd_write(event_.get(), 1);
    changed_.notify_all();  // another of its lease may go on
  }
}

RuntimeEvent Transfers::run(const Job& job) {
  switch (job.kind) {
    case Kind::kFetch:
      return run_fetch(job);
    case Kind::kPut:
      return run_put(job);
    case Kind::kSave:
      break;
  }
  return run_save(job);
}

RuntimeEvent Transfers::run_fetch(const Job& job) {
  if (!job.needs.manifest.empty()) {
    const Status fetched =
        fetch_folder(job, &FolderStore::fetch, job.needs.manifest, job.needs.folder);
    if (!fetched) {
      const Error& error = fetched.error();
      return PrepareFailed{job.lease, verdict_of(evidence_of_input(error.code)).reason,
                           "the input could not be fetched: " + error.message};
    }
  }
  Prepared ready{job.lease};
  if (!job.needs.image.empty()) {
    auto digest = fetch_image(job);
    if (!digest) {
      return PrepareFailed{
          job.lease, verdict_of(evidence_of_image(digest.error().code)).reason,
          "the image " + job.needs.image + " could not be made ready: " + digest.error().message};
    }
    ready.image_digest = std::move(*digest);
  }
  if (!job.needs.checkpoint.empty()) {
    if (const Status fetched = fetch_checkpoint(job); !fetched) {
      return PrepareFailed{job.lease, verdict_of(Evidence::kInputUnreachable).reason,
                           "the checkpoint could not be fetched: " + fetched.error().message};
    }
  }
  return ready;
}

// One that is not there or not what it should be would fail on every node.
Status Transfers::fetch_checkpoint(const Job& job) {
  const std::string name = to_hex(job.needs.checkpoint).substr(0, 12);
  const Status fetched =
      fetch_folder(job, &FolderStore::restore, job.needs.checkpoint, job.needs.checkpoint_folder);
  if (fetched) {
    note(job.lease, "goes on from the checkpoint " + name);
  } else if (is_artifact_at_fault(fetched.error().code)) {
    empty_folder(job.needs.checkpoint_folder);
    note(job.lease, "begins anew, without the checkpoint " + name + ": " + fetched.error().message);
    return {};
  }
  return fetched;
}

RuntimeEvent Transfers::run_put(const Job& job) {
  Tries tries(kPutTriesMax, kPauseMax, kStandsMin);
  Tries tries_of_full(kRoomTriesMax, kRoomPauseMax, std::nullopt);
  Duration spare = kPutSpare;
  Error error = no_session();
  while (!job.cancelled) {
    const std::string token = wait_for_token(job, std::nullopt);
    if (token.empty()) break;
    const Time began = steady_now();
    auto put = store_.put(job.needs.folder, job.needs.bytes_max, {spare, kPutBytesPerS}, token,
                          job.cancelled);
    if (put) return Collected{job.lease, std::move(put->manifest)};
    error = put.error();
    // What was too slow stays so.
    if (is_artifact_at_fault(error.code) || error.code == ErrorCode::kTimedOut) break;
    const Time ended = steady_now();
    const bool is_full = error.code == ErrorCode::kFull;
    const auto wait = (is_full ? tries_of_full : tries).failed(began, ended);
    if (!wait) break;
    pause(job, *wait);
    spare -= steady_now() - began;
  }
  return CollectFailed{job.lease, verdict_of(evidence_of_output(error.code)).reason,
                       "the output could not be stored: " + error.message};
}

// Whatever fails but for its size may be because the workload was at work in the folder.
Saved Transfers::run_save(const Job& job) {
  Saved saved{job.lease, "", job.is_last};
  artifacts::Limits limits;
  limits.bytes_max = job.needs.bytes_max;
  const Time until = steady_now() + kSaveTriesMax;
  Tries tries(kSaveTriesMax, kPauseMax, std::nullopt);
  Error error = no_session();
  const artifacts::Check may_go_on = [&]() -> Status {
    if (!job.cancelled && (!job.is_last || steady_now() < until)) return {};
    return fail(ErrorCode::kTimedOut, "the time for the last saving was over");
  };
  while (!job.cancelled && steady_now() < until) {
    // Before the folder is read: what changes later has another stamp.
    const auto stamp = artifacts::stamp_of(job.needs.checkpoint_folder, limits, may_go_on);
    // A workload that an earlier agent started may have none.
    if (!stamp && stamp.error().code == ErrorCode::kNotFound) return saved;
    if (stamp && is_saved(job.lease, *stamp)) return saved;
    const std::string token = wait_for_token(job, until);
    if (token.empty()) break;
    const Time began = steady_now();
    auto stored = store_.save(job.needs.checkpoint_folder, job.needs.bytes_max,
                              job.is_last ? until - began : kSavingMax, token, job.cancelled);
    if (stored) {
      if (stamp) note_saved(job.lease, *stamp);
      if (stored->files == 0) return saved;
      spdlog::info("lease {}: the checkpoint of {} bytes is saved, {} of them sent, in {} ms",
                   job.lease.value, stored->bytes, stored->bytes_sent,
                   (steady_now() - began).value / 1'000);
      saved.manifest = std::move(stored->manifest);
      return saved;
    }
    error = stored.error();
    if (error.code == ErrorCode::kTooLarge) break;
    const auto wait = tries.failed(began, steady_now());
    if (!wait) break;
    pause(job, *wait);
  }
  if (!job.cancelled) {
    spdlog::warn("lease {}: the checkpoint could not be saved: {}", job.lease.value, error.message);
  }
  return saved;
}

bool Transfers::is_saved(LeaseId lease, const Digest& stamp) const {
  const std::lock_guard lock(mutex_);
  const auto found = saved_stamps_.find(lease);
  return found != saved_stamps_.end() && found->second == stamp;
}

void Transfers::note_saved(LeaseId lease, const Digest& stamp) {
  const std::lock_guard lock(mutex_);
  saved_stamps_[lease] = stamp;
}

Status Transfers::fetch_folder(const Job& job, Fetch get, const std::string& manifest,
                               const std::string& folder) {
  Tries tries(kFetchTriesMax, kPauseMax, kStandsMin);
  Error error = no_session();
  while (!job.cancelled) {
    const std::string token = wait_for_token(job, std::nullopt);
    if (token.empty()) break;
    const Time began = steady_now();
    const Status fetched =
        (store_.*get)(manifest, folder, job.needs.bytes_max, token, job.cancelled);
    if (fetched) return {};
    error = fetched.error();
    if (is_artifact_at_fault(error.code)) break;
    const auto wait = tries.failed(began, steady_now());
    if (!wait) break;
    pause(job, *wait);
  }
  return tl::unexpected(std::move(error));
}

Result<std::string> Transfers::fetch_image(const Job& job) {
  if (images_ == nullptr) return fail(ErrorCode::kFailed, "this node runs no images");
  const ImageWish wish{job.needs.image, job.needs.folder, job.needs.login};
  const ImageProgress progress = [this, &job](std::string_view sentence) {
    note(job.lease, sentence);
  };
  Tries tries(kImageTriesMax, kPauseMax, std::nullopt);
  while (true) {
    const Time began = steady_now();
    auto digest = images_->fetch(job.lease, wish, job.cancelled, progress);
    if (digest || job.cancelled) return digest;
    if (digest.error().code != ErrorCode::kUnreachable) return digest;
    const auto wait = tries.failed(began, steady_now());
    if (!wait) return digest;
    note(job.lease, "trying again: " + digest.error().message);
    pause(job, *wait);
  }
}

std::string Transfers::wait_for_token(const Job& job, std::optional<Time> until) {
  std::unique_lock lock(mutex_);
  const auto is_over = [&] { return job.cancelled || !token_.empty(); };
  if (until) {
    changed_.wait_for(lock, to_chrono(*until - steady_now()), is_over);
  } else {
    changed_.wait(lock, is_over);
  }
  return job.cancelled ? "" : token_;
}

void Transfers::pause(const Job& job, Duration duration) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, to_chrono(duration), [&job] { return job.cancelled.load(); });
}

}  // namespace fallow::agent
