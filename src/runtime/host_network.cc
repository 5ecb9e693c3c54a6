#include "runtime/host_network.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/program.h"

namespace fallow::runtime {
namespace {

// The runtime folder of the agent's unit, which may write nothing else of /run; agents that are no
// service share it.
constexpr const char* kLockFolder = "/run/fallow-agent";
constexpr const char* kLock = "/run/fallow-agent/network.lock";
constexpr std::string_view kForwardingTable = "fallow_forwarding";
constexpr std::string_view kLeaseTables = "fallow_";
constexpr Duration kToolMax = seconds(10);
constexpr std::size_t kAnswerBytesMax = 1 << 20;
constexpr std::size_t kReasonBytesMax = 300;
constexpr std::size_t kSettingBytesMax = 16;
constexpr std::size_t kRoutesBytesMax = 1 << 20;

std::string forwarding_of(const std::string& interface) {
  return "/proc/sys/net/ipv4/conf/" + interface + "/forwarding";
}

bool is_on(const std::string& setting) {
  const auto text = read_file(setting, kSettingBytesMax);
  return text && text->starts_with('1');
}

Status set(const std::string& setting, bool on) {
  FALLOW_ASSIGN(const Fd file, open_file(setting, O_WRONLY));
  return write_all(file, on ? "1" : "0", setting);
}

std::string first_line(const std::string& text) {
  return text.substr(0, std::min(text.find('\n'), kReasonBytesMax));
}

// `nft list ...`; empty when it fails.
std::string listed(const std::vector<std::string>& what) {
  std::vector<std::string> words = {network_tool("nft"), "list"};
  words.insert(words.end(), what.begin(), what.end());
  const auto answer = agent::run_program(words, kToolMax, kAnswerBytesMax);
  return answer && answer->exit_code == 0 ? answer->out : "";
}

// The interfaces that open_forwarding() has switched on: each has a rule in the table, which lives
// exactly as long as the setting does, for a restart of the machine ends both.
std::vector<std::string> switched_on() {
  constexpr std::string_view kMark = "iifname \"";
  std::vector<std::string> found;
  const std::string text = listed({"table", "inet", std::string(kForwardingTable)});
  for (std::size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
    at += kMark.size();
    found.push_back(text.substr(at, text.find('"', at) - at));
  }
  return found;
}

// A tool that may have something to say of what it refuses.
agent::ProgramRun of_tool() {
  agent::ProgramRun run;
  run.limit = kToolMax;
  run.bytes_max = kAnswerBytesMax;
  return run;
}

}  // namespace

Result<Fd> lock_host_network() {
  FALLOW_TRY(make_folder(kLockFolder));
  FALLOW_ASSIGN(Fd lock, open_file(kLock, O_RDWR | O_CREAT));
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return tl::unexpected(file_error("lock", kLock, errno));
  }
  return lock;
}

std::string network_tool(std::string_view tool) {
  for (const char* folder : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"}) {
    std::string path = folder + std::string(tool);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

Status run_network_tool(std::string_view tool, std::string_view name, std::string_view script) {
  const std::string path = network_tool(tool);
  if (path.empty()) {
    return fail(ErrorCode::kNotFound, "{} is not installed; apt-get install nftables iproute2",
                tool);
  }
  const std::string file = "./" + std::string(name);
  {
    FALLOW_ASSIGN(const Fd written, open_file(file, O_WRONLY | O_CREAT | O_TRUNC));
    FALLOW_TRY(write_all(written, script, file));
  }
  FALLOW_ASSIGN(const auto answer,
                agent::run_program({path, tool == "nft" ? "-f" : "-batch", file}, of_tool()));
  if (answer.exit_code == 0) return {};
  return fail(ErrorCode::kFailed, "{} refused {}: {}", tool, name, first_line(answer.err));
}

HostRoutes host_routes() {
  const auto text = read_file("/proc/self/net/route", kRoutesBytesMax);
  return text ? parse_routes(*text) : HostRoutes{};
}

Result<std::vector<std::string>> our_tables(std::string_view prefix) {
  constexpr std::string_view kBegin = "table inet ";
  const std::string path = network_tool("nft");
  std::vector<std::string> tables;
  if (path.empty()) return tables;
  FALLOW_ASSIGN(const auto answer,
                agent::run_program({path, "list", "tables"}, kToolMax, kAnswerBytesMax));
  if (answer.exit_code != 0) {
    return fail(ErrorCode::kFailed, "nft cannot list the tables of the host");
  }
  std::string_view left = answer.out;
  while (!left.empty()) {
    std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    if (!line.starts_with(kBegin)) continue;
    line.remove_prefix(kBegin.size());
    if (line.starts_with(prefix)) tables.emplace_back(line);
  }
  return tables;
}

Status remove_table(const std::string& table) {
  FALLOW_ASSIGN(
      const auto answer,
      agent::run_program({network_tool("nft"), "delete", "table", "inet", table}, of_tool()));
  if (answer.exit_code == 0 || answer.err.find("No such file") != std::string::npos) return {};
  return fail(ErrorCode::kFailed, "nft cannot remove the table {}: {}", table,
              first_line(answer.err));
}

void remove_interface(const std::string& interface) {
  if (::if_nametoindex(interface.c_str()) == 0) return;
  (void)agent::run_program({network_tool("ip"), "link", "delete", interface}, kToolMax,
                           kAnswerBytesMax);
}

Status open_forwarding(const std::string& interface, const std::vector<std::string>& uplinks) {
  if (uplinks.empty()) {
    return fail(ErrorCode::kFailed, "this machine has no way out: no default route of IPv4");
  }
  FALLOW_TRY(set(forwarding_of(interface), true));
  if (is_on("/proc/sys/net/ipv4/ip_forward")) return {};
  for (const std::string& uplink : uplinks) {
    if (is_on(forwarding_of(uplink))) continue;
    // The table first: in no moment is the host a router for its neighbours.
    FALLOW_TRY(run_network_tool(
        "nft", "network.forwarding",
        fmt::format("add table inet {0}\nadd chain inet {0} {1} {{ type filter hook forward "
                    "priority filter; policy accept; }}\nadd rule inet {0} {1} iifname \"{2}\" ct "
                    "state new oifname != \"{3}*\" drop\n",
                    kForwardingTable, fmt::format("uplink_{}", ::if_nametoindex(uplink.c_str())),
                    uplink, kInterfacePrefix)));
    FALLOW_TRY(set(forwarding_of(uplink), true));
  }
  return {};
}

void close_forwarding() {
  const auto tables = our_tables(kLeaseTables);
  if (!tables) return;
  for (const std::string& table : *tables) {
    if (table != kForwardingTable) return;
  }
  if (tables->empty()) return;
  // Somebody else wants the host to forward by now: then it does.
  if (!is_on("/proc/sys/net/ipv4/ip_forward")) {
    for (const std::string& uplink : switched_on()) (void)set(forwarding_of(uplink), false);
  }
  (void)remove_table(std::string(kForwardingTable));
}

}  // namespace fallow::runtime
