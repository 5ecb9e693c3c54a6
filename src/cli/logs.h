// Output of workloads on its way to a terminal or a pipe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "client/api.h"
#include "fallow/v1/views.pb.h"

namespace fallow::cli {

// Prints pieces as whole lines: stdout to stdout, stderr to stderr, with "[task] " before each
// when there are several tasks. What comes again, of a stream that was resumed, is printed once. On
// a terminal control characters other than colour are defused.
class LogPrinter {
 public:
  LogPrinter(bool prefix, bool terminal) : prefix_(prefix), terminal_(terminal) {}
  void print(const v1::LogLine& line);
  // What is left of unfinished lines.
  void flush();
  // Called before anything is written, so that a progress line can make way.
  std::function<void()> before_write = [] {};

 private:
  struct Output {
    std::uint32_t task = 0;
    std::string partial;        // a line's beginning
    std::uint64_t reached = 0;  // the offset behind what came
  };
  void write(std::uint32_t task, bool error_stream, std::string_view text);

  const bool prefix_;
  const bool terminal_;
  std::map<std::pair<std::uint64_t, bool>, Output> outputs_;  // by lease and whether it is stderr
};

}  // namespace fallow::cli
