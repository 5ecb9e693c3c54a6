#include "engine/utf8_check.h"

#include <google/protobuf/stubs/common.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstddef>
#include <cstdint>

namespace fallow::engine {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

// A number of up to ten bytes, seven bits each, the lowest first. False where it does not end.
bool read_long(const char*& at, const char* end, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 70 && at != end; shift += 7) {
    const auto byte = static_cast<std::uint8_t>(*at++);
    value |= std::uint64_t{byte & 0x7fU} << (shift & 63);
    if (byte < 0x80) return true;
  }
  return false;
}

// Nearly all tags and lengths are of one byte.
[[gnu::always_inline]] inline bool read_number(const char*& at, const char* end,
                                               std::uint64_t& value) {
  if (at == end) return false;
  value = static_cast<std::uint8_t>(*at);
  if (value >= 0x80) return read_long(at, end, value);
  ++at;
  return true;
}

}  // namespace

Utf8Check::Utf8Check(const Descriptor& type) : top_(texts_of(type)) {
  // Types may hold each other, so what one holds is known when nothing more is learned.
  for (bool learned = true; learned;) {
    learned = false;
    for (auto& [of_type, texts] : all_) {
      for (const Texts::Field& field : texts.fields) {
        if (texts.holds_text) break;
        texts.holds_text = field.is_text || (field.message != nullptr && field.message->holds_text);
        learned = learned || texts.holds_text;
      }
    }
  }
  for (auto& [of_type, texts] : all_) {
    for (Texts::Field& field : texts.fields) {
      if (field.message != nullptr && !field.message->holds_text) field.message = nullptr;
    }
  }
}

bool Utf8Check::passes(std::string_view bytes) const {
  return passes(*top_, bytes.data(), bytes.data() + bytes.size());
}

// A type may hold itself, so it is entered before its fields are looked at.
Utf8Check::Texts* Utf8Check::texts_of(const Descriptor& type) {
  const auto [found, added] = all_.try_emplace(&type);
  Texts& texts = found->second;
  if (!added) return &texts;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const auto number = static_cast<std::size_t>(field.number());
    if (texts.fields.size() <= number) texts.fields.resize(number + 1);
    texts.fields[number].is_text = field.type() == FieldDescriptor::TYPE_STRING;
    if (field.message_type() != nullptr) {
      texts.fields[number].message = texts_of(*field.message_type());
    }
  }
  return &texts;
}

bool Utf8Check::passes(const Texts& texts, const char* at, const char* end) {
  while (at != end) {
    std::uint64_t tag = 0;
    std::uint64_t value = 0;
    if (!read_number(at, end, tag)) return false;
    switch (static_cast<WireFormatLite::WireType>(tag & 7)) {
      case WireFormatLite::WIRETYPE_VARINT:
        while (at != end && static_cast<std::uint8_t>(*at) >= 0x80) ++at;
        if (at == end) return false;
        ++at;
        break;
      case WireFormatLite::WIRETYPE_FIXED64:
        if (end - at < 8) return false;
        at += 8;
        break;
      case WireFormatLite::WIRETYPE_FIXED32:
        if (end - at < 4) return false;
        at += 4;
        break;
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
        if (!read_number(at, end, value) || value > static_cast<std::uint64_t>(end - at)) {
          return false;
        }
        const auto size = static_cast<std::ptrdiff_t>(value);
        const std::uint64_t number = tag >> 3;
        if (number < texts.fields.size()) {
          const Texts::Field& field = texts.fields[number];
          if (field.is_text &&
              !google::protobuf::internal::IsStructurallyValidUTF8(at, static_cast<int>(size))) {
            return false;
          }
          if (field.message != nullptr && !passes(*field.message, at, at + size)) return false;
        }
        at += size;
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

}  // namespace fallow::engine
