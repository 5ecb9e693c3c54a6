// Turns an rpc of the schema and its request into an HTTP request: the client's half of the routes
// that server/router.h reads. Pure functions, any thread.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <string_view>

namespace fallow::client {

struct RpcRequest {
  std::string method;  // "POST"
  std::string target;  // "/v1/orders/7/stop?follow=true", percent-encoded
  std::string body;    // JSON, or empty
};

// "Orders.CreateOrder"; an unknown name is a bug (CHECK).
const google::protobuf::MethodDescriptor& find_rpc(std::string_view name);

// Path parameters from the fields of their names; of GET and DELETE the rest goes into the query,
// of others into the JSON body.
RpcRequest make_rpc_request(const google::protobuf::MethodDescriptor& rpc,
                            const google::protobuf::Message& request);

}  // namespace fallow::client
