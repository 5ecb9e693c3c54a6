#include "net/websocket_codec.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace fallow::net {
namespace {

using Kind = WebSocketEvent::Kind;

constexpr std::size_t kControlBytesMax = 125;
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

bool set_error(WebSocketEvent& event, CloseCode code, std::string reason) {
  event.kind = Kind::kError;
  event.close_code = code;
  event.data = std::move(reason);
  return false;
}

void random_bytes(unsigned char* out, int size) {
  FALLOW_CHECK(RAND_bytes(out, size) == 1, "the system has no randomness");
}

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::string text(4 * ((size + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  return text;
}

// Eight bytes at a time: bulk goes through here, too.
void apply_mask(char* bytes, std::size_t count, const std::array<std::uint8_t, 4>& key) {
  std::uint64_t wide = 0;
  std::array<std::uint8_t, 8> twice{};
  for (unsigned i = 0; i < 8; ++i) twice[i] = key[i & 3];
  std::memcpy(&wide, twice.data(), sizeof wide);
  std::size_t at = 0;
  for (; at + sizeof wide <= count; at += sizeof wide) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + at, sizeof word);
    word ^= wide;
    std::memcpy(bytes + at, &word, sizeof word);
  }
  for (; at < count; ++at) {
    bytes[at] = static_cast<char>(static_cast<std::uint8_t>(bytes[at]) ^ key[at & 3]);
  }
}

}  // namespace

bool Utf8Checker::feed(std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (needed_ > 0) {
      if (byte < low_ || byte > high_) return false;
      low_ = 0x80;
      high_ = 0xBF;
      --needed_;
      continue;
    }
    if (byte < 0x80) continue;
    // Table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing past U+10FFFF.
    if (byte >= 0xC2 && byte <= 0xDF) {
      needed_ = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
      needed_ = 2;
      if (byte == 0xE0) low_ = 0xA0;
      if (byte == 0xED) high_ = 0x9F;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
      needed_ = 3;
      if (byte == 0xF0) low_ = 0x90;
      if (byte == 0xF4) high_ = 0x8F;
    } else {
      return false;
    }
  }
  return true;
}

bool is_valid_close_code(std::uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

// True when the header is complete and right. Otherwise `error` tells which.
bool WebSocketDecoder::take_header(std::string_view& input, WebSocketEvent& error) {
  while (!input.empty()) {
    header_[header_bytes_++] = static_cast<std::uint8_t>(input.front());
    input.remove_prefix(1);
    if (header_bytes_ < 2) continue;
    const unsigned length = header_[1] & 0x7FU;
    const unsigned length_bytes = length == 127 ? 8 : length == 126 ? 2 : 0;
    const unsigned mask_bytes = (header_[1] & 0x80U) != 0 ? 4 : 0;
    if (header_bytes_ == 2 && !check_header(error)) return false;
    if (header_bytes_ < 2 + length_bytes + mask_bytes) continue;

    std::uint64_t size = length_bytes == 0 ? length : 0;
    for (unsigned i = 0; i < length_bytes; ++i) size = size << 8 | header_[2 + i];
    if ((length_bytes == 2 && size < 126) || (length_bytes == 8 && size <= 0xFFFF)) {
      return set_error(error, CloseCode::kProtocolError, "a length is not in its shortest form");
    }
    if (size >> 63 != 0) {
      return set_error(error, CloseCode::kProtocolError, "a length has its highest bit set");
    }
    const bool is_control = (header_[0] & 0x8U) != 0;
    if (!is_control && (size > message_bytes_max_ || message_.size() > message_bytes_max_ - size)) {
      return set_error(error, CloseCode::kTooBig,
                       fmt::format("a message is larger than {} bytes", message_bytes_max_));
    }
    for (unsigned i = 0; i < mask_bytes; ++i) mask_[i] = header_[2 + length_bytes + i];
    payload_left_ = size;
    mask_at_ = 0;
    stage_ = Stage::kPayload;
    return true;
  }
  return false;
}

// What the first two bytes alone can break.
bool WebSocketDecoder::check_header(WebSocketEvent& error) {
  const unsigned opcode = header_[0] & 0x0FU;
  const bool is_final = (header_[0] & 0x80U) != 0;
  const bool is_masked = (header_[1] & 0x80U) != 0;
  const auto refuse = [&](const char* reason) {
    return set_error(error, CloseCode::kProtocolError, reason);
  };
  if ((header_[0] & 0x70U) != 0) return refuse("a reserved bit is set");
  if (is_masked != (role_ == WebSocketRole::kServer)) {
    return refuse(is_masked ? "a server masked a frame" : "a client did not mask a frame");
  }
  switch (opcode) {
    case kOpcodeContinuation:
      if (!in_message_) return refuse("a continuation without a beginning");
      return true;
    case kOpcodeText:
    case kOpcodeBinary:
      if (in_message_) return refuse("a message begins inside another");
      in_message_ = true;
      is_text_ = opcode == kOpcodeText;
      utf8_ = Utf8Checker();
      return true;
    case kOpcodeClose:
    case kOpcodePing:
    case kOpcodePong:
      if (!is_final) return refuse("a control frame is fragmented");
      if ((header_[1] & 0x7FU) > kControlBytesMax) return refuse("a control frame is too long");
      return true;
    default:
      return refuse("an unknown opcode");
  }
}

WebSocketEvent WebSocketDecoder::decode(std::string_view& input) {
  WebSocketEvent event;
  for (;;) {
    if (stage_ == Stage::kHeader && !take_header(input, event)) return event;
    const bool is_control = (header_[0] & 0x8U) != 0;
    std::string& target = is_control ? control_ : message_;
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, input.size()));
    const std::size_t begin = target.size();
    target.append(input.substr(0, count));
    input.remove_prefix(count);
    payload_left_ -= count;
    if (role_ == WebSocketRole::kServer) {
      std::array<std::uint8_t, 4> turned{};
      for (unsigned i = 0; i < 4; ++i) turned[i] = mask_[(mask_at_ + i) & 3U];
      apply_mask(target.data() + begin, count, turned);
      mask_at_ = static_cast<std::uint8_t>((mask_at_ + count) & 3U);
    }
    if (!is_control && is_text_ && !utf8_.feed(std::string_view(target).substr(begin))) {
      set_error(event, CloseCode::kInvalidText, "a text message is not UTF-8");
      return event;
    }
    if (payload_left_ > 0) return event;
    event = finish_frame();
    if (event.kind != Kind::kNeedMore) return event;
  }
}

WebSocketEvent WebSocketDecoder::finish_frame() {
  WebSocketEvent event;
  stage_ = Stage::kHeader;
  header_bytes_ = 0;
  const unsigned opcode = header_[0] & 0x0FU;
  switch (opcode) {
    case kOpcodePing:
    case kOpcodePong:
      event.kind = opcode == kOpcodePing ? Kind::kPing : Kind::kPong;
      event.data = std::exchange(control_, std::string());
      return event;
    case kOpcodeClose: {
      const std::string payload = std::exchange(control_, std::string());
      event.kind = Kind::kClose;
      event.close_code = CloseCode::kNoStatus;
      if (payload.empty()) return event;
      const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(payload[i]); };
      const auto code = payload.size() < 2 ? std::uint16_t{0}
                                           : static_cast<std::uint16_t>(byte(0) << 8 | byte(1));
      if (!is_valid_close_code(code)) {
        set_error(event, CloseCode::kProtocolError, "a close frame with an impossible code");
        return event;
      }
      Utf8Checker reason;
      if (!reason.feed(std::string_view(payload).substr(2)) || !reason.is_complete()) {
        set_error(event, CloseCode::kInvalidText, "a close frame's reason is not UTF-8");
        return event;
      }
      event.close_code = static_cast<CloseCode>(code);
      event.data = payload.substr(2);
      return event;
    }
    default:
      break;
  }
  const bool is_final = (header_[0] & 0x80U) != 0;
  if (!is_final) return event;
  if (is_text_ && !utf8_.is_complete()) {
    set_error(event, CloseCode::kInvalidText, "a text message ends inside a character");
    return event;
  }
  in_message_ = false;
  event.kind = Kind::kMessage;
  event.is_text = is_text_;
  event.data = std::exchange(message_, std::string());
  return event;
}

std::string encode_frame(WebSocketRole role, std::uint8_t opcode, std::string_view payload,
                         std::uint32_t mask, bool is_final) {
  std::string frame;
  frame.reserve(payload.size() + 14);
  const bool masked = role == WebSocketRole::kClient;
  const auto put = [&frame](std::uint64_t byte) {
    frame.push_back(static_cast<char>(byte & 0xFF));
  };
  put((is_final ? 0x80U : 0U) | opcode);
  const unsigned mask_bit = masked ? 0x80U : 0U;
  if (payload.size() < 126) {
    put(mask_bit | payload.size());
  } else if (payload.size() <= 0xFFFF) {
    put(mask_bit | 126U);
    put(payload.size() >> 8);
    put(payload.size());
  } else {
    put(mask_bit | 127U);
    for (int shift = 56; shift >= 0; shift -= 8) put(std::uint64_t{payload.size()} >> shift);
  }
  if (!masked) {
    frame.append(payload);
    return frame;
  }
  std::array<std::uint8_t, 4> key{};
  for (unsigned i = 0; i < 4; ++i) {
    key[i] = static_cast<std::uint8_t>(mask >> (24 - 8 * i));
    put(key[i]);
  }
  const std::size_t begin = frame.size();
  frame.append(payload);
  apply_mask(frame.data() + begin, payload.size(), key);
  return frame;
}

std::string close_payload(CloseCode code, std::string_view reason) {
  if (code == CloseCode::kNoStatus) return std::string();
  std::size_t size = std::min(reason.size(), kControlBytesMax - 2);
  while (size < reason.size() && size > 0 &&
         (static_cast<std::uint8_t>(reason[size]) & 0xC0U) == 0x80U) {
    --size;
  }
  std::string payload;
  payload.push_back(static_cast<char>(static_cast<std::uint16_t>(code) >> 8));
  payload.push_back(static_cast<char>(static_cast<std::uint16_t>(code) & 0xFF));
  payload.append(reason.substr(0, size));
  return payload;
}

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += kGuid;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  FALLOW_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1,
               "SHA-1 is not available");
  return base64(digest.data(), size);
}

std::string websocket_key() {
  std::array<unsigned char, 16> bytes{};
  random_bytes(bytes.data(), static_cast<int>(bytes.size()));
  return base64(bytes.data(), bytes.size());
}

bool is_valid_websocket_key(std::string_view key) {
  // 16 bytes in base64: 22 digits and two equals signs.
  return key.size() == 24 && key.substr(22) == "==" &&
         std::all_of(key.begin(), key.begin() + 22, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '+' || c == '/';
         });
}

std::uint32_t websocket_mask() {
  std::uint32_t mask = 0;
  random_bytes(reinterpret_cast<unsigned char*>(&mask), sizeof mask);
  return mask;
}

}  // namespace fallow::net
