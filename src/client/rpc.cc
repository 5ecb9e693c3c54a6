#include "client/rpc.h"

#include <fmt/core.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <vector>

#include "base/check.h"
#include "fallow/v1/route.pb.h"
#include "fallow/v1/services.pb.h"
#include "net/url.h"

namespace fallow::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// A scalar as a URL carries it. Requests have no nested or repeated fields where this is used.
std::string text_of(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return fmt::format("{}", reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.GetEnum(message, &field)->name();
    default:
      FALLOW_CHECK(false, "field {} cannot stand in a URL", field.full_name());
  }
}

}  // namespace

const google::protobuf::MethodDescriptor& find_rpc(std::string_view name) {
  const auto* file = v1::GetMarketRequest::descriptor()->file();
  const auto* rpc = file->pool()->FindMethodByName("fallow.v1." + std::string(name));
  FALLOW_CHECK(rpc != nullptr, "the schema has no rpc {}", name);
  return *rpc;
}

RpcRequest make_rpc_request(const google::protobuf::MethodDescriptor& rpc, const Message& request) {
  FALLOW_CHECK(request.GetDescriptor() == rpc.input_type(), "{} does not take a {}",
               rpc.full_name(), request.GetTypeName());
  const v1::Route& route = rpc.options().GetExtension(v1::route);
  std::unique_ptr<Message> rest(request.New());
  rest->CopyFrom(request);

  RpcRequest made{route.method(), {}, {}};
  std::string_view path = route.path();
  for (std::size_t open = path.find('{'); open != std::string_view::npos; open = path.find('{')) {
    const std::size_t close = path.find('}', open);
    const std::string name(path.substr(open + 1, close - open - 1));
    const FieldDescriptor* field = rpc.input_type()->FindFieldByName(name);
    FALLOW_CHECK(field != nullptr, "{} names a field that is not there", route.path());
    made.target += path.substr(0, open);
    made.target += net::percent_encode(text_of(request, *field));
    rest->GetReflection()->ClearField(rest.get(), field);
    path.remove_prefix(close + 1);
  }
  made.target += path;

  if (made.method == "GET" || made.method == "DELETE") {
    std::vector<const FieldDescriptor*> fields;
    rest->GetReflection()->ListFields(*rest, &fields);
    char separator = '?';
    for (const FieldDescriptor* field : fields) {
      made.target += separator + field->name() + '=' + net::percent_encode(text_of(*rest, *field));
      separator = '&';
    }
    return made;
  }
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  const auto status = google::protobuf::util::MessageToJsonString(*rest, &made.body, options);
  FALLOW_CHECK(status.ok(), "{} cannot be written as JSON: {}", request.GetTypeName(),
               std::string(status.message()));
  return made;
}

}  // namespace fallow::client
