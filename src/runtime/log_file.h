// A workload's output on its way from a pipe to a bounded file. Owned by the supervisor.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace fallow::runtime {

class LogFile {
 public:
  // Empties or makes the file. What comes beyond bytes_max is read and dropped, and a last line
  // says so.
  static Result<LogFile> open(const std::string& path, Fd pipe, std::uint64_t bytes_max);

  // Moves what the pipe holds now; false once its writers are gone.
  bool pump();
  int pipe_fd() const { return pipe_.get(); }
  bool is_open() const { return static_cast<bool>(pipe_); }
  // The file's first bytes, at most `count`: what bubblewrap said when it could not begin.
  std::string head(std::size_t count) const;

 private:
  LogFile(Fd pipe, Fd file, std::uint64_t bytes_max)
      : pipe_(std::move(pipe)), file_(std::move(file)), bytes_max_(bytes_max) {}
  void keep(std::string_view bytes);

  Fd pipe_;
  Fd file_;
  std::uint64_t bytes_max_;
  std::uint64_t bytes_kept_ = 0;
  bool is_cut_ = false;
};

}  // namespace fallow::runtime
