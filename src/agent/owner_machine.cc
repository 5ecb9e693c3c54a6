#include "agent/owner_machine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include "agent/process_facts.h"
#include "base/file.h"
#include "base/number.h"

namespace fallow::agent {
namespace {

// The kernel's eight seconds, and some for the look.
constexpr Duration kTypedWithin = seconds(11);

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::vector<std::string> terminals_of(const std::string& root) {
  std::vector<std::string> files;
  for (const std::string& name : names_in(root + "/dev/pts")) {
    if (is_digit(name.front())) files.push_back(root + "/dev/pts/" + name);
  }
  // The kernel has 63 on the machine itself; tty0 is whichever is in front.
  for (int i = 1; i < 64; ++i) files.push_back(root + "/dev/tty" + std::to_string(i));
  return files;
}

}  // namespace

std::optional<std::string> terminal_sign(const std::string& root, Time wall) {
  for (const std::string& file : terminals_of(root)) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) continue;
    const Time read{std::int64_t{info.st_atim.tv_sec} * 1'000'000 + info.st_atim.tv_nsec / 1000};
    if (std::abs((wall - read).value) < kTypedWithin.value) return "a terminal is typed into";
  }
  return std::nullopt;
}

std::optional<std::string> battery_sign(const std::string& root) {
  const std::string folder = root + "/sys/class/power_supply/";
  bool discharging = false;
  for (const std::string& name : names_in(folder)) {
    const std::string type = first_line(folder + name + "/type");
    if (type == "Battery") {
      discharging = discharging || (first_line(folder + name + "/scope") != "Device" &&
                                    first_line(folder + name + "/status") == "Discharging");
    } else if (first_line(folder + name + "/online") == "1") {
      return std::nullopt;
    }
  }
  if (!discharging) return std::nullopt;
  return "on battery";
}

// "cpu  user nice system idle iowait irq softirq steal guest guest_nice", in ticks; guests are
// users.
std::optional<Duration> processor_time(const std::string& root) {
  std::istringstream words(first_line(root + "/proc/stat"));
  std::string name;
  std::int64_t user = 0;
  std::int64_t nice = 0;
  std::int64_t system = 0;
  std::int64_t idle = 0;
  std::int64_t waiting = 0;
  std::int64_t interrupts = 0;
  std::int64_t soft = 0;
  words >> name >> user >> nice >> system >> idle >> waiting >> interrupts >> soft;
  if (!words || name != "cpu") return std::nullopt;
  static const std::int64_t ticks_per_second = ::sysconf(_SC_CLK_TCK);
  return Duration((user + nice + system + interrupts + soft) * 1'000'000 / ticks_per_second);
}

std::optional<Duration> processor_time_of(const std::vector<std::string>& groups) {
  Duration sum;
  for (const std::string& group : groups) {
    constexpr std::string_view kKey = "usage_usec ";
    const std::string line = first_line(group + "/cpu.stat");
    if (!line.starts_with(kKey)) return std::nullopt;
    const auto us = parse_number<std::int64_t>(std::string_view(line).substr(kKey.size()));
    if (!us) return std::nullopt;
    sum += Duration(*us);
  }
  return sum;
}

std::optional<std::string> ProcessorSigns::look(Duration own, Time now) {
  if (at_ && now - *at_ < kSpan) return sign_;
  const auto all = processor_time(root_);
  const auto ours = processor_time_of(groups_);
  sign_.reset();
  if (!all || !ours) {
    at_.reset();
    return std::nullopt;
  }
  const Duration others = *all - *ours - own;
  if (at_) {
    const double busy =
        static_cast<double>((others - others_).value) / static_cast<double>((now - *at_).value);
    if (busy >= cores_) sign_ = "others keep the processor busy";
  }
  at_ = now;
  others_ = others;
  return sign_;
}

}  // namespace fallow::agent
