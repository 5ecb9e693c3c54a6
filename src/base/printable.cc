#include "base/printable.h"

namespace fallow {
namespace {

std::string without_controls(std::string_view text, std::string_view kept) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    const std::size_t control = control_bytes(text);
    const bool stays = control == 0 || kept.find(text[0]) != std::string_view::npos;
    safe += stays ? text[0] : '?';
    text.remove_prefix(stays ? 1 : control);
  }
  return safe;
}

}  // namespace

std::size_t control_bytes(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = static_cast<unsigned char>(text[0]);
  if (byte < 0x20 || byte == 0x7F) return 1;
  if (byte != 0xC2 || text.size() < 2) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  return second >= 0x80 && second <= 0x9F ? 2 : 0;
}

std::string printable(std::string_view text) { return without_controls(text, ""); }

std::string printable_lines(std::string_view text) { return without_controls(text, "\t\n"); }

}  // namespace fallow
