#include "agent/owner_input.h"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "agent/process_facts.h"
#include "base/file.h"
#include "base/number.h"

namespace fallow::agent {
namespace {

constexpr Duration kFindEvery = seconds(30);
constexpr std::size_t kInterruptsBytesMax = std::size_t{4} << 20;
constexpr std::string_view kPs2 = "i8042";

std::string_view last_word(std::string_view line) {
  const std::size_t end = line.find_last_not_of(" \t");
  if (end == std::string_view::npos) return "";
  line = line.substr(0, end + 1);
  return line.substr(line.find_last_of(" \t") + 1);
}

// " 12:   144   0   IO-APIC   12-edge   i8042": the sum of the numbers behind the colon.
std::uint64_t count_of(const std::string& line) {
  std::istringstream words(line.substr(std::min(line.size(), line.find(':') + 1)));
  std::uint64_t sum = 0;
  for (std::uint64_t one = 0; words >> one;) sum += one;
  return sum;
}

}  // namespace

// Human interface devices (class 3) that are a keyboard (protocol 1) or a mouse (2).
void InputSigns::find_devices() {
  transfers_.clear();
  interrupts_.clear();
  const std::string usb = root_ + "/sys/bus/usb/devices/";
  for (const std::string& name : names_in(usb)) {
    const std::size_t colon = name.find(':');  // "1-2:1.0" is an interface of "1-2"
    if (colon == std::string::npos || first_line(usb + name + "/bInterfaceClass") != "03") continue;
    const std::string protocol = first_line(usb + name + "/bInterfaceProtocol");
    if (protocol != "01" && protocol != "02") continue;
    std::string file = usb + name.substr(0, colon) + "/urbnum";
    if (std::find(transfers_.begin(), transfers_.end(), file) == transfers_.end()) {
      transfers_.push_back(std::move(file));
    }
  }
  for (const char* driver : {"i2c_hid_acpi", "i2c_hid_of", "i2c_hid"}) {
    for (std::string name : names_in(root_ + "/sys/bus/i2c/drivers/" + driver)) {
      if (!name.starts_with("i2c-")) continue;
      interrupts_.push_back(name.substr(4));
    }
  }
  // The file is long where there are many processors: read it only if one of its lines is ours.
  const auto text = read_file(root_ + "/proc/interrupts", kInterruptsBytesMax);
  if (text && text->find(kPs2) != std::string::npos) interrupts_.emplace_back(kPs2);
}

std::map<std::string, std::uint64_t> InputSigns::counts() const {
  std::map<std::string, std::uint64_t> counts;
  for (const std::string& file : transfers_) {
    if (const auto count = parse_number<std::uint64_t>(first_line(file))) counts[file] = *count;
  }
  if (interrupts_.empty()) return counts;
  const auto text = read_file(root_ + "/proc/interrupts", kInterruptsBytesMax);
  std::istringstream lines(text ? *text : "");
  for (std::string line; std::getline(lines, line);) {
    const std::string_view name = last_word(line);
    if (std::find(interrupts_.begin(), interrupts_.end(), name) == interrupts_.end()) continue;
    counts[line.substr(0, line.find(':'))] = count_of(line);
  }
  return counts;
}

std::optional<std::string> InputSigns::look(Time now) {
  if (!find_at_ || now >= *find_at_) {
    find_devices();
    find_at_ = now + kFindEvery;
  }
  const std::map<std::string, std::uint64_t> counts = this->counts();
  const bool moved = std::any_of(counts.begin(), counts.end(), [this](const auto& one) {
    const auto before = before_.find(one.first);
    return before != before_.end() && before->second != one.second;
  });
  before_ = counts;
  if (!moved) return std::nullopt;
  return "keyboard or mouse";
}

}  // namespace fallow::agent
