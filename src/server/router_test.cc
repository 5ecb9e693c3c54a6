#include "server/router.h"

#include <gtest/gtest.h>

#include <set>

#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/openapi.h"

namespace fallow::server {
namespace {

net::Target target(std::string_view text) {
  auto parsed = net::parse_target(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : net::Target{};
}

template <class Request>
Answer<Request> read(const Router& router, std::string_view method, std::string_view path,
                     std::string_view body = {}) {
  const net::Target parsed = target(path);
  const Router::Match match = router.match(method, parsed);
  if (match.route == nullptr) return refuse(404, "route_unknown", "{}", path);
  FALLOW_ASSIGN(const auto message, router.read_request(*match.route, parsed, body));
  return static_cast<const Request&>(*message);
}

TEST(Router, EveryRouteIsFoundByItsOwnMethodAndPath) {
  const Router router;
  std::set<std::string> seen;
  for (const Route& route : router.routes()) {
    std::string path = route.path;
    for (std::size_t open; (open = path.find('{')) != path.npos;) {
      path.replace(open, path.find('}') - open + 1, "7");
    }
    EXPECT_EQ(router.match(route.method, target(path)).route, &route) << route.path;
    EXPECT_TRUE(seen.insert(route.method + " " + route.path).second) << route.path;
  }
  EXPECT_GT(seen.size(), 30U);
}

TEST(Router, EveryRpcHasAHandler) {
  const Router router;
  const Handlers handlers(router);  // stops the process when one is missing
  for (const Route& route : router.routes()) {
    EXPECT_EQ(static_cast<bool>(handlers.stream(route)), route.is_stream()) << route.path;
  }
}

TEST(Router, TellsAWrongMethodFromAWrongPath) {
  const Router router;
  EXPECT_EQ(router.match("GET", target("/v1/nothing")).route, nullptr);
  EXPECT_EQ(router.match("GET", target("/v1/nothing")).allow, "");
  EXPECT_EQ(router.match("PATCH", target("/v1/orders")).allow, "POST, GET");
  EXPECT_EQ(router.match("GET", target("/v1/orders/")).route,
            router.match("GET", target("/v1/orders")).route);
  EXPECT_EQ(router.match("GET", target("/v1/orders/1/2/3")).allow, "");
}

TEST(Router, FillsFromPathQueryAndBody) {
  const Router router;
  const auto lease = read<v1::GetLeaseRequest>(router, "GET", "/v1/leases/42");
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->lease(), 42U);
  const auto leases =
      read<v1::ListLeasesRequest>(router, "GET", "/v1/leases?open_only=true&node=7&page_size=5");
  ASSERT_TRUE(leases);
  EXPECT_TRUE(leases->open_only());
  EXPECT_EQ(leases->node(), 7U);
  const auto offer = read<v1::SetOfferRequest>(router, "PUT", "/v1/nodes/9/offer",
                                               R"({"price_per_hour": "0.20"})");
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->node(), 9U);
  EXPECT_EQ(offer->price_per_hour(), "0.20");
  EXPECT_TRUE(read<v1::SetOfferRequest>(router, "PUT", "/v1/nodes/9/offer", R"({"node": "9"})"));
}

TEST(Router, RefusesWhatDoesNotBelong) {
  const Router router;
  const auto code = [&](std::string_view method, std::string_view path,
                        std::string_view body = {}) {
    const net::Target parsed = target(path);
    const auto answer = router.read_request(*router.match(method, parsed).route, parsed, body);
    return answer ? "" : answer.error().code() + " " + answer.error().field();
  };
  EXPECT_EQ(code("GET", "/v1/leases?nope=1"), "unknown_field nope");
  EXPECT_EQ(code("GET", "/v1/leases/42?lease=43"), "unknown_field lease");
  EXPECT_EQ(code("GET", "/v1/leases/x"), "type_wrong lease");
  EXPECT_EQ(code("GET", "/v1/leases/-1"), "type_wrong lease");
  EXPECT_EQ(code("GET", "/v1/leases/99999999999999999999"), "type_wrong lease");
  EXPECT_EQ(code("GET", "/v1/leases", "{}"), "body_unexpected ");
  EXPECT_EQ(code("POST", "/v1/quotes?hours=2"), "unknown_field hours");
  EXPECT_EQ(code("PUT", "/v1/nodes/9/offer", R"({"node": "8"})"), "value_invalid node");
  EXPECT_EQ(code("GET", "/v1/leases?%ff=1"), "unknown_field ");
}

TEST(OpenApi, SaysTheSameEveryTimeAndNamesEveryRoute) {
  const std::string text = openapi_json();
  EXPECT_EQ(text, openapi_json());
  EXPECT_TRUE(text.ends_with("}\n"));
  const Router router;
  for (const Route& route : router.routes()) {
    EXPECT_NE(text.find("\"" + route.path + "\""), text.npos) << route.path;
    EXPECT_NE(text.find("\"operationId\": \"" + route.rpc->name() + "\""), text.npos);
  }
  EXPECT_NE(text.find("\"/v1/artifacts/{digest}\""), text.npos);
  // Every reference leads somewhere.
  constexpr std::string_view kRef = "#/components/schemas/";
  for (std::size_t at = text.find(kRef); at != text.npos; at = text.find(kRef, at + 1)) {
    const std::size_t begin = at + kRef.size();
    const std::string name = text.substr(begin, text.find('"', begin) - begin);
    EXPECT_NE(text.find("      \"" + name + "\": {"), text.npos) << name;
  }
}

}  // namespace
}  // namespace fallow::server
