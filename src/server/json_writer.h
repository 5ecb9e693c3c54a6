// Messages as proto3 JSON (https://protobuf.dev/programming-guides/json/), by the schema's own
// field names, in the order of the schema. Protobuf's own writer describes each type anew and
// builds a tree of every message first, which was a quarter of what a quote took
// (docs/decisions/0051-json-is-written-by-reflection.md).
//
// A value of one thread. What is written holds no character that could end a script or a line, or
// turn the text around it: those are escaped.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

namespace fallow::server {

class JsonWriter {
 public:
  enum class Fields {
    kAll,  // empty ones, too, but no messages, members of a oneof or optional fields that are not
           // set
    kSet,  // no empty ones
  };
  explicit JsonWriter(Fields fields) : fields_(fields) {}

  // The message behind what was written before. The schema has no maps.
  void write(const google::protobuf::Message& message);
  const std::string& text() const { return text_; }

 private:
  void write_fields(const google::protobuf::Message& message);
  // The field's value, or the i-th of its values where it is repeated.
  void write_value(const google::protobuf::Message& message,
                   const google::protobuf::FieldDescriptor& field, int i);
  void write_number(double number);
  void write_string(std::string_view text);
  template <class Number>
  void quoted(Number number);

  const Fields fields_;
  std::string text_;
};

}  // namespace fallow::server
