// The console's sessions end to end: sign-in, what they let in and what they do not, and their end.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "server/api.h"
#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

const net::HeaderField kOwnPage{"Sec-Fetch-Site", "same-origin"};

Reply sign_in(LoopbackMarket& market, const std::string& key) {
  return market.post("/v1/session", "", fmt::format(R"({{"api_key": "{}"}})", key), {kOwnPage});
}

TEST(ApiSession, AKeyBecomesACookieThatNoScriptReads) {
  LoopbackMarket market;
  const People people(market);
  const Reply signed_in = sign_in(market, people.renter);
  ASSERT_EQ(signed_in.status, 200) << signed_in.body;
  EXPECT_EQ(signed_in.at("account.id"), market.account_of(people.renter));
  EXPECT_EQ(signed_in.at("scopes.0"), "RENTER");
  EXPECT_FALSE(signed_in.at("expires_at").empty());
  EXPECT_EQ(signed_in.body.find("fk_"), signed_in.body.npos);
  const std::string& set = *signed_in.headers.find("Set-Cookie");
  for (const char* part : {"; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=604800"}) {
    EXPECT_NE(set.find(part), set.npos) << set;
  }
  EXPECT_EQ(set.find("Domain"), set.npos);
  // The cookie is a secret of its own, nothing of the key.
  EXPECT_EQ(set.find(people.renter.substr(3)), set.npos);

  const net::Headers browser{{"Cookie", "other=1; " + cookie_of(signed_in)}, kOwnPage};
  EXPECT_EQ(market.get("/v1/account", "", browser).at("id"), market.account_of(people.renter));
  EXPECT_EQ(market.get("/v1/session", "", browser).at("key"), signed_in.at("key"));
  EXPECT_EQ(market.post("/v1/keys", "", "{}", browser).status, 200);
  EXPECT_EQ(market.get("/v1/accounts", "", browser).status, 403);

  EXPECT_EQ(sign_in(market, "fk_" + std::string(64, '0')).status, 401);
  EXPECT_EQ(sign_in(market, "nonsense").status, 401);
  EXPECT_EQ(sign_in(market, "").at("field"), "api_key");
}

TEST(ApiSession, OverTlsTheCookieIsTheHostsAlone) {
  LoopbackMarket market({}, false);
  const People people(market);
  const Reply signed_in = sign_in(market, people.renter);
  ASSERT_EQ(signed_in.status, 200) << signed_in.body;
  const std::string& set = *signed_in.headers.find("Set-Cookie");
  EXPECT_TRUE(set.starts_with("__Host-fallow-")) << set;
  EXPECT_TRUE(set.ends_with("; Secure")) << set;
}

TEST(ApiSession, OnlyTheServersOwnPagesMayUseIt) {
  LoopbackMarket market;
  const People people(market);
  const std::string cookie = cookie_of(sign_in(market, people.renter));
  const std::string host = market.server().url().substr(market.server().url().find("//") + 2);
  const struct {
    const char* what;
    net::Headers headers;
    int get, post;
  } cases[] = {
      {"its own page", {kOwnPage}, 200, 200},
      {"its own page, in an older browser", {{"Origin", "http://" + host}}, 200, 200},
      {"behind a proxy that speaks TLS", {{"Origin", "https://" + host}}, 200, 200},
      {"another site", {{"Sec-Fetch-Site", "cross-site"}}, 403, 403},
      {"another port of this host",
       {{"Sec-Fetch-Site", "same-site"}, {"Origin", "http://" + host}},
       403,
       403},
      {"another site, in an older browser", {{"Origin", "https://evil.example"}}, 403, 403},
      {"a sandboxed frame", {{"Origin", "null"}}, 403, 403},
      {"a name that only begins alike", {{"Origin", "http://" + host + ".evil.example"}}, 403, 403},
      {"an address typed by hand", {{"Sec-Fetch-Site", "none"}}, 200, 403},
      {"a browser that says nothing", {}, 200, 403},
  };
  for (const auto& c : cases) {
    net::Headers headers = c.headers;
    headers.set("Cookie", cookie);
    EXPECT_EQ(market.get("/v1/account", "", headers).status, c.get) << c.what;
    const Reply post = market.post("/v1/keys", "", "{}", headers);
    EXPECT_EQ(post.status, c.post) << c.what;
    EXPECT_EQ(post.at("code"), c.post == 403 ? "cross_site" : "") << c.what;
    // With the key itself in the header, the cookie and where it comes from do not count.
    EXPECT_EQ(market.post("/v1/keys", people.renter, "{}", headers).status, 200) << c.what;
    // Nor does another site sign anybody in.
    EXPECT_EQ(
        market
            .post("/v1/session", "", fmt::format(R"({{"api_key": "{}"}})", people.other), c.headers)
            .status,
        c.post)
        << c.what;
  }
}

TEST(ApiSession, ItEndsBySignOutAndWithItsKey) {
  LoopbackMarket market;
  const People people(market);
  const Reply key = market.post("/v1/keys", people.renter, R"({"label": "laptop"})");
  const std::string first = cookie_of(sign_in(market, key.at("api_key")));
  const std::string second = cookie_of(sign_in(market, key.at("api_key")));
  const auto status = [&](const std::string& cookie) {
    return market.get("/v1/account", "", {{"Cookie", cookie}, kOwnPage}).status;
  };
  EXPECT_NE(first, second);
  EXPECT_EQ(status(first), 200);
  const Reply out = market.send("DELETE", "/v1/session", "", {}, {{"Cookie", first}, kOwnPage});
  EXPECT_EQ(out.status, 200) << out.body;
  EXPECT_NE(out.headers.find("Set-Cookie")->find("Max-Age=0"), std::string::npos);
  const Reply after = market.get("/v1/account", "", {{"Cookie", first}, kOwnPage});
  EXPECT_EQ(after.status, 401);
  EXPECT_EQ(after.at("code"), "session_unknown");
  EXPECT_EQ(status(second), 200);

  // It outlives the server, and not its key.
  market.restart();
  EXPECT_EQ(status(second), 200);
  EXPECT_EQ(status(first), 401);
  EXPECT_EQ(market.send("DELETE", "/v1/keys/" + key.at("key.id"), people.renter, {}, {}).status,
            200);
  EXPECT_EQ(status(second), 401);
  EXPECT_EQ(market.send("DELETE", "/v1/session", people.renter, {}, {}).status, 404);
}

TEST(ApiSession, ItExpiresWithItsTimeOrItsKeys) {
  ServerOptions options;
  options.sessions.lifetime = seconds(1);
  LoopbackMarket market(std::move(options));
  const People people(market);
  net::Headers browser;
  int status = 0;
  // On a machine that is busy its second may be over before it is used: then with another one.
  for (bool in_time = false; status != 200 && !in_time;) {
    const auto begun = std::chrono::steady_clock::now();
    browser = net::Headers{{"Cookie", cookie_of(sign_in(market, people.renter))}, kOwnPage};
    status = market.get("/v1/account", "", browser).status;
    in_time = std::chrono::steady_clock::now() - begun < std::chrono::seconds(1);
  }
  EXPECT_EQ(status, 200);
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
  EXPECT_EQ(market.get("/v1/account", "", browser).at("code"), "session_unknown");

  LoopbackMarket other;
  const std::string renter = other.add_account("renter", "RENTER");
  const Reply key = other.post("/v1/keys", renter, R"({"hours": 1})");
  EXPECT_EQ(sign_in(other, key.at("api_key")).at("expires_at"), key.at("key.expires_at"));
}

TEST(ApiSession, AStreamEndsWhenItsSessionDoes) {
  ServerOptions options;
  options.api.heartbeat = milliseconds(50);
  LoopbackMarket market(std::move(options));
  const People people(market);
  const std::string cookie = cookie_of(sign_in(market, people.renter));
  std::atomic<bool> begun = false;
  std::atomic<bool> ended = false;
  std::thread follower([&] {
    net::HttpClientOptions client_options;
    client_options.url = *net::parse_url(market.server().url());
    net::BlockingHttpClient client(client_options);
    net::ClientRequest request;
    request.target = "/v1/events?after=1";
    request.headers = {{"Cookie", cookie}, kOwnPage};
    request.stall_timeout = seconds(10);
    request.sink = [&begun](std::string_view) -> Status {
      begun = true;
      return {};
    };
    EXPECT_TRUE(client.send(std::move(request)));  // ends in good order
    ended = true;
  });
  for (int i = 0; i < 1'000 && !begun; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(begun);
  EXPECT_FALSE(ended);
  EXPECT_EQ(market.send("DELETE", "/v1/session", "", {}, {{"Cookie", cookie}, kOwnPage}).status,
            200);
  follower.join();
}

TEST(ApiSession, GuessesAreHeldBack) {
  ServerOptions options;
  options.api.per_peer = {0.001, 5};
  LoopbackMarket market(std::move(options));
  int refused = 0;
  for (int i = 0; i < 20; ++i) {
    const net::Headers guess{{"Cookie", fmt::format("fallow-00000000={:064}", i)}, kOwnPage};
    if (market.get("/v1/account", "", guess).status == 429) ++refused;
    if (sign_in(market, fmt::format("fk_{:064}", i)).status == 429) ++refused;
  }
  EXPECT_EQ(refused, 35);
}

TEST(ApiSession, MalformedCookiesAreNone) {
  LoopbackMarket market;
  const People people(market);
  const std::string cookie = cookie_of(sign_in(market, people.renter));
  const std::string name = cookie.substr(0, cookie.find('='));
  for (const std::string& wrong :
       {name, name + "=", name + "=" + std::string(64, 'g'), name + "=" + std::string(63, 'a'),
        "x" + cookie, cookie + "0", std::string(4'000, ';'), name + "=" + std::string(64, 'A')}) {
    EXPECT_EQ(market.get("/v1/account", "", {{"Cookie", wrong}, kOwnPage}).status, 401) << wrong;
  }
  EXPECT_EQ(market.get("/v1/account", "", {{"Cookie", name + "=x; " + cookie}, kOwnPage}).status,
            200);
}

TEST(ApiSession, PagesAndArtifactsShareTheOriginSafely) {
  ServerOptions options;
  TemporaryFolder pages;
  ASSERT_TRUE(replace_file(pages.path() + "/index.html", "<html>console</html>"));
  options.console = pages.path();
  LoopbackMarket market(std::move(options));
  const People people(market);
  const Reply page = market.get("/jobs/7", "");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "<html>console</html>");
  EXPECT_NE(page.headers.find("Content-Security-Policy"), nullptr);
  EXPECT_EQ(market.get("/nothing", "").at("code"), "route_unknown");
  EXPECT_EQ(market.get("/%2e%2e/operator.key", "").status, 400);
  EXPECT_EQ(market.get("/..%2foperator.key", "").status, 404);
  EXPECT_EQ(market.post("/jobs", "", "{}").status, 404);
  EXPECT_EQ(market.send("HEAD", "/", "", {}, {}).status, 200);

  const std::string script = "<script>alert(1)</script>";
  const std::string path = "/v1/artifacts/" + to_hex(digest_of(std::string_view(script)));
  EXPECT_EQ(
      market
          .send("PUT", path, people.renter, script, {{"Content-Type", "application/octet-stream"}})
          .status,
      201);
  const Reply bytes = market.get(path, people.renter);
  EXPECT_EQ(*bytes.headers.find("Content-Disposition"), "attachment");
  EXPECT_EQ(*bytes.headers.find("X-Content-Type-Options"), "nosniff");
  EXPECT_NE(bytes.headers.find("Content-Security-Policy")->find("sandbox"), std::string::npos);
}

TEST(ApiSession, AConsoleThatIsNoneStopsTheStart) {
  TemporaryFolder data, empty;
  auto folder = DataFolder::open(data.path());
  ASSERT_TRUE(folder);
  log::MemoryLog log;
  const auto clock = system_clock();
  const auto random = system_random();
  ServerOptions options;
  options.port = 0;
  options.plain_http = true;
  options.console = empty.path();
  ServerParts parts;
  parts.engine.log = &log;
  parts.engine.clock = clock.get();
  parts.random = random.get();
  const auto server = Server::start(*folder, options, parts);
  ASSERT_FALSE(server);
  EXPECT_NE(server.error().message.find("make web"), std::string::npos) << server.error().message;
}

}  // namespace
}  // namespace fallow::server
