#include "server/router.h"

#include <algorithm>

#include "base/check.h"
#include "fallow/v1/route.pb.h"
#include "fallow/v1/services.pb.h"
#include "server/json.h"

namespace fallow::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::vector<Route::Segment> parse_template(std::string_view path,
                                           const google::protobuf::Descriptor& request) {
  FALLOW_CHECK(path.starts_with('/'), "route {} does not begin with a slash", path);
  std::vector<Route::Segment> segments;
  path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    Route::Segment segment;
    if (part.starts_with('{') && part.ends_with('}')) {
      const std::string name(part.substr(1, part.size() - 2));
      segment.field = request.FindFieldByName(name);
      FALLOW_CHECK(segment.field != nullptr, "{} has no field {}", request.full_name(), name);
    } else {
      segment.text = part;
    }
    segments.push_back(std::move(segment));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

bool fits(const Route& route, const net::Target& target) {
  if (route.segments.size() != target.segments.size()) return false;
  for (std::size_t i = 0; i < route.segments.size(); ++i) {
    const Route::Segment& segment = route.segments[i];
    if (segment.field != nullptr ? target.segments[i].empty() : segment.text != target.segments[i])
      return false;
  }
  return true;
}

}  // namespace

bool Route::has_in_path(const FieldDescriptor* field) const {
  return std::any_of(segments.begin(), segments.end(),
                     [field](const Segment& segment) { return segment.field == field; });
}

std::vector<const google::protobuf::ServiceDescriptor*> api_services() {
  const google::protobuf::FileDescriptor& file = *v1::GetMarketRequest::descriptor()->file();
  std::vector<const google::protobuf::ServiceDescriptor*> services;
  for (int i = 0; i < file.service_count(); ++i) services.push_back(file.service(i));
  return services;
}

Router::Router() {
  for (const auto* service : api_services()) {
    for (int i = 0; i < service->method_count(); ++i) {
      const auto* rpc = service->method(i);
      const v1::Route& option = rpc->options().GetExtension(v1::route);
      Route route;
      route.rpc = rpc;
      route.name = service->name() + "." + rpc->name();
      route.method = option.method();
      route.path = option.path();
      route.summary = option.summary();
      route.media_type = option.media_type();
      for (const int scope : option.scopes()) route.scopes |= 1U << scope;
      route.right = option.right();
      if (route.scopes != 0 && route.method == "GET") route.right = v1::MAY_READ;
      FALLOW_CHECK((route.scopes == 0) == (route.right == v1::RIGHT_UNSPECIFIED),
                   "{} does not say which right it needs", rpc->full_name());
      route.segments = parse_template(route.path, *rpc->input_type());
      route.number = routes_.size();
      FALLOW_CHECK(!route.method.empty(), "{} has no route", rpc->full_name());
      routes_.push_back(std::move(route));
    }
  }
}

const Route* Router::find_rpc(std::string_view name) const {
  const auto found = std::find_if(routes_.begin(), routes_.end(),
                                  [name](const Route& route) { return route.name == name; });
  return found == routes_.end() ? nullptr : &*found;
}

Router::Match Router::match(std::string_view method, const net::Target& target) const {
  Match match;
  for (const Route& route : routes_) {
    if (!fits(route, target)) continue;
    if (route.method == method) {
      match.route = &route;
      return match;
    }
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += route.method;
  }
  return match;
}

Answer<std::unique_ptr<Message>> Router::read_request(const Route& route, const net::Target& target,
                                                      std::string_view body) const {
  const google::protobuf::Descriptor& type = *route.rpc->input_type();
  std::unique_ptr<Message> request(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
  if (route.method == "GET" || route.method == "DELETE") {
    if (body.find_first_not_of(" \t\r\n") != body.npos) {
      return refuse(400, "body_unexpected", "{} {} takes no body; put fields into the query",
                    route.method, route.path);
    }
    for (const auto& [name, value] : target.query) {
      const FieldDescriptor* field = type.FindFieldByName(name);
      if (field == nullptr || route.has_in_path(field)) {
        return tl::unexpected(
            make_problem(400, "unknown_field",
                         fmt::format("{} {} has no parameter of that name; see docs/api.md",
                                     route.method, route.path),
                         is_utf8(name) ? name : ""));
      }
      FALLOW_TRY(read_parameter(value, *field, *request));
    }
  } else {
    if (!target.query.empty()) {
      const std::string& name = target.query.front().first;
      return tl::unexpected(
          make_problem(400, "unknown_field",
                       fmt::format("{} {} takes its fields in the JSON body, not in the query",
                                   route.method, route.path),
                       is_utf8(name) ? name : ""));
    }
    FALLOW_TRY(read_json(body, *request));
  }
  for (std::size_t i = 0; i < route.segments.size(); ++i) {
    const FieldDescriptor* field = route.segments[i].field;
    if (field == nullptr) continue;
    if (request->GetReflection()->HasField(*request, field)) {
      std::unique_ptr<Message> copy(request->New());
      copy->CopyFrom(*request);
      FALLOW_TRY(read_parameter(target.segments[i], *field, *copy));
      if (copy->SerializeAsString() != request->SerializeAsString()) {
        return refuse_field(field->name(), "{} in the body differs from the one in the path",
                            field->name());
      }
      continue;
    }
    FALLOW_TRY(read_parameter(target.segments[i], *field, *request));
  }
  return request;
}

}  // namespace fallow::server
