// Notes: what the agent tells the renter of a workload before it begins, such as how far its image
// is. They stand before the workload's own error output, in the one stream that brings both.
//
// A file for each lease, <folder>/<lease>, which outlives the agent and the lease's own folder:
// what was sent once is never said otherwise. Not synced: it is a courtesy. Owned by the agent's
// loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace fallow::agent {

class Notes {
 public:
  static constexpr std::uint64_t kBytesMax = 64 << 10;  // of one lease; then nothing is added
  // A sentence that differs from the one before only behind its last colon waits for so long.
  static constexpr Duration kInterval = seconds(2);

  // Makes the folder if it is missing.
  static Result<Notes> open(std::string folder);

  // True: it was written, as one line. Only before the workload starts.
  bool add(LeaseId lease, std::string_view sentence, Time now);
  // The lease's notes, then `rest`, as one stream: up to bytes_max of it at the offset.
  // `rest(offset, bytes_max)` reads what follows the notes.
  template <class Rest>
  std::string read(LeaseId lease, std::uint64_t offset, std::size_t bytes_max, Rest&& rest) const {
    const std::string notes = text(lease);
    if (offset >= notes.size()) return rest(offset - notes.size(), bytes_max);
    std::string bytes = notes.substr(offset, bytes_max);
    if (bytes.size() < bytes_max) bytes += rest(0, bytes_max - bytes.size());
    return bytes;
  }
  void remove(LeaseId lease);
  // Leases that have some, also of an earlier agent.
  std::vector<LeaseId> leases() const;

 private:
  struct Last {
    std::string subject;
    Time at;
  };

  explicit Notes(std::string folder) : folder_(std::move(folder)) {}
  std::string path_of(LeaseId lease) const;
  std::string text(LeaseId lease) const;

  std::string folder_;
  std::map<LeaseId, Last> last_;  // of leases that are being prepared
};

}  // namespace fallow::agent
