// Who is let into a lease's sandbox, and how the others are told: over real WebSockets, to a market
// whose node is not there, so that whoever is let in hears just that.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "net/dial.h"
#include "net/io_pool.h"
#include "net/websocket.h"
#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

// How a handshake was answered: the refusal's status, or else what was said in closing.
struct Answered {
  int status = 0;
  int code = 0;
  std::string reason;
};

class ApiTunnels : public testing::Test {
 protected:
  ApiTunnels() {
    const std::string node = market_.add_node(people_.provider, "0.20");
    const Reply order = market_.post("/v1/orders", people_.renter,
                                     R"({"requirements": {}, "workload": {"command": ["true"]}})");
    EXPECT_EQ(order.status, 200) << order.body;
    lease_ = order.at("tasks.0.lease");
    market_.report(node, lease_, v1::RUNNING, 1'000);
    const std::string url = market_.server().url();
    host_ = url.substr(url.find("//") + 2);
  }

  std::string session_of(const std::string& key) {
    return cookie_of(market_.post("/v1/session", "", fmt::format(R"({{"api_key": "{}"}})", key),
                                  {{"Sec-Fetch-Site", "same-origin"}}));
  }
  // `query`: the address's, "?team=8192".
  Answered reach(net::Headers headers, const std::string& query = "") {
    return net::block_on<Answered>(clients_.executor(0), dial(std::move(headers), query));
  }

  net::Task<Answered> dial(net::Headers headers, std::string query) {
    net::Url url = *net::parse_url(market_.server().url());
    url.target = "/v1/leases/" + lease_ + "/tunnel" + query;
    net::Response refused{0, {}, {}};
    const auto socket = co_await net::connect_websocket(
        url, nullptr, std::move(headers), net::bulk_socket_options(), seconds(20), &refused);
    Answered answered;
    answered.status = refused.status;
    if (!socket) co_return answered;
    for (;;) {
      const auto message = co_await (*socket)->receive();
      if (!message) break;
    }
    answered.code = static_cast<int>((*socket)->close_code());
    answered.reason = (*socket)->close_reason();
    co_return answered;
  }

  LoopbackMarket market_;
  People people_{market_};
  std::string lease_;
  std::string host_;
  net::IoPool clients_{1};
};

TEST_F(ApiTunnels, ASessionOpensOneFromTheServersOwnPagesOnly) {
  const std::string cookie = session_of(people_.renter);
  const struct {
    const char* what;
    net::Headers headers;
    bool is_let_in;
  } cases[] = {
      {"its own page", {{"Origin", "http://" + host_}}, true},
      {"its own page, and the browser says so",
       {{"Origin", "http://" + host_}, {"Sec-Fetch-Site", "same-origin"}},
       true},
      {"behind a proxy that speaks TLS", {{"Origin", "https://" + host_}}, true},
      {"another site", {{"Origin", "https://evil.example"}}, false},
      {"another port of this host", {{"Origin", "http://127.0.0.1:1"}}, false},
      {"another port, and the browser says so",
       {{"Origin", "http://" + host_}, {"Sec-Fetch-Site", "same-site"}},
       false},
      {"a name that only begins alike", {{"Origin", "http://" + host_ + ".evil.example"}}, false},
      {"a sandboxed frame", {{"Origin", "null"}}, false},
      {"an extension", {{"Origin", "chrome-extension://abcdef"}}, false},
      {"an address typed by hand", {{"Sec-Fetch-Site", "none"}}, false},
      {"a browser that says nothing", {}, false},
  };
  for (const auto& c : cases) {
    net::Headers headers = c.headers;
    headers.set("Cookie", cookie);
    const Answered answered = reach(headers);
    EXPECT_EQ(answered.status, c.is_let_in ? 0 : 403) << c.what;
    EXPECT_EQ(answered.code, c.is_let_in ? 4503 : 0) << c.what;
    // With the key itself in the header, where it comes from does not count, nor does the cookie.
    headers.set("Authorization", "Bearer " + people_.renter);
    EXPECT_EQ(reach(headers).status, 503) << c.what;
    headers.set("Authorization", "Bearer " + people_.other);
    EXPECT_EQ(reach(headers).status, 404) << c.what;
  }
}

TEST_F(ApiTunnels, ABrowserIsToldInClosingWhatItWouldNotShow) {
  const auto by_session = [&](const std::string& key) {
    return reach({{"Origin", "http://" + host_}, {"Cookie", session_of(key)}});
  };
  EXPECT_EQ(by_session(people_.renter).reason,
            "the node of lease " + lease_ + " is not connected at the moment; try again");
  const Answered other = by_session(people_.other);
  EXPECT_EQ(other.code, 4404);
  EXPECT_EQ(other.reason, "there is no lease " + lease_ + " of yours; GET /v1/leases lists them");
  // Who does not rent, and who is not signed in, is not let as far as that.
  EXPECT_EQ(by_session(people_.provider).status, 403);
  EXPECT_EQ(reach({{"Origin", "http://" + host_}}).status, 401);

  EXPECT_EQ(market_.post("/v1/leases/" + lease_ + "/stop", people_.renter, "").status, 200);
  EXPECT_EQ(by_session(people_.renter).code, 4409);
}

// A browser sends no header of a page's with its handshake, so the address says for whom it is.
TEST_F(ApiTunnels, ATeamsIsOpenedByWhoRentsForIt) {
  const std::string& team = market_.account_of(people_.renter);
  const std::string member = market_.account_of(people_.other);
  const net::Headers page{{"Origin", "http://" + host_}, {"Cookie", session_of(people_.other)}};
  const net::Headers by_key{{"Authorization", "Bearer " + people_.other}};
  const std::string for_team = "?team=" + team;
  EXPECT_EQ(reach(page, for_team).status, 404) << "of no member";
  const auto as = [&](const std::string& role) {
    EXPECT_EQ(
        market_
            .put("/v1/members/" + member, people_.renter, fmt::format(R"({{"role": "{}"}})", role))
            .status,
        200);
  };
  as("VIEWER");
  EXPECT_EQ(reach(page, for_team).status, 404) << "of who was only invited";
  EXPECT_EQ(market_.put("/v1/teams/" + team, people_.other, "{}").status, 200);
  for (const char* role : {"VIEWER", "BILLING"}) {
    as(role);
    EXPECT_EQ(reach(page, for_team).status, 403) << role;
  }
  for (const char* role : {"MEMBER", "OWNER"}) {
    as(role);
    EXPECT_EQ(reach(page, for_team).code, 4503) << role;
    EXPECT_EQ(reach(by_key, for_team).status, 503) << role;
    EXPECT_EQ(reach(page).code, 4404) << "not in the member's own name";
  }
  EXPECT_EQ(reach(page, "?team=nonsense").status, 400);
  // A header comes before the address, and only a handshake has it there.
  net::Headers named = page;
  named.set("Fallow-Team", member);
  EXPECT_EQ(reach(named, for_team).code, 4404);
  EXPECT_NE(market_.get("/v1/account?team=" + team, people_.other).at("id"), team);
}

}  // namespace
}  // namespace fallow::server
