// Files, as far as several modules need them: an owned descriptor, whole writes, durable names.
//
// Values and free functions; an Fd belongs to one thread at a time. Error sentences name `name`,
// the path as a person knows it. A full disk or quota is kTooLarge, a missing file kNotFound, a
// permission kDenied, everything else kFailed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace fallow {

// Owns a file descriptor; closes it. -1 is none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();
  // Gives it up to the caller.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// "cannot <doing> <name>: <what errno `number` means>", with the code that fits.
Error file_error(std::string_view doing, std::string_view name, int number);

// open(2) with O_CLOEXEC added; retries EINTR.
Result<Fd> open_file(const std::string& path, int flags, unsigned mode = 0600);

// All of `bytes`, at the descriptor's position or at `offset`; retries short writes and EINTR.
Status write_all(const Fd& fd, std::string_view bytes, std::string_view name);
Status write_all_at(const Fd& fd, std::string_view bytes, std::uint64_t offset,
                    std::string_view name);

// Up to into.size() bytes at `offset`; fewer only at the end of the file.
Result<std::size_t> read_at(const Fd& fd, std::span<char> into, std::uint64_t offset,
                            std::string_view name);

// A new file in the folder that has no name there, and is gone when it is closed.
Result<Fd> nameless_file(const std::string& folder);
// The same in memory alone, with these bytes, at their beginning. `name` is what /proc shows of it.
Result<Fd> memory_file(const char* name, std::string_view bytes);

// The file's bytes are on the disk when it returns.
Status sync_file(const Fd& fd, std::string_view name);
// The names in the folder (made, renamed, removed) are on the disk when it returns.
Status sync_folder(const std::string& path);

// Makes the folder for its owner alone; one that is there already is as good.
Status make_folder(const std::string& path);
// What the folder holds, but for "." and ".."; nothing when it cannot be read.
std::vector<std::string> names_in(const std::string& folder);

// A whole file of at most bytes_max (kTooLarge beyond).
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);
// Replaces the file at once and durably: written beside it, synced, renamed, folder synced.
Status replace_file(const std::string& path, std::string_view bytes, unsigned mode = 0600);

}  // namespace fallow
