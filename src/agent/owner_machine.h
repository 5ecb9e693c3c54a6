// Signs of the owner that are read from a few files of the machine: terminals, mains, processor.
//
// Over a root as in process_facts.h; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace fallow::agent {

// "a terminal is typed into", or nothing: by when each terminal of the machine was last read. The
// kernel tells that in steps of eight seconds. `wall` is the wall's time.
std::optional<std::string> terminal_sign(const std::string& root, Time wall);

// "on battery", or nothing. The batteries of mice and headsets do not count.
std::optional<std::string> battery_sign(const std::string& root);

// Processor time, of all processes of the machine together; nothing when it cannot be read.
std::optional<Duration> processor_time(const std::string& root);
// Of the groups (folders of cgroup v2) and what is below; nothing when one does not tell.
std::optional<Duration> processor_time_of(const std::vector<std::string>& groups);

// Whether others than the groups, and than this process, keep `cores` processors busy.
class ProcessorSigns {
 public:
  // Between two counts; a look before it is over says the same again.
  static constexpr Duration kSpan = seconds(10);

  ProcessorSigns(std::string root, std::vector<std::string> groups, double cores)
      : root_(std::move(root)), groups_(std::move(groups)), cores_(cores) {}

  // "others keep the processor busy", or nothing. `own`: processor time of this process.
  std::optional<std::string> look(Duration own, Time now);

 private:
  const std::string root_;
  const std::vector<std::string> groups_;
  const double cores_;
  std::optional<Time> at_;  // of the last count
  Duration others_;         // the last count
  std::optional<std::string> sign_;
};

}  // namespace fallow::agent
