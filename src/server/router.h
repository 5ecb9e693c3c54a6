// The routing table, built from the services of proto/fallow/v1/services.proto: option `route` of
// each rpc names its method and path.
//
// Immutable once made; any thread. Parameters in the path and the query fill the request's fields
// by name; the JSON body fills the rest.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/account.h"
#include "fallow/v1/route.pb.h"
#include "fallow/v1/services.pb.h"
#include "net/url.h"
#include "server/problem.h"

namespace fallow::server {

// One rpc.
struct Route {
  const google::protobuf::MethodDescriptor* rpc = nullptr;
  std::string name;    // of the rpc: "Orders.GetOrder"
  std::string method;  // "GET"
  std::string path;    // "/v1/orders/{order}"
  std::string summary;
  std::string media_type;                   // of a stream that is a file; empty: events
  core::ScopeSet scopes = 0;                // one of these; 0: no key needed
  v1::Right right = v1::RIGHT_UNSPECIFIED;  // that is needed, too; unspecified without scopes
  std::size_t number = 0;                   // its place in Router::routes()

  struct Segment {
    std::string text;                                          // when field is null
    const google::protobuf::FieldDescriptor* field = nullptr;  // of the request
  };
  std::vector<Segment> segments;

  // Is this field of the request a segment of the path?
  bool has_in_path(const google::protobuf::FieldDescriptor* field) const;
  bool is_stream() const { return rpc->server_streaming(); }
  // A GET changes nothing; everything else does.
  bool is_mutating() const { return method != "GET"; }
};

class Router {
 public:
  // All services of the schema. A malformed route option is a bug (CHECK).
  Router();

  const std::vector<Route>& routes() const { return routes_; }
  // "Orders.GetOrder"; null when there is none.
  const Route* find_rpc(std::string_view name) const;

  struct Match {
    const Route* route = nullptr;  // null: see allow
    std::string allow;  // the methods that the path has: "GET, POST"; empty: no such path
  };
  Match match(std::string_view method, const net::Target& target) const;

  // The request message of a matched route. Problems: unknown_field, type_wrong, json_invalid,
  // value_invalid.
  Answer<std::unique_ptr<google::protobuf::Message>> read_request(const Route& route,
                                                                  const net::Target& target,
                                                                  std::string_view body) const;

 private:
  std::vector<Route> routes_;  // in the schema's order
};

// The services of the API, in the schema's order.
std::vector<const google::protobuf::ServiceDescriptor*> api_services();

}  // namespace fallow::server
