#include "agent/transfers.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace fallow::agent {
namespace {

constexpr Duration kRetryFirst = milliseconds(250);
constexpr Duration kRetryMax = seconds(5);

Time steady_now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return Time{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

std::chrono::microseconds to_chrono(Duration duration) {
  return std::chrono::microseconds(duration.value);
}

// Asking again cannot help: the artifact itself is at fault.
bool is_final(ErrorCode code) {
  return code == ErrorCode::kInvalid || code == ErrorCode::kCorrupt ||
         code == ErrorCode::kNotFound || code == ErrorCode::kTooLarge;
}

// What a broken fetch left would stand in the next one's way. Only what the store wrote is there.
void empty_folder(const std::string& path) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

Error no_session() { return {ErrorCode::kTimedOut, "there is no session with the market"}; }

// Whom an image that cannot be had is charged to: agent/images.h says what the codes mean.
v1::EndReason reason_of_image(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
    case ErrorCode::kNotFound:
    case ErrorCode::kDenied:
    case ErrorCode::kCorrupt:
      return v1::INPUT_INVALID;
    case ErrorCode::kUnreachable:
    case ErrorCode::kTimedOut:
    case ErrorCode::kTooLarge:
      return v1::IMAGE_UNAVAILABLE;
    default:
      return v1::START_FAILED;
  }
}

}  // namespace

Transfers::Transfers(FolderStore& store, Images* images, std::size_t thread_count)
    : store_(store), images_(images), event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  FALLOW_CHECK(static_cast<bool>(event_), "no descriptor is left for an event");
  for (std::size_t i = 0; i < thread_count; ++i) threads_.emplace_back([this] { work(); });
}

Transfers::~Transfers() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (auto& [lease, job] : unfinished_) job->cancelled = true;
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
  job->is_fetch = true;
  job->needs = std::move(needs);
  add(std::move(job));
}

void Transfers::put(LeaseId lease, std::string folder, std::uint64_t bytes_max) {
  auto job = std::make_shared<Job>();
  job->lease = lease;
  job->needs.folder = std::move(folder);
  job->needs.bytes_max = bytes_max;
  add(std::move(job));
}

void Transfers::cancel(LeaseId lease) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = unfinished_.find(lease);
    if (found == unfinished_.end()) return;
    found->second->cancelled = true;
  }
  changed_.notify_all();
}

bool Transfers::is_busy(LeaseId lease) const {
  const std::lock_guard lock(mutex_);
  return unfinished_.contains(lease);
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
    FALLOW_CHECK(!unfinished_.contains(job->lease), "one transfer of a lease at a time");
    unfinished_[job->lease] = job;
    waiting_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void Transfers::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::shared_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    RuntimeEvent event = job->is_fetch ? run_fetch(*job) : run_put(*job);
    lock.lock();
    unfinished_.erase(job->lease);
    news_.events.push_back(std::move(event));
    ::eventfd_write(event_.get(), 1);
  }
}

RuntimeEvent Transfers::run_fetch(const Job& job) {
  if (!job.needs.manifest.empty()) {
    if (const Status fetched = fetch_input(job); !fetched) {
      const Error& error = fetched.error();
      const v1::EndReason reason = error.code == ErrorCode::kTooLarge ? v1::DISK_LIMIT
                                   : is_final(error.code)             ? v1::INPUT_INVALID
                                                                      : v1::START_FAILED;
      return PrepareFailed{job.lease, reason, "the input could not be fetched: " + error.message};
    }
  }
  if (job.needs.image.empty()) return Prepared{job.lease};
  auto digest = fetch_image(job);
  if (digest) return Prepared{job.lease, std::move(*digest)};
  return PrepareFailed{
      job.lease, reason_of_image(digest.error().code),
      "the image " + job.needs.image + " could not be made ready: " + digest.error().message};
}

RuntimeEvent Transfers::run_put(const Job& job) {
  const Time until = steady_now() + kPutTriesMax;
  Duration retry = kRetryFirst;
  Error error = no_session();
  while (!job.cancelled && steady_now() < until) {
    const std::string token = wait_for_token(job, until);
    if (token.empty()) break;
    auto put = store_.put(job.needs.folder, job.needs.bytes_max, token, job.cancelled);
    if (put) return Collected{job.lease, std::move(*put)};
    error = put.error();
    if (is_final(error.code)) break;
    pause(job, retry);
    retry = std::min(Duration(2 * retry.value), kRetryMax);
  }
  return CollectFailed{job.lease, is_final(error.code) ? v1::DISK_LIMIT : v1::HOST_LOST,
                       "the output could not be stored: " + error.message};
}

Status Transfers::fetch_input(const Job& job) {
  const Time until = steady_now() + kFetchTriesMax;
  Duration retry = kRetryFirst;
  Error error = no_session();
  while (!job.cancelled && steady_now() < until) {
    const std::string token = wait_for_token(job, until);
    if (token.empty()) break;
    const Status fetched = store_.fetch(job.needs.manifest, job.needs.folder, job.needs.bytes_max,
                                        token, job.cancelled);
    if (fetched) return {};
    error = fetched.error();
    if (is_final(error.code)) break;
    empty_folder(job.needs.folder);
    pause(job, retry);
    retry = std::min(Duration(2 * retry.value), kRetryMax);
  }
  return tl::unexpected(std::move(error));
}

Result<std::string> Transfers::fetch_image(const Job& job) {
  if (images_ == nullptr) return fail(ErrorCode::kFailed, "this node runs no images");
  const ImageWish wish{job.needs.image, job.needs.folder, job.needs.login};
  const ImageProgress progress = [this, &job](std::string_view sentence) {
    note(job.lease, sentence);
  };
  const Time until = steady_now() + kImageTriesMax;
  Duration retry = kRetryFirst;
  while (true) {
    auto digest = images_->fetch(job.lease, wish, job.cancelled, progress);
    if (digest || job.cancelled) return digest;
    const bool may_help = digest.error().code == ErrorCode::kUnreachable;
    if (!may_help || steady_now() + retry >= until) return digest;
    note(job.lease, "trying again: " + digest.error().message);
    pause(job, retry);
    retry = std::min(Duration(2 * retry.value), kRetryMax);
  }
}

std::string Transfers::wait_for_token(const Job& job, Time until) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, to_chrono(until - steady_now()),
                    [&] { return job.cancelled || !token_.empty(); });
  return job.cancelled ? "" : token_;
}

void Transfers::pause(const Job& job, Duration duration) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, to_chrono(duration), [&job] { return job.cancelled.load(); });
}

}  // namespace fallow::agent
