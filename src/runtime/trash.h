// Trash: removes the folders of workloads that are over, in the background.
//
// A folder is moved here by a rename, so that its lease's name is free at once. Owned by the
// runtime; the thread is its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace fallow::runtime {

class Trash {
 public:
  // Takes up what an earlier process left in `folder`, which exists. Without an owner of networks
  // (runtime/egress.h) nothing in it had one.
  Trash(std::string folder, std::vector<std::string> cgroup_parents, std::string egress_owner);
  // Finishes what is in it.
  ~Trash();
  Trash(const Trash&) = delete;
  Trash& operator=(const Trash&) = delete;

  // Moves the lease's folder in. Its supervisor, if it lives, has been told to kill; it is waited
  // for before anything is removed, at most kWaitMax. Without effect when there is no such folder.
  void take(const std::string& lease_folder, const std::string& lease);

 private:
  void run();
  void remove(const std::string& path) const;

  const std::string folder_;
  const std::vector<std::string> cgroup_parents_;
  const std::string egress_owner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;  // as many as there are folders on the disk
  std::uint64_t counter_ = 0;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace fallow::runtime
