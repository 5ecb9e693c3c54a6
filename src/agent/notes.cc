#include "agent/notes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"

namespace fallow::agent {

Result<Notes> Notes::open(std::string folder) {
  FALLOW_TRY(make_folder(folder));
  return Notes(std::move(folder));
}

std::string Notes::path_of(LeaseId lease) const {
  return folder_ + "/" + std::to_string(lease.value);
}

std::string Notes::text(LeaseId lease) const {
  return read_file(path_of(lease), kBytesMax).value_or("");
}

bool Notes::add(LeaseId lease, std::string_view sentence, Time now) {
  Last& last = last_[lease];
  const std::string_view subject = sentence.substr(0, sentence.rfind(':'));
  if (last.subject == subject && now - last.at < kInterval) return false;
  last = {std::string(subject), now};
  const std::string line = "fallow: " + std::string(sentence) + "\n";
  const auto file = open_file(path_of(lease), O_WRONLY | O_CREAT | O_APPEND);
  struct stat info {};
  if (!file || ::fstat(file->get(), &info) != 0 ||
      static_cast<std::uint64_t>(info.st_size) + line.size() > kBytesMax) {
    return false;
  }
  return write_all(*file, line, "a note").has_value();
}

void Notes::remove(LeaseId lease) {
  last_.erase(lease);
  ::unlink(path_of(lease).c_str());
}

std::vector<LeaseId> Notes::leases() const {
  std::vector<LeaseId> all;
  for (const std::string& name : names_in(folder_)) {
    if (const auto lease = parse_number<std::uint64_t>(name)) all.emplace_back(*lease);
  }
  return all;
}

}  // namespace fallow::agent
