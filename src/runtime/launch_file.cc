#include "runtime/launch_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>

namespace fallow::runtime {
namespace {

constexpr std::string_view kLaunchMagic = "FALLOWLAUNCH11\n";
constexpr std::string_view kSecretsMagic = "FALLOWSECRETS1\n";
constexpr std::string_view kExitMagic = "FALLOWEXIT1\n";
constexpr std::size_t kSecretsBytesMax = std::size_t{1} << 20;

void put(std::string& bytes, std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) bytes.push_back(static_cast<char>((value >> (8 * i)) & 0xFFU));
}
void put(std::string& bytes, std::string_view text) {
  put(bytes, text.size());
  bytes += text;
}

class Reader {
 public:
  Reader(std::string_view bytes, std::string_view magic) : is_whole_(bytes.starts_with(magic)) {
    if (is_whole_) bytes_ = bytes.substr(magic.size());
  }
  std::uint64_t number() {
    if (bytes_.size() < 8) {
      is_whole_ = false;
      bytes_ = {};
      return 0;
    }
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i) {
      value |= std::uint64_t{static_cast<std::uint8_t>(bytes_[i])} << (8 * i);
    }
    bytes_.remove_prefix(8);
    return value;
  }
  std::string text() {
    const std::uint64_t size = number();
    if (size > bytes_.size()) {
      is_whole_ = false;
      bytes_ = {};
      return {};
    }
    std::string value(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return value;
  }
  // The number of items that follow; each takes at least 8 bytes.
  std::uint64_t count() {
    const std::uint64_t items = number();
    if (items > bytes_.size() / 8) is_whole_ = false;
    return is_whole_ ? items : 0;
  }
  bool has_more() const { return !bytes_.empty(); }
  bool is_whole() const { return is_whole_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool is_whole_;
};

void put(std::string& bytes, const std::vector<std::string>& texts) {
  put(bytes, texts.size());
  for (const std::string& text : texts) put(bytes, text);
}
void put(std::string& bytes, const Environment& pairs) {
  put(bytes, pairs.size());
  for (const auto& [name, value] : pairs) {
    put(bytes, name);
    put(bytes, value);
  }
}
Environment read_pairs(Reader& reader) {
  Environment pairs(reader.count());
  for (auto& [name, value] : pairs) {
    name = reader.text();
    value = reader.text();
  }
  return pairs;
}
std::vector<std::string> read_texts(Reader& reader) {
  std::vector<std::string> texts(reader.count());
  for (std::string& text : texts) text = reader.text();
  return texts;
}

}  // namespace

std::string encode_launch(const LaunchFile& launch) {
  const agent::LaunchSpec& spec = launch.spec;
  std::string bytes(kLaunchMagic);
  put(bytes, spec.lease.value);
  put(bytes, spec.command);
  put(bytes, spec.environment);
  put(bytes, spec.device_files);
  put(bytes, spec.memory_bytes_max);
  put(bytes, spec.disk_bytes_max);
  put(bytes, spec.memory_room_bytes_min);
  put(bytes, spec.disk_room_bytes_min);
  put(bytes, std::uint64_t{spec.cpu_thousandths});
  put(bytes, std::uint64_t{spec.processes_max});
  put(bytes, static_cast<std::uint64_t>(spec.network));
  put(bytes, spec.egress_bytes_max);
  put(bytes, static_cast<std::uint64_t>(spec.fence_at.us));
  put(bytes, static_cast<std::uint64_t>(spec.isolation_min));
  put(bytes, static_cast<std::uint64_t>(launch.isolation));
  put(bytes, launch.tool);
  put(bytes, launch.files.init);
  put(bytes, launch.files.filter);
  put(bytes, std::uint64_t{launch.uid});
  put(bytes, launch.cgroup_parents);
  put(bytes, spec.image_root);
  const EgressPolicy& egress = launch.egress;
  put(bytes, egress.owner);
  put(bytes, egress.resolvers);
  put(bytes, egress.denied);
  for (const std::uint32_t number : {egress.mbps_max, egress.packets_second_max,
                                     egress.connections_max, egress.connections_second_max}) {
    put(bytes, std::uint64_t{number});
  }
  put(bytes, static_cast<std::uint64_t>(egress.ports.size()));
  for (const std::uint32_t port : egress.ports) put(bytes, std::uint64_t{port});
  put(bytes, launch.disk.disk);
  put(bytes, launch.disk.bytes_per_s);
  put(bytes, launch.disk.operations_per_s);
  put(bytes, launch.driver.cdi_folders);
  put(bytes, launch.driver.ldconfig);
  put(bytes, launch.meminfo);
  put(bytes, launch.microvm.qemu);
  put(bytes, launch.microvm.kernel);
  put(bytes, launch.microvm.modules);
  put(bytes, std::uint64_t{launch.microvm.emulated ? 1U : 0U});
  put(bytes, std::uint64_t{spec.is_prover ? 1U : 0U});
  put(bytes, launch.prover);
  return bytes;
}

Result<LaunchFile> decode_launch(std::string_view bytes) {
  Reader reader(bytes, kLaunchMagic);
  LaunchFile launch;
  agent::LaunchSpec& spec = launch.spec;
  spec.lease = LeaseId(reader.number());
  spec.command = read_texts(reader);
  spec.environment = read_pairs(reader);
  spec.device_files = read_texts(reader);
  spec.memory_bytes_max = reader.number();
  spec.disk_bytes_max = reader.number();
  spec.memory_room_bytes_min = reader.number();
  spec.disk_room_bytes_min = reader.number();
  spec.cpu_thousandths = static_cast<std::uint32_t>(reader.number());
  spec.processes_max = static_cast<std::uint32_t>(reader.number());
  spec.network = static_cast<v1::Network>(reader.number());
  spec.egress_bytes_max = reader.number();
  spec.fence_at = Time{static_cast<std::int64_t>(reader.number())};
  spec.isolation_min = static_cast<v1::Isolation>(reader.number());
  launch.isolation = static_cast<v1::Isolation>(reader.number());
  launch.tool = reader.text();
  launch.files.init = reader.text();
  launch.files.filter = reader.text();
  launch.uid = static_cast<std::uint32_t>(reader.number());
  launch.cgroup_parents = read_texts(reader);
  spec.image_root = reader.text();
  EgressPolicy& egress = launch.egress;
  egress.owner = reader.text();
  egress.resolvers = read_texts(reader);
  egress.denied = read_texts(reader);
  for (std::uint32_t* const number : {&egress.mbps_max, &egress.packets_second_max,
                                      &egress.connections_max, &egress.connections_second_max}) {
    *number = static_cast<std::uint32_t>(reader.number());
  }
  for (std::uint64_t left = reader.count(); left > 0; --left) {
    egress.ports.push_back(static_cast<std::uint32_t>(reader.number()));
  }
  launch.disk.disk = reader.text();
  launch.disk.bytes_per_s = reader.number();
  launch.disk.operations_per_s = reader.number();
  launch.driver.cdi_folders = read_texts(reader);
  launch.driver.ldconfig = read_texts(reader);
  launch.meminfo = reader.text();
  launch.microvm.qemu = reader.text();
  launch.microvm.kernel = reader.text();
  launch.microvm.modules = read_texts(reader);
  launch.microvm.emulated = reader.number() != 0;
  spec.is_prover = reader.number() != 0;
  launch.prover = reader.text();
  if (!reader.is_whole() || spec.command.empty() || !v1::Isolation_IsValid(spec.isolation_min) ||
      !v1::Isolation_IsValid(launch.isolation) || !v1::Network_IsValid(spec.network)) {
    return fail(ErrorCode::kCorrupt, "the description of the workload is damaged");
  }
  return launch;
}

Result<Fd> secrets_file(const Environment& environment) {
  std::string bytes(kSecretsMagic);
  put(bytes, environment);
  return memory_file("secrets", bytes);
}

Result<Environment> read_secrets(int fd) {
  // Only a file in memory has seals. Whatever else has the number is none of ours.
  if (::fcntl(fd, F_GET_SEALS) < 0) return Environment();
  const Fd file(fd);
  struct stat info {};
  if (::fstat(fd, &info) != 0) return tl::unexpected(file_error("read", "the secrets", errno));
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > kSecretsBytesMax) {
    return fail(ErrorCode::kTooLarge, "the secrets of the workload are too large");
  }
  std::string bytes(size, '\0');
  FALLOW_ASSIGN(const std::size_t got, read_at(file, bytes, 0, "the secrets of the workload"));
  bytes.resize(got);
  Reader reader(bytes, kSecretsMagic);
  Environment environment = read_pairs(reader);
  if (!reader.is_whole()) {
    return fail(ErrorCode::kCorrupt, "the secrets of the workload are not what was written");
  }
  return environment;
}

std::string encode_exit(const ExitFile& file) {
  std::string bytes(kExitMagic);
  put(bytes, static_cast<std::uint64_t>(file.at.us));
  put(bytes, static_cast<std::uint64_t>(file.cause));
  put(bytes, static_cast<std::uint64_t>(file.exit_code));
  put(bytes, static_cast<std::uint64_t>(file.signal));
  put(bytes, file.detail);
  // Behind all else and only then: a supervisor that is older than its agent writes none.
  if (file.egress_bytes > 0) put(bytes, static_cast<std::uint64_t>(file.egress_bytes));
  return bytes;
}

Result<ExitFile> decode_exit(std::string_view bytes) {
  Reader reader(bytes, kExitMagic);
  ExitFile file;
  file.at = Time{static_cast<std::int64_t>(reader.number())};
  const std::uint64_t cause = reader.number();
  file.cause = static_cast<agent::ExitCause>(cause);
  file.exit_code = static_cast<int>(reader.number());
  file.signal = static_cast<int>(reader.number());
  file.detail = reader.text();
  if (reader.has_more()) file.egress_bytes = static_cast<std::int64_t>(reader.number());
  if (!reader.is_whole() || cause > static_cast<std::uint64_t>(agent::kExitCauseLast)) {
    return fail(ErrorCode::kCorrupt, "the record of the workload's end is damaged");
  }
  return file;
}

std::string encode_time(Time at) {
  std::string bytes;
  put(bytes, static_cast<std::uint64_t>(at.us));
  return bytes;
}

std::optional<Time> decode_time(std::string_view bytes) {
  Reader reader(bytes, "");
  const Time at{static_cast<std::int64_t>(reader.number())};
  if (!reader.is_whole()) return std::nullopt;
  return at;
}

Time boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return Time{std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000};
}

}  // namespace fallow::runtime
