#include "server/json.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>

#include "base/check.h"
#include "base/number.h"
#include "server/json_writer.h"
#include "server/schema_types.h"

namespace fallow::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Takes every token and keeps none: the parser's own checks are what is wanted. protobuf's reader
// lets pass what RFC 8259 does not (single quotes, bare names, any depth on some paths).
struct SyntaxOnly {
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = 256;
  using error_code = boost::json::error_code;
  using string_view = boost::json::string_view;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t, error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_key_part(string_view, std::size_t, error_code&) { return true; }
  bool on_key(string_view, std::size_t, error_code&) { return true; }
  bool on_string_part(string_view, std::size_t, error_code&) { return true; }
  bool on_string(string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, string_view, error_code&) { return true; }
  bool on_double(double, string_view, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }
};

Answer<void> check_syntax(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kJsonDepthMax;
  boost::json::basic_parser<SyntaxOnly> parser(options);
  boost::json::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && used < text.size()) {
    error = boost::json::error::extra_data;
  }
  if (!error) return {};
  if (error == boost::json::error::too_deep) {
    return refuse(400, "json_invalid", "the body is nested deeper than {} levels", kJsonDepthMax);
  }
  return refuse(400, "json_invalid", "the body is not valid JSON near byte {}: {}", used + 1,
                error.message());
}

std::string type_in_words(std::string_view type) {
  if (type == "TYPE_STRING") return "a string (money and ids are strings in JSON: \"0.42\")";
  if (type == "TYPE_BOOL") return "true or false";
  if (type == "TYPE_DOUBLE" || type == "TYPE_FLOAT") return "a number";
  if (type == "TYPE_UINT32" || type == "TYPE_UINT64") return "a whole number, not negative";
  if (type == "TYPE_INT32" || type == "TYPE_INT64") return "a whole number";
  if (type == "TYPE_BYTES") return "base64";
  const std::size_t dot = type.rfind('.');
  return fmt::format("a {}", dot == std::string_view::npos ? type : type.substr(dot + 1));
}

// protobuf's sentence, "(requirements.hours): invalid value "x" for type TYPE_DOUBLE", in our
// words.
v1::Problem problem_of_reader(std::string_view message) {
  if (message.find(": Cannot find field.") != message.npos) {
    std::string field;
    const std::size_t colon = message.find(": Cannot find field.");
    std::string_view head = message.substr(0, colon);
    if (head.starts_with('(')) {
      const std::size_t close = head.find(')');
      field = head.substr(1, close - 1);
      head.remove_prefix(std::min(close + 1, head.size()));
      if (head.starts_with(' ')) head.remove_prefix(1);
      if (!field.empty()) field += '.';
    }
    field += head;
    return make_problem(400, "unknown_field",
                        fmt::format("there is no field \"{}\" here; check its spelling", field),
                        field);
  }
  const std::size_t invalid = message.find("): invalid value ");
  const std::size_t type = message.rfind(" for type ");
  if (message.starts_with('(') && invalid != message.npos && type != message.npos) {
    const std::string field(message.substr(1, invalid - 1));
    const std::string_view value = message.substr(invalid + 17, type - invalid - 17);
    return make_problem(400, "type_wrong",
                        fmt::format("{} must be {}, not {}", field,
                                    type_in_words(message.substr(type + 10)), value.substr(0, 100)),
                        field);
  }
  const std::size_t list = message.find(": Proto field is not repeating");
  if (list != message.npos) {
    const std::string field(message.substr(0, list));
    return make_problem(400, "type_wrong", fmt::format("{} is not a list", field), field);
  }
  if (message.find("Root element must be a message") != message.npos) {
    return make_problem(400, "type_wrong", "the body must be a JSON object");
  }
  return make_problem(
      400, "json_invalid",
      fmt::format("the body does not fit: {}",
                  message.substr(0, std::min(message.find('\n'), std::size_t{200}))));
}

// proto3 lets any integer into an enum; the API does not.
Answer<void> check_enums(const Message& message, const std::string& prefix) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string name = prefix + field->name();
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
        const int value = field->is_repeated() ? reflection.GetRepeatedEnumValue(message, field, i)
                                               : reflection.GetEnumValue(message, field);
        if (field->enum_type()->FindValueByNumber(value) == nullptr) {
          return tl::unexpected(make_problem(
              400, "type_wrong",
              fmt::format("{} must be a {}, not {}", name, field->enum_type()->name(), value),
              name));
        }
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const Message& inner = field->is_repeated()
                                   ? reflection.GetRepeatedMessage(message, field, i)
                                   : reflection.GetMessage(message, field);
        FALLOW_TRY(check_enums(inner, name + "."));
      }
    }
  }
  return {};
}

}  // namespace

bool is_utf8(std::string_view text) {
  return text.size() <= std::numeric_limits<int>::max() &&
         google::protobuf::internal::IsStructurallyValidUTF8(text.data(),
                                                             static_cast<int>(text.size()));
}

Answer<void> read_json(std::string_view text, Message& message) {
  if (text.find_first_not_of(" \t\r\n") == text.npos) return {};
  FALLOW_TRY(check_syntax(text));
  std::string bytes;
  const auto status = google::protobuf::util::JsonToBinaryString(
      &SchemaTypes::shared(), SchemaTypes::url_of(*message.GetDescriptor()),
      google::protobuf::StringPiece(text.data(), text.size()), &bytes);
  if (!status.ok()) {
    const auto words = status.message();
    return tl::unexpected(
        problem_of_reader(std::string_view(words.data(), static_cast<std::size_t>(words.size()))));
  }
  if (!message.ParseFromString(bytes)) {
    return refuse(400, "json_invalid", "the body holds text that is not UTF-8");
  }
  return check_enums(message, {});
}

Answer<void> read_parameter(std::string_view text, const FieldDescriptor& field, Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const auto wrong = [&](std::string_view wanted) {
    return tl::unexpected(make_problem(
        400, "type_wrong", fmt::format("{} must be {}", field.name(), wanted), field.name()));
  };
  if (!is_utf8(text)) return wrong("UTF-8 text");
  if (field.is_repeated()) return wrong("in the body");
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(&message, &field, std::string(text));
      return {};
    case FieldDescriptor::CPPTYPE_UINT64: {
      const auto value = parse_number<std::uint64_t>(text);
      if (!value) return wrong("a whole number, not negative");
      reflection.SetUInt64(&message, &field, *value);
      return {};
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      const auto value = parse_number<std::uint32_t>(text);
      if (!value) return wrong("a whole number, not negative");
      reflection.SetUInt32(&message, &field, *value);
      return {};
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const auto value = parse_number<double>(text);
      if (!value) return wrong("a number");
      reflection.SetDouble(&message, &field, *value);
      return {};
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return wrong("true or false");
      reflection.SetBool(&message, &field, text == "true");
      return {};
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = field.enum_type()->FindValueByName(std::string(text));
      if (value == nullptr) return wrong(fmt::format("a {}", field.enum_type()->name()));
      reflection.SetEnum(&message, &field, value);
      return {};
    }
    default:
      return wrong("in the body");
  }
}

std::string write_json(const Message& message) {
  JsonWriter writer(JsonWriter::Fields::kAll);
  writer.write(message);
  return writer.text();
}

std::string write_problem(const v1::Problem& problem) {
  JsonWriter writer(JsonWriter::Fields::kSet);
  writer.write(problem);
  return writer.text();
}

}  // namespace fallow::server
