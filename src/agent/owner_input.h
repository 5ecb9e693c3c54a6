// InputSigns: whether a keyboard or a mouse did something, never what.
//
// Reads counters that the kernel shows to everybody: of USB keyboards and mice how many transfers
// they have had (urbnum), of built-in ones their interrupts (PS/2 and I2C). No right to /dev/input
// is needed, no key is ever seen. Bluetooth has no such counter: a desktop in use tells of that one
// (owner_logind.h). One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace fallow::agent {

class InputSigns {
 public:
  explicit InputSigns(std::string root) : root_(std::move(root)) {}

  // "keyboard or mouse", or nothing. What is new has done nothing yet. `now` is monotonic.
  std::optional<std::string> look(Time now);

 private:
  void find_devices();
  std::map<std::string, std::uint64_t> counts() const;

  const std::string root_;
  std::optional<Time> find_at_;
  std::vector<std::string> transfers_;   // files, each one number
  std::vector<std::string> interrupts_;  // names at the end of a line of /proc/interrupts
  std::map<std::string, std::uint64_t> before_;
};

}  // namespace fallow::agent
