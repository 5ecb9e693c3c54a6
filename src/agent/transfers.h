// Transfers: inputs and outputs of workloads, on threads of their own.
//
// One transfer of a lease at a time. What may help by being asked again is, for as long as stated
// below. Owned by the agent's loop thread, which is told by a descriptor.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/actions.h"
#include "agent/folder_store.h"
#include "base/file.h"

namespace fallow::agent {

class Transfers {
 public:
  static constexpr Duration kFetchTriesMax = minutes(5);
  static constexpr Duration kPutTriesMax = minutes(1);

  // `store` outlives it.
  Transfers(FolderStore& store, std::size_t thread_count);
  // Cancels what runs and waits for it.
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // The session's bearer token; empty while there is no session: transfers then wait.
  void set_token(std::string token);
  // Ends in Prepared or PrepareFailed.
  void fetch(LeaseId lease, std::string manifest, std::string folder, std::uint64_t bytes_max);
  // Ends in Collected or CollectFailed.
  void put(LeaseId lease, std::string folder, std::uint64_t bytes_max);
  // Ends it soon; its event may still come.
  void cancel(LeaseId lease);
  // A thread works on the lease's folder.
  bool is_busy(LeaseId lease) const;

  int event_fd() const { return event_.get(); }
  std::vector<RuntimeEvent> take_events();

 private:
  struct Job {
    LeaseId lease;
    bool is_fetch = false;
    std::string manifest;
    std::string folder;
    std::uint64_t bytes_max = 0;
    std::atomic<bool> cancelled = false;
  };

  void add(std::shared_ptr<Job> job);
  void work();
  RuntimeEvent run(const Job& job);
  // The token, waiting for one; empty when cancelled or the time is over.
  std::string wait_for_token(const Job& job, Time until);
  void pause(const Job& job, Duration duration);

  FolderStore& store_;
  Fd event_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string token_;
  std::deque<std::shared_ptr<Job>> waiting_;            // at most one for each lease
  std::map<LeaseId, std::shared_ptr<Job>> unfinished_;  // waiting or running
  std::vector<RuntimeEvent> events_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fallow::agent
