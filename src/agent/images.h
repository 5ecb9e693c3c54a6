// Images: OCI images as the agent needs them: brought to this machine, kept while a lease uses
// them. runtime/image_store.h is the one that ships.
//
// fetch() is called on the agent's transfer threads, several at a time, and blocks; everything else
// on its loop thread, where nothing waits for a download.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace fallow::agent {

// Of a private registry. Never stored, printed or given to a program as an argument.
struct RegistryLogin {
  std::string user;
  std::string password;

  bool empty() const { return user.empty() && password.empty(); }
};

// What is wanted for a lease.
struct ImageWish {
  std::string name;          // as the order says it: docs/images.md
  std::string input_folder;  // where archives and folders are that the name speaks of
  RegistryLogin login;
};

// Progress for the renter: "pulling image NAME: 12.0 of 34.5 MB".
using ImageProgress = std::function<void(std::string_view sentence)>;

// An image as it lies here. A value.
struct ImageFacts {
  std::string digest;  // 32 raw bytes: of the manifest that the name stands for; what to pin
  std::string root;    // the unpacked file system; nobody writes there
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;  // when the order names none
};

class Images {
 public:
  virtual ~Images() = default;

  // Empty: images can be run here; else why not.
  virtual std::string why_not() const = 0;

  // Brings the image here, if it is not, and keeps it until release(). Answers its digest.
  // Returns kTimedOut soon after *cancelled becomes true.
  // kInvalid, kNotFound, kDenied, kCorrupt: the renter's doing: the name, its login, the image.
  // kUnreachable, kTimedOut, kTooLarge: the registry, or the way to it, or no room: another node,
  // or a later moment, may do better. kFailed: this machine.
  virtual Result<std::string> fetch(LeaseId lease, const ImageWish& wish,
                                    const std::atomic<bool>& cancelled,
                                    const ImageProgress& progress) = 0;
  // The image that fetch() brought for the lease, by this agent or one before it; kNotFound: none.
  virtual Result<ImageFacts> of(LeaseId lease) const = 0;
  // The lease is over. Without effect when it has none.
  virtual void release(LeaseId lease) = 0;
  // Leases that have one, also of an earlier agent.
  virtual std::vector<LeaseId> leases() const = 0;
};

}  // namespace fallow::agent
