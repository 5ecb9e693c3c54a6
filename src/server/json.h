// JSON as the API speaks it: proto3 JSON with the schema's own field names, read strictly.
//
// Free functions, any thread. Reading refuses what is not RFC 8259 (depth, UTF-8, one value), then
// unknown fields, wrong types and unknown enum values, naming the field.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "server/problem.h"

namespace fallow::server {

constexpr std::size_t kJsonDepthMax = 32;

// `text` into the empty `message`; blank text is an empty object. Problems: json_invalid,
// unknown_field, type_wrong, value_invalid.
Answer<void> read_json(std::string_view text, google::protobuf::Message& message);

// One path or query parameter into a scalar field. `text` is decoded and may be anything.
Answer<void> read_parameter(std::string_view text, const google::protobuf::FieldDescriptor& field,
                            google::protobuf::Message& message);

// Every field is written, empty ones, too; messages and oneof members that are not set are not.
std::string write_json(const google::protobuf::Message& message);
// A problem leaves out what does not apply.
std::string write_problem(const v1::Problem& problem);

bool is_utf8(std::string_view text);

}  // namespace fallow::server
