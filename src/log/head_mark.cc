#include "log/head_mark.h"

#include <fcntl.h>

#include <array>

#include "log/little_endian.h"

namespace fallow::log {
namespace {

constexpr std::string_view kMarkMagic = "FLWHEAD1";
constexpr std::size_t kHeadBytes = 8 + 8 + 8 + 32;
constexpr std::size_t kCheckBytes = 8;  // of the digest of the bytes before

std::string encode(const Head& head) {
  std::string bytes(kMarkMagic);
  put_u64(bytes, head.last.value);
  put_u64(bytes, static_cast<std::uint64_t>(head.time.us));
  bytes += to_bytes(head.chain);
  bytes += to_bytes(digest_of(bytes)).substr(0, kCheckBytes);
  return bytes;
}

}  // namespace

Result<HeadMark> HeadMark::open(const std::string& path) {
  HeadMark mark(path);
  FALLOW_ASSIGN(mark.file_, open_file(path, O_RDWR | O_CREAT));
  std::string bytes(kHeadBytes + kCheckBytes, '\0');
  FALLOW_ASSIGN(const std::size_t n, read_at(mark.file_, bytes, 0, path));
  if (n != bytes.size()) return mark;
  Head head{LogIndex(get_u64(bytes, 8)), Time{static_cast<std::int64_t>(get_u64(bytes, 16))}, {}};
  FALLOW_ASSIGN(head.chain, digest_from_bytes(std::string_view(bytes).substr(24, 32)));
  if (bytes == encode(head)) mark.found_ = head;
  return mark;
}

void HeadMark::write(const Head& head) { (void)write_all_at(file_, encode(head), 0, path_); }

}  // namespace fallow::log
