#include "server/json_writer.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/time_util.h>
#include <sodium.h>

#include <cmath>
#include <iterator>

#include "base/check.h"
#include "base/printable.h"

namespace fallow::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string to_base64(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the zero at its end
  return text;
}

// Whether a byte stands for itself wherever it is met: what most names and numbers consist of.
constexpr bool is_plain(char c) {
  return c >= ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '<' && c != '>';
}

// Characters of three bytes that end lines in scripts, are not seen, or turn the text behind them:
// U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F.
bool is_format_character(std::string_view text) {
  if (text.size() < 3 || text[0] != '\xe2') return false;
  const auto third = static_cast<unsigned char>(text[2]);
  if (text[1] == '\x80')
    return (third >= 0x8b && third <= 0x8f) || (third >= 0xa8 && third <= 0xae);
  return text[1] == '\x81' && third >= 0xa0 && third <= 0xaf;
}

}  // namespace

void JsonWriter::write(const Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  if (type.well_known_type() == Descriptor::WELLKNOWNTYPE_TIMESTAMP) {
    return write_string(google::protobuf::util::TimeUtil::ToString(
        static_cast<const google::protobuf::Timestamp&>(message)));
  }
  if (type.well_known_type() == Descriptor::WELLKNOWNTYPE_DURATION) {
    return write_string(google::protobuf::util::TimeUtil::ToString(
        static_cast<const google::protobuf::Duration&>(message)));
  }
  text_ += '{';
  write_fields(message);
  text_ += '}';
}

void JsonWriter::write_fields(const Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  bool is_first = true;
  for (int n = 0; n < type.field_count(); ++n) {
    const FieldDescriptor& field = *type.field(n);
    const bool must_be_set = field.has_presence() || fields_ == Fields::kSet;
    const bool is_set = field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                                            : reflection.HasField(message, &field);
    if (!is_set && must_be_set) continue;
    if (!is_first) text_ += ',';
    is_first = false;
    text_ += '"';
    text_ += field.name();
    text_ += "\":";
    if (!field.is_repeated()) {
      write_value(message, field, 0);
      continue;
    }
    FALLOW_CHECK(!field.is_map(), "the map {} is not known how to be written", field.full_name());
    text_ += '[';
    const int count = reflection.FieldSize(message, &field);
    for (int i = 0; i < count; ++i) {
      if (i > 0) text_ += ',';
      write_value(message, field, i);
    }
    text_ += ']';
  }
}

template <class Number>
void JsonWriter::quoted(Number number) {
  fmt::format_to(std::back_inserter(text_), "\"{}\"", number);
}

void JsonWriter::write_number(double number) {
  if (std::isnan(number)) {
    text_ += "\"NaN\"";
  } else if (std::isinf(number)) {
    text_ += number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    fmt::format_to(std::back_inserter(text_), "{}", number);
  }
}

// Numbers of 64 bits are texts: readers of JSON have 53.
void JsonWriter::write_value(const Message& message, const FieldDescriptor& field, int i) {
  const Reflection& reflection = *message.GetReflection();
  const auto value = [&](auto one, auto of_many) {
    return field.is_repeated() ? (reflection.*of_many)(message, &field, i)
                               : (reflection.*one)(message, &field);
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      fmt::format_to(std::back_inserter(text_), "{}",
                     value(&Reflection::GetInt32, &Reflection::GetRepeatedInt32));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      fmt::format_to(std::back_inserter(text_), "{}",
                     value(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      quoted(value(&Reflection::GetInt64, &Reflection::GetRepeatedInt64));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      quoted(value(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      write_number(value(&Reflection::GetDouble, &Reflection::GetRepeatedDouble));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      write_number(
          static_cast<double>(value(&Reflection::GetFloat, &Reflection::GetRepeatedFloat)));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      text_ += value(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false";
      break;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = value(&Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue);
      const auto* const known = field.enum_type()->FindValueByNumber(number);
      if (known == nullptr) {
        fmt::format_to(std::back_inserter(text_), "{}", number);
      } else {
        write_string(known->name());
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      const std::string& text =
          field.is_repeated() ? reflection.GetRepeatedStringReference(message, &field, i, &scratch)
                              : reflection.GetStringReference(message, &field, &scratch);
      if (field.type() == FieldDescriptor::TYPE_BYTES) {
        write_string(to_base64(text));
      } else {
        write_string(text);
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      write(field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, i)
                                : reflection.GetMessage(message, &field));
      break;
  }
}

void JsonWriter::write_string(std::string_view text) {
  text_ += '"';
  std::size_t plain = 0;  // bytes that may stand as they are, not written yet
  const auto escape = [&](std::size_t bytes, std::string_view as) {
    text_ += text.substr(0, plain);
    text_ += as;
    text.remove_prefix(plain + bytes);
    plain = 0;
  };
  while (plain < text.size()) {
    const char c = text[plain];
    if (is_plain(c)) {
      ++plain;
      continue;
    }
    const std::string_view rest = text.substr(plain);
    if (c == '"') {
      escape(1, "\\\"");
    } else if (c == '\\') {
      escape(1, "\\\\");
    } else if (c == '\n') {
      escape(1, "\\n");
    } else if (c == '<' || c == '>') {
      escape(1, c == '<' ? "\\u003c" : "\\u003e");
    } else if (const std::size_t control = control_bytes(rest); control > 0) {
      escape(control, fmt::format("\\u{:04x}", static_cast<unsigned char>(rest[control - 1])));
    } else if (is_format_character(rest)) {
      const unsigned code = 0x2000U | (static_cast<unsigned>(rest[1]) & 0x3fU) << 6 |
                            (static_cast<unsigned>(rest[2]) & 0x3fU);
      escape(3, fmt::format("\\u{:04x}", code));
    } else {
      ++plain;
    }
  }
  text_ += text;
  text_ += '"';
}

}  // namespace fallow::server
