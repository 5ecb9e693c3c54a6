#include "runtime/trash.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "base/file.h"
#include "base/types.h"
#include "runtime/cgroup.h"
#include "runtime/lease_network.h"
#include "runtime/processes.h"
#include "runtime/supervisor_process.h"

namespace fallow::runtime {
namespace {

constexpr int kWaitTries = 1'500;  // of 10 ms
constexpr useconds_t kWaitUs = 10'000;

}  // namespace

Trash::Trash(std::string folder, std::vector<std::string> cgroup_parents, std::string egress_owner)
    : folder_(std::move(folder)),
      cgroup_parents_(std::move(cgroup_parents)),
      egress_owner_(std::move(egress_owner)) {
  for (const std::string& name : names_in(folder_)) waiting_.push_back(folder_ + "/" + name);
  thread_ = std::thread([this] { run(); });
}

Trash::~Trash() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Trash::take(const std::string& lease_folder, const std::string& lease) {
  const std::lock_guard lock(mutex_);
  std::string path;
  do {
    path = folder_ + "/" + lease + "." + std::to_string(counter_++);
  } while (::access(path.c_str(), F_OK) == 0);
  if (::rename(lease_folder.c_str(), path.c_str()) != 0) return;
  waiting_.push_back(std::move(path));
  changed_.notify_one();
}

void Trash::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::string path = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    remove(path);
    lock.lock();
  }
}

void Trash::remove(const std::string& path) const {
  if (const auto lock = open_file(path + "/lock", O_RDWR)) {
    for (int tries = 0; tries < kWaitTries && ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0;
         ++tries) {
      ::usleep(kWaitUs);
    }
  }
  // A supervisor that was killed itself could not remove its groups, nor end what has no process 1
  // of ours yet: when it and runc die during a start, runc's half-made process waits for ever.
  const std::string name = path.substr(path.rfind('/') + 1);
  LeaseId lease;
  std::from_chars(name.data(), name.data() + name.size(), lease.value);
  const pid_t supervisor = supervisor_pid(path).value_or(0);
  const std::string group = cgroup_name(lease, supervisor);
  kill_cgroups(cgroup_parents_, group);
  remove_cgroups(cgroup_parents_, group);
  if (!egress_owner_.empty() && ::access((path + "/network.link").c_str(), F_OK) == 0) {
    EgressPolicy policy;
    policy.owner = egress_owner_;
    LeaseNetwork::remove(policy, lease, supervisor);
  }
  remove_tree(path);
}

}  // namespace fallow::runtime
