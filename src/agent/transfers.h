// Transfers: inputs, images, checkpoints and outputs of workloads, on threads of their own.
//
// One transfer of a lease at a time, in the order in which they were asked for. Savings beside a
// workload take half of the threads at most, starts with images, which may take hours, what is left
// but for one: ends, and starts without, wait for neither. What may help by
// being asked again is, for as long as stated below. Owned by the agent's loop thread, which is
// told by a descriptor.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/actions.h"
#include "agent/folder_store.h"
#include "agent/images.h"
#include "base/digest.h"
#include "base/file.h"

namespace fallow::agent {

class Transfers {
 public:
  // How long a market that has a session with us, and gives or takes nothing, is asked again
  // (agent/tries.h). Without a session these wait for one, however long: the market can be told of
  // no end then, and has the transfer ended where it wants the lease no more.
  static constexpr Duration kFetchTriesMax = minutes(5);
  static constexpr Duration kPutTriesMax = minutes(1);
  // Outputs must come through this fast over the whole, all tries of them, beyond the spare time,
  // without the times that had no session:
  // the device waits for them unpaid, and the renter for a result. What is slower ends as lost by
  // the node, whose uplink it is.
  static constexpr std::uint64_t kPutBytesPerS = std::uint64_t{4} << 20;
  static constexpr Duration kPutSpare = minutes(15);
  // From when the market's store was first seen to be full: its operator may make room, or its
  // sweep. The device waits as long.
  static constexpr Duration kRoomTriesMax = minutes(10);
  // Of a saving; the next one comes anyway.
  static constexpr Duration kSaveTriesMax = seconds(20);
  // One saving beside the workload. What the store has of it already must not be swept before the
  // manifest names it: half of what servers keep a superseded checkpoint for. The last one has
  // kSaveTriesMax in all, since the market waits for the end.
  static constexpr Duration kSavingMax = minutes(30);
  // A registry that does not answer for so long is left to another node, or to later.
  static constexpr Duration kImageTriesMax = seconds(20);

  // `store` and `images` outlive it; null: no lease has an image.
  Transfers(FolderStore& store, Images* images, std::size_t thread_count);
  // Cancels what runs and waits for it.
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // The session's bearer token; empty while there is no session: transfers then wait.
  void set_token(std::string token);
  // What a workload needs before its start. A value.
  struct Needs {
    std::string manifest;  // of its input; empty: none
    std::string folder;    // where the input goes
    std::uint64_t bytes_max = 0;
    std::string image;  // its name; empty: none
    RegistryLogin login;
    std::string checkpoint;  // its manifest; empty: none
    std::string checkpoint_folder;
  };
  // The input, then the image, which may be in it, then the checkpoint. Ends in Prepared or
  // PrepareFailed. A checkpoint that is itself at fault is left out: the task begins anew.
  void fetch(LeaseId lease, Needs needs);
  // Ends in Collected or CollectFailed.
  void put(LeaseId lease, std::string folder, std::uint64_t bytes_max);
  // Ends in Saved. A folder that has not changed since the last one is not read.
  void save(LeaseId lease, std::string folder, std::uint64_t bytes_max, bool is_last);
  // Ends those that were asked for up to now soon; their events may still come.
  void cancel(LeaseId lease);
  // A thread works on the lease's folder, or will.
  bool is_busy(LeaseId lease) const;
  // The lease is gone: nothing of it is kept.
  void forget(LeaseId lease);

  int event_fd() const { return event_.get(); }
  // What has ended; and how far images are, the latest sentence of each lease that has a new one.
  // Nothing more is noted of a lease whose event is among them.
  struct News {
    std::vector<RuntimeEvent> events;
    std::map<LeaseId, std::string> notes;
  };
  News take();

 private:
  enum class Kind : std::uint8_t { kFetch, kPut, kSave };
  struct Job {
    LeaseId lease;
    Kind kind = Kind::kFetch;
    bool is_last = false;  // of kSave
    Needs needs;
    std::atomic<bool> cancelled = false;
  };

  using Fetch = Status (FolderStore::*)(const std::string&, const std::string&, std::uint64_t,
                                        const std::string&, const std::atomic<bool>&);

  void add(std::shared_ptr<Job> job);
  // Null: none that may run now. With the mutex held.
  std::shared_ptr<Job> take_next();
  bool may_run(const Job& job) const;
  static bool is_saving(const Job& job);  // not the last one
  static bool has_image(const Job& job);
  void work();
  RuntimeEvent run(const Job& job);
  RuntimeEvent run_fetch(const Job& job);
  RuntimeEvent run_put(const Job& job);
  Saved run_save(const Job& job);
  Status fetch_folder(const Job& job, Fetch get, const std::string& manifest,
                      const std::string& folder);
  Status fetch_checkpoint(const Job& job);
  bool is_saved(LeaseId lease, const Digest& stamp) const;
  void note_saved(LeaseId lease, const Digest& stamp);
  Result<std::string> fetch_image(const Job& job);
  void note(LeaseId lease, std::string_view sentence);
  // The token, waiting for one; empty when cancelled or the time is over. None: it has no end.
  std::string wait_for_token(const Job& job, std::optional<Time> until);
  void pause(const Job& job, Duration duration);

  FolderStore& store_;
  Images* const images_;
  const std::size_t savings_max_;  // at once, without the last ones of leases
  const std::size_t images_max_;   // at once
  Fd event_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string token_;
  std::deque<std::shared_ptr<Job>> waiting_;         // at most three for each lease
  std::map<LeaseId, std::shared_ptr<Job>> running_;  // as many as there are threads
  std::map<LeaseId, Digest> saved_stamps_;  // of checkpoints' folders as they were last saved
  News news_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fallow::agent
