#include "tunnel/frame.h"

#include <algorithm>

namespace fallow::tunnel {
namespace {

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::size_t payload_bytes(std::string_view header) {
  return byte_at(header, 2) | static_cast<std::size_t>(byte_at(header, 3)) << 8;
}

}  // namespace

void put_u32(std::string& to, std::uint32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) to.push_back(static_cast<char>(value >> shift));
}

std::uint32_t get_u32(const char* from) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(from[i])) << (8 * i);
  }
  return value;
}

void put_frame(std::string& to, FrameKind kind, std::uint8_t channel, std::uint32_t stream,
               std::string_view payload) {
  to.push_back(static_cast<char>(kind));
  to.push_back(static_cast<char>(channel));
  to.push_back(static_cast<char>(payload.size() & 0xFF));
  to.push_back(static_cast<char>(payload.size() >> 8));
  put_u32(to, stream);
  to.append(payload);
}

bool FrameDecoder::read_header(std::string_view header, Frame& frame) {
  const std::uint8_t kind = byte_at(header, 0);
  if (kind < static_cast<std::uint8_t>(FrameKind::kHello) ||
      kind > static_cast<std::uint8_t>(FrameKind::kGoodbye) ||
      payload_bytes(header) > kPayloadBytesMax) {
    broken_ = true;
    return false;
  }
  frame.kind = static_cast<FrameKind>(kind);
  frame.channel = byte_at(header, 1);
  frame.stream = get_u32(header.data() + 4);
  return true;
}

bool FrameDecoder::take(std::string_view& input, Frame& frame) {
  if (given_) {
    held_.clear();
    given_ = false;
  }
  if (broken_) return false;
  // A frame that lies whole in the input is not copied.
  if (held_.empty() && input.size() >= kHeaderBytes) {
    if (!read_header(input, frame)) return false;
    const std::size_t whole = kHeaderBytes + payload_bytes(input);
    if (input.size() >= whole) {
      frame.payload = input.substr(kHeaderBytes, whole - kHeaderBytes);
      input.remove_prefix(whole);
      return true;
    }
  }
  const auto fill = [&](std::size_t size) {
    const std::size_t count = std::min(size - held_.size(), input.size());
    held_.append(input.substr(0, count));
    input.remove_prefix(count);
    return held_.size() == size;
  };
  if (held_.size() < kHeaderBytes && !fill(kHeaderBytes)) return false;
  if (!read_header(held_, frame)) return false;
  if (!fill(kHeaderBytes + payload_bytes(held_))) return false;
  frame.payload = std::string_view(held_).substr(kHeaderBytes);
  given_ = true;
  return true;
}

}  // namespace fallow::tunnel
