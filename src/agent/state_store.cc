#include "agent/state_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/file.h"
#include "base/number.h"

namespace fallow::agent {
namespace {

constexpr std::string_view kSuffix = ".lease";
constexpr std::size_t kRecordBytesMax = std::size_t{64} << 20;

std::optional<LeaseId> lease_named(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  const auto number = parse_number<std::uint64_t>(name);
  if (!number || *number == 0) return std::nullopt;
  return LeaseId(*number);
}

}  // namespace

Result<StateStore> StateStore::open(std::string folder, std::string boot_id) {
  FALLOW_TRY(make_folder(folder));
  return StateStore(std::move(folder), std::move(boot_id));
}

Result<std::vector<StoredRecord>> StateStore::load() const {
  std::error_code error;
  std::filesystem::directory_iterator file(folder_, error);
  std::vector<StoredRecord> stored;
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    const std::optional<LeaseId> lease = lease_named(file->path().filename().string());
    if (!lease) continue;
    StoredRecord& one = stored.emplace_back();
    one.lease = *lease;
    FALLOW_ASSIGN(const std::string bytes, read_file(path_of(*lease), kRecordBytesMax));
    const std::size_t line = bytes.find('\n');
    if (line == std::string::npos) continue;
    Result<WorkloadRecord> record = decode_record(std::string_view(bytes).substr(line + 1));
    if (!record || record->lease() != *lease) continue;
    one.record = std::move(*record);
    one.same_boot = std::string_view(bytes).substr(0, line) == boot_id_;
  }
  if (error) return tl::unexpected(file_error("read", folder_, error.value()));
  std::sort(stored.begin(), stored.end(),
            [](const StoredRecord& a, const StoredRecord& b) { return a.lease < b.lease; });
  return stored;
}

Status StateStore::save(const WorkloadRecord& record) {
  const std::string path = path_of(record.lease());
  const std::string bytes = boot_id_ + "\n" + encode_record(record);
  if (::access(path.c_str(), F_OK) != 0) return replace_file(path, bytes);
  const std::string beside = path + ".new";
  FALLOW_ASSIGN(const Fd file, open_file(beside, O_WRONLY | O_CREAT | O_TRUNC));
  FALLOW_TRY(write_all(file, bytes, beside));
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    return tl::unexpected(file_error("rename", beside, errno));
  }
  return {};
}

void StateStore::remove(LeaseId lease) { ::unlink(path_of(lease).c_str()); }

std::string StateStore::path_of(LeaseId lease) const {
  return folder_ + "/" + std::to_string(lease.value) + std::string(kSuffix);
}

std::string boot_id() {
  const auto id = read_file("/proc/sys/kernel/random/boot_id", 64);
  return id ? id->substr(0, id->find('\n')) : "";
}

}  // namespace fallow::agent
