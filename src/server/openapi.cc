#include "server/openapi.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "base/json_text.h"
#include "fallow/v1/route.pb.h"
#include "fallow/v1/services.pb.h"
#include "server/roles.h"
#include "server/router.h"

namespace fallow::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

// Every message and enum that the routes reach, by name.
struct Types {
  std::map<std::string, const Descriptor*> messages;
  std::map<std::string, const EnumDescriptor*> enums;

  void add(const Descriptor& type) {
    if (type.full_name().starts_with("google.protobuf.")) return;
    if (!messages.emplace(type.name(), &type).second) return;
    for (int i = 0; i < type.field_count(); ++i) add(*type.field(i));
  }
  void add(const FieldDescriptor& field) {
    if (field.enum_type() != nullptr) enums.emplace(field.enum_type()->name(), field.enum_type());
    if (field.message_type() != nullptr) add(*field.message_type());
  }
};

void put_ref(JsonText& out, std::string_view name) {
  out.open_object();
  out.key("$ref").value(fmt::format("#/components/schemas/{}", name));
  out.close_object();
}

void put_typed(JsonText& out, std::string_view type, std::string_view format = {}) {
  out.open_object();
  out.key("type").value(type);
  if (!format.empty()) out.key("format").value(format);
  out.close_object();
}

// One value of the field, as proto3 JSON writes it.
void put_value_schema(JsonText& out, const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_MESSAGE:
      if (field.message_type()->full_name() == "google.protobuf.Timestamp") {
        return put_typed(out, "string", "date-time");
      }
      if (field.message_type()->full_name() == "google.protobuf.Duration") {
        return put_typed(out, "string", "duration-seconds");
      }
      return put_ref(out, field.message_type()->name());
    case FieldDescriptor::TYPE_ENUM:
      return put_ref(out, field.enum_type()->name());
    case FieldDescriptor::TYPE_BOOL:
      return put_typed(out, "boolean");
    case FieldDescriptor::TYPE_DOUBLE:
      return put_typed(out, "number", "double");
    case FieldDescriptor::TYPE_UINT32:
      return put_typed(out, "integer", "uint32");
    case FieldDescriptor::TYPE_INT32:
      return put_typed(out, "integer", "int32");
    case FieldDescriptor::TYPE_UINT64:
      return put_typed(out, "string", "uint64");
    case FieldDescriptor::TYPE_INT64:
      return put_typed(out, "string", "int64");
    case FieldDescriptor::TYPE_BYTES:
      return put_typed(out, "string", "byte");
    default:
      return put_typed(out, "string");
  }
}

void put_schema(JsonText& out, const FieldDescriptor& field) {
  if (!field.is_repeated()) return put_value_schema(out, field);
  out.open_object();
  out.key("type").value("array");
  out.key("items");
  put_value_schema(out, field);
  out.close_object();
}

void put_schemas(JsonText& out, const Types& types) {
  out.key("schemas").open_object();
  for (const auto& [name, type] : types.enums) {
    out.key(name).open_object();
    out.key("type").value("string");
    out.key("enum").open_array();
    for (int i = 0; i < type->value_count(); ++i) out.value(type->value(i)->name());
    out.close_array().close_object();
  }
  for (const auto& [name, type] : types.messages) {
    out.key(name).open_object();
    out.key("type").value("object");
    out.key("additionalProperties").value(false);
    out.key("properties").open_object();
    for (int i = 0; i < type->field_count(); ++i) {
      out.key(type->field(i)->name());
      put_schema(out, *type->field(i));
    }
    out.close_object().close_object();
  }
  out.close_object();
}

void put_parameter(JsonText& out, std::string_view name, std::string_view in, bool required,
                   const FieldDescriptor* field) {
  out.open_object();
  out.key("name").value(name);
  out.key("in").value(in);
  if (required) out.key("required").value(true);
  out.key("schema");
  if (field == nullptr) {
    put_typed(out, "string");
  } else {
    put_schema(out, *field);
  }
  out.close_object();
}

void put_problem(JsonText& out, std::string_view status, std::string_view description) {
  out.key(status).open_object();
  out.key("description").value(description);
  out.key("content").open_object().key("application/problem+json").open_object().key("schema");
  put_ref(out, "Problem");
  out.close_object().close_object().close_object();
}

void put_content(JsonText& out, std::string_view type, std::string_view schema) {
  out.key("content").open_object().key(type).open_object().key("schema");
  put_ref(out, schema);
  out.close_object().close_object();
}

void put_security(JsonText& out, bool key_needed) {
  if (key_needed) return;  // the document's default
  out.key("security").open_array().close_array();
}

void put_parameters(JsonText& out, const Route& route) {
  const Descriptor& request = *route.rpc->input_type();
  const bool in_query = route.method == "GET" || route.method == "DELETE";
  out.key("parameters").open_array();
  for (int i = 0; i < request.field_count(); ++i) {
    const FieldDescriptor* field = request.field(i);
    if (route.has_in_path(field)) {
      put_parameter(out, field->name(), "path", true, field);
    } else if (in_query) {
      put_parameter(out, field->name(), "query", false, field);
    }
  }
  if (route.is_mutating()) put_parameter(out, "Idempotency-Key", "header", false, nullptr);
  if (route.is_stream() && route.media_type.empty()) {
    put_parameter(out, "Last-Event-ID", "header", false, nullptr);
  }
  if (route.scopes != 0) put_parameter(out, "Fallow-Team", "header", false, nullptr);
  out.close_array();
}

std::string scopes_in_words(core::ScopeSet scopes) {
  std::string words;
  for (const v1::Scope scope : {v1::RENTER, v1::PROVIDER, v1::OPERATOR}) {
    if ((scopes & (1U << scope)) == 0) continue;
    if (!words.empty()) words += ", ";
    words += v1::Scope_Name(scope);
  }
  return words.empty() ? "No key is needed." : fmt::format("Needs a key with one of: {}.", words);
}

// Whose keys those are, by their roles.
std::string roles_in_words(v1::Right right) {
  if (right == v1::RIGHT_UNSPECIFIED || right == v1::MAY_READ) return "";
  std::string words;
  for (const v1::Role role : {v1::VIEWER, v1::BILLING, v1::MEMBER, v1::OWNER}) {
    if ((rights_of(role) & right_bit(right)) == 0) continue;
    if (!words.empty()) words += " or ";
    words += v1::Role_Name(role);
  }
  return fmt::format(" Its role: {}.", words);
}

void put_operation(JsonText& out, const Route& route) {
  std::string method = route.method;
  std::transform(method.begin(), method.end(), method.begin(),
                 [](char c) { return static_cast<char>(c - 'A' + 'a'); });
  out.key(method).open_object();
  out.key("operationId").value(route.rpc->name());
  out.key("tags").open_array().value(route.rpc->service()->name()).close_array();
  out.key("summary").value(route.summary);
  out.key("description").value(scopes_in_words(route.scopes) + roles_in_words(route.right));
  put_security(out, route.scopes != 0);
  put_parameters(out, route);
  if (route.method == "POST" || route.method == "PUT") {
    out.key("requestBody").open_object();
    put_content(out, "application/json", route.rpc->input_type()->name());
    out.close_object();
  }
  out.key("responses").open_object();
  out.key("200").open_object();
  if (!route.media_type.empty()) {
    out.key("description").value("The file");
    out.key("content").open_object();
    // Without parameters, as media types are compared.
    out.key(route.media_type.substr(0, route.media_type.find(';'))).open_object().key("schema");
    put_typed(out, "string");
    out.close_object().close_object();
  } else {
    out.key("description")
        .value(route.is_stream() ? "Server-sent events; the data of each is this in JSON. The "
                                   "last one is named \"end\"."
                                 : "Done");
    put_content(out, route.is_stream() ? "text/event-stream" : "application/json",
                route.rpc->output_type()->name());
  }
  out.close_object();
  put_problem(out, "default", "Why not, and what to do");
  out.close_object().close_object();
}

void put_artifact_operation(JsonText& out, std::string_view method, std::string_view id,
                            std::string_view summary, const std::vector<std::string_view>& statuses,
                            bool has_body, const std::vector<std::string_view>& headers) {
  out.key(method).open_object();
  out.key("operationId").value(id);
  out.key("tags").open_array().value("Artifacts").close_array();
  out.key("summary").value(summary);
  out.key("parameters").open_array();
  put_parameter(out, "digest", "path", true, nullptr);
  for (const std::string_view header : headers)
    put_parameter(out, header, "header", false, nullptr);
  out.close_array();
  if (has_body) {
    out.key("requestBody").open_object().key("content").open_object();
    out.key("application/octet-stream").open_object().close_object();
    out.close_object().close_object();
  }
  out.key("responses").open_object();
  for (const std::string_view status : statuses) {
    out.key(status).open_object().key("description").value("Done").close_object();
  }
  put_problem(out, "default", "Why not, and what to do");
  out.close_object().close_object();
}

void put_artifact_paths(JsonText& out) {
  out.key("/v1/artifacts/{digest}").open_object();
  put_artifact_operation(out, "get", "GetArtifact",
                         "The bytes whose BLAKE2b-256 is `digest` (64 hex digits), or a range",
                         {"200", "206"}, false, {"Range"});
  put_artifact_operation(out, "head", "HeadArtifact", "Is it stored, and how long is it", {"200"},
                         false, {});
  put_artifact_operation(out, "put", "PutArtifact",
                         "Store the bytes whole; 200: they are stored already", {"200", "201"},
                         true, {});
  put_artifact_operation(
      out, "post", "BeginArtifact",
      "Begin or resume an upload of Upload-Length bytes; Upload-Offset says where "
      "to go on",
      {"201"}, false, {"Upload-Length"});
  put_artifact_operation(out, "patch", "AppendArtifact",
                         "The next bytes of an upload, from Upload-Offset on", {"204"}, true,
                         {"Upload-Offset"});
  out.close_object();
}

void put_paths(JsonText& out, const Router& router) {
  std::vector<std::string> paths;  // in the schema's order, each once
  for (const Route& route : router.routes()) {
    if (std::find(paths.begin(), paths.end(), route.path) == paths.end())
      paths.push_back(route.path);
  }
  out.key("paths").open_object();
  for (const std::string& path : paths) {
    out.key(path).open_object();
    for (const Route& route : router.routes()) {
      if (route.path == path) put_operation(out, route);
    }
    out.close_object();
  }
  put_artifact_paths(out);
  out.close_object();
}

}  // namespace

std::string openapi_json() {
  const Router router;
  Types types;
  types.add(*v1::Problem::descriptor());
  for (const Route& route : router.routes()) {
    if (route.method == "POST" || route.method == "PUT") types.add(*route.rpc->input_type());
    for (int i = 0; i < route.rpc->input_type()->field_count(); ++i) {
      types.add(*route.rpc->input_type()->field(i));
    }
    if (route.media_type.empty()) types.add(*route.rpc->output_type());
  }
  JsonText out;
  out.open_object();
  out.key("openapi").value("3.1.0");
  out.key("info").open_object();
  out.key("title").value("Fallow");
  out.key("version").value("1");
  out.key("description")
      .value(
          "A GPU rental market. Money is a decimal string, 64-bit ids are strings, moments are RFC "
          "3339. Errors are RFC 9457 problems with a stable `code`. docs/api.md tells the rest.");
  out.close_object();
  out.key("security").open_array().open_object().key("api_key").open_array().close_array();
  out.close_object().close_array();
  put_paths(out, router);
  out.key("components").open_object();
  out.key("securitySchemes").open_object().key("api_key").open_object();
  out.key("type").value("http");
  out.key("scheme").value("bearer");
  out.key("bearerFormat").value("fk_ and 64 hex digits");
  out.close_object().close_object();
  put_schemas(out, types);
  out.close_object().close_object();
  return out.text() + "\n";
}

}  // namespace fallow::server
