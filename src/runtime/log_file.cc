#include "runtime/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace fallow::runtime {
namespace {

constexpr std::string_view kCutLine = "\n[fallow: output beyond this size was dropped]\n";
constexpr std::size_t kBufferBytes = 64 << 10;
// A workload that writes without end must not keep the supervisor from everything else.
constexpr int kReadsPerPump = 16;

}  // namespace

Result<LogFile> LogFile::open(const std::string& path, Fd pipe, std::uint64_t bytes_max) {
  FALLOW_ASSIGN(Fd file, open_file(path, O_RDWR | O_CREAT | O_TRUNC));
  return LogFile(std::move(pipe), std::move(file), bytes_max);
}

bool LogFile::pump() {
  if (!pipe_) return false;
  static std::array<char, kBufferBytes> buffer;
  for (int reads = 0; reads < kReadsPerPump; ++reads) {
    const ssize_t n = ::read(pipe_.get(), buffer.data(), buffer.size());
    if (n > 0) {
      keep(std::string_view(buffer.data(), static_cast<std::size_t>(n)));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return true;
    pipe_.reset();
    return false;
  }
  return true;
}

std::string LogFile::head(std::size_t count) const {
  std::string bytes(count, '\0');
  const auto size = read_at(file_, bytes, 0, "the workload's output");
  bytes.resize(size ? *size : 0);
  return bytes;
}

void LogFile::keep(std::string_view bytes) {
  if (is_cut_) return;
  const std::uint64_t room = bytes_max_ - bytes_kept_;
  const std::string_view kept = bytes.substr(0, room);
  // A disk that is full cuts the log as the limit does.
  const bool written = write_all(file_, kept, "the workload's output").has_value();
  bytes_kept_ += kept.size();
  if (written && kept.size() == bytes.size()) return;
  is_cut_ = true;
  (void)write_all(file_, kCutLine, "the workload's output").has_value();
}

}  // namespace fallow::runtime
