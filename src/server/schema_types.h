// SchemaTypes: what protobuf's JSON converters ask of the schema's types. Its own resolver
// describes a type anew, by reflection, each time that a message is written; this one remembers.
//
// Owner: the process, by shared(). Any thread.
#pragma once

#include <google/protobuf/type.pb.h>
#include <google/protobuf/util/type_resolver.h>

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>

namespace fallow::server {

class SchemaTypes final : public google::protobuf::util::TypeResolver {
 public:
  SchemaTypes();

  static SchemaTypes& shared();
  // How the reader names the type of a message.
  static std::string url_of(const google::protobuf::Descriptor& type);

  google::protobuf::util::Status ResolveMessageType(const std::string& type_url,
                                                    google::protobuf::Type* message_type) override;
  google::protobuf::util::Status ResolveEnumType(const std::string& type_url,
                                                 google::protobuf::Enum* enum_type) override;

 private:
  const std::unique_ptr<google::protobuf::util::TypeResolver> described_;
  std::shared_mutex mutex_;                              // guards what follows
  std::map<std::string, google::protobuf::Type> types_;  // at most those of the schema
  std::map<std::string, google::protobuf::Enum> enums_;
};

}  // namespace fallow::server
