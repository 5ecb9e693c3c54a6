#include "server/schema_types.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <mutex>

namespace fallow::server {
namespace {

using TypeStatus = google::protobuf::util::Status;

constexpr const char* kPrefix = "type.googleapis.com";

// Of options the reader asks for one of a type, that it is a map's entry; those of fields and
// values it only copies.
void forget_options(google::protobuf::Type& type) {
  for (google::protobuf::Field& field : *type.mutable_fields()) field.clear_options();
}
void forget_options(google::protobuf::Enum& type) {
  for (google::protobuf::EnumValue& value : *type.mutable_enumvalue()) value.clear_options();
}

template <class Type>
TypeStatus remembered(std::shared_mutex& mutex, std::map<std::string, Type>& known,
                      const std::string& type_url, Type* type, auto describe) {
  {
    const std::shared_lock lock(mutex);
    const auto found = known.find(type_url);
    if (found != known.end()) {
      *type = found->second;
      return {};
    }
  }
  const TypeStatus status = describe(type_url, type);
  if (!status.ok()) return status;
  forget_options(*type);
  const std::unique_lock lock(mutex);
  known.emplace(type_url, *type);
  return {};
}

}  // namespace

SchemaTypes::SchemaTypes()
    : described_(google::protobuf::util::NewTypeResolverForDescriptorPool(
          kPrefix, google::protobuf::DescriptorPool::generated_pool())) {}

SchemaTypes& SchemaTypes::shared() {
  static SchemaTypes types;
  return types;
}

std::string SchemaTypes::url_of(const google::protobuf::Descriptor& type) {
  return std::string(kPrefix) + "/" + type.full_name();
}

TypeStatus SchemaTypes::ResolveMessageType(const std::string& type_url,
                                           google::protobuf::Type* message_type) {
  return remembered(mutex_, types_, type_url, message_type, [this](const auto& url, auto* type) {
    return described_->ResolveMessageType(url, type);
  });
}

TypeStatus SchemaTypes::ResolveEnumType(const std::string& type_url,
                                        google::protobuf::Enum* enum_type) {
  return remembered(mutex_, enums_, type_url, enum_type, [this](const auto& url, auto* type) {
    return described_->ResolveEnumType(url, type);
  });
}

}  // namespace fallow::server
