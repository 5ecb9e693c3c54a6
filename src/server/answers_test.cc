// What every answer has, whoever asks for whatever: it is guarded, leads nowhere else, and nothing
// that was sent becomes a header of it.
#include <gtest/gtest.h>

#include <set>

#include "server/access_rows_test.h"
#include "server/access_world_test.h"

namespace fallow::server {
namespace {

const std::set<std::string> kMediaTypes{
    "application/json",          "application/problem+json",
    "application/octet-stream",  "text/event-stream",
    "text/plain; charset=utf-8", "text/plain; version=0.0.4; charset=utf-8",
    "text/csv; charset=utf-8",   "application/x-ndjson"};

// `wanted`: what the table of routes says, of a question that it has.
void expect_guarded(const Reply& reply, const std::string& what, int wanted = 0) {
  EXPECT_GE(reply.status, 200) << what;
  // Done, or the asker's fault; or that he is to ask again, where the table says so: the world's
  // node is never connected.
  EXPECT_TRUE(
      reply.status < 300 || (reply.status >= 400 && reply.status < 500) ||
      (wanted == 503 && reply.status == 503 && reply.headers.find("Retry-After") != nullptr))
      << what << ": " << reply.status << reply.body;
  EXPECT_EQ(reply.headers.find("Location"), nullptr) << what;
  EXPECT_EQ(reply.headers.find("Refresh"), nullptr) << what;
  EXPECT_EQ(reply.headers.find("Access-Control-Allow-Origin"), nullptr) << what;
  EXPECT_EQ(reply.headers.find("X-Forged"), nullptr) << what;
  if (!reply.body.empty()) {
    // Never a page: JSON that holds a stranger's words is read as nothing else.
    const std::string* type = reply.headers.find("Content-Type");
    ASSERT_NE(type, nullptr) << what;
    EXPECT_TRUE(kMediaTypes.contains(*type)) << what << ": " << *type;
    const std::string* sniff = reply.headers.find("X-Content-Type-Options");
    ASSERT_NE(sniff, nullptr) << what;
    EXPECT_EQ(*sniff, "nosniff") << what;
  }
}

TEST(Answers, AreGuardedAndLeadNowhereElse) {
  for (const Who who : {kNobody, kRenter, kOperator}) {
    AccessWorld world;
    for (const AccessRow& row : kAccessTable) {
      const Reply reply = world.ask(row, world.key(who));
      expect_guarded(reply, fmt::format("{} as {}", row.route, kCallerNames[who]), row.status[who]);
      const bool signs = std::string_view(row.route).ends_with(" /v1/session");
      if (!signs) {
        EXPECT_EQ(reply.headers.find("Set-Cookie"), nullptr) << row.route;
      }
    }
  }
}

// The target of a row with `text` wherever a person's text can stand in it.
std::vector<std::string> targets_with(const AccessRow& row, const std::string& text) {
  const std::string_view route = row.route;
  std::string path(route.substr(route.find(' ') + 1));
  std::vector<std::string> targets{path + "?query=" + text, path + "?" + text + "=1", path + text,
                                   path + "/" + text};
  for (std::size_t open; (open = path.find('{')) != path.npos;) {
    path.replace(open, path.find('}') - open + 1, text);
  }
  targets.push_back(path);
  for (std::string& target : targets) {
    for (std::size_t open; (open = target.find('{')) != target.npos;) {
      target.replace(open, target.find('}') - open + 1, "1");
    }
  }
  return targets;
}

TEST(Answers, NothingInATargetForgesAHeaderOrLeadsAway) {
  AccessWorld world;
  for (const AccessRow& row : kAccessTable) {
    const std::string_view route = row.route;
    // Streams that find nothing wrong would go on for ever.
    if (route == "GET /v1/events") continue;
    for (const char* text :
         {"%0d%0aX-Forged:%20yes", "%0aX-Forged:%20yes%0a", "%00", "%e5%98%8a%e5%98%8dX-Forged:yes",
          "%2f%2fevil.example", "//evil.example/", "%5cevil.example", "https:%2f%2fevil.example",
          "<script>alert(1)</script>", "..%2f..%2foperator.key"}) {
      for (const std::string& target : targets_with(row, text)) {
        net::ClientRequest request;
        request.method = route.substr(0, route.find(' '));
        request.target = target;
        request.headers.set("Sec-Fetch-Site", "same-origin");
        const std::string what = request.method + " " + target;
        expect_guarded(world.market().send(std::move(request), world.key(kRenter)), what);
      }
    }
  }
}

TEST(Answers, NothingInAHeaderForgesAnother) {
  AccessWorld world;
  const std::string host = world.market().server().url();
  for (const char* name : {"Idempotency-Key", "Last-Event-ID", "Range", "Upload-Offset", "Origin",
                           "Referer", "Accept-Encoding", "If-None-Match", "X-Forwarded-Host",
                           "Forwarded", "Cookie", "Content-Type"}) {
    for (const char* value : {"%0d%0aX-Forged: yes", "x\tX-Forged: yes", "\\r\\nX-Forged: yes",
                              "//evil.example", "<script>", "\xe5\x98\x8aX-Forged: yes"}) {
      for (const char* path : {"/v1/wallet", "/v1/market", "/v1/session", "/"}) {
        const Reply reply = world.market().get(path, world.key(kRenter), {{name, value}});
        EXPECT_EQ(reply.headers.find("X-Forged"), nullptr) << name << ": " << value;
        EXPECT_EQ(reply.headers.find("Location"), nullptr) << name << ": " << value;
        EXPECT_LT(reply.status, 500) << name << ": " << value;
        EXPECT_EQ(reply.body.find("evil.example"), reply.body.npos) << name << ": " << value;
      }
    }
  }
}

// Methods that a path does not have; TRACE, which would echo what it was sent, above all.
TEST(Answers, OtherMethodsAreNotAllowedAndEchoNothing) {
  LoopbackMarket market;
  for (const char* method : {"TRACE", "PATCH", "OPTIONS"}) {
    const Reply reply = market.send(method, "/v1/account", "", {}, {{"Cookie", "secret=1"}});
    EXPECT_EQ(reply.status, 405) << method;
    EXPECT_EQ(*reply.headers.find("Allow"), "GET") << method;
    EXPECT_EQ(reply.body.find("secret"), reply.body.npos) << method;
  }
}

// Text that people give is kept as they gave it and comes back as JSON text, whole.
TEST(Answers, MarkupIsTextLikeAnyOther) {
  AccessWorld world;
  const std::string markup = R"(</script><img src=x onerror=alert(1)>\"'`&lt;)";
  const std::string key = world.market().add_account(markup, "RENTER");
  const Reply account = world.market().get("/v1/account", key);
  EXPECT_EQ(account.at("name"), R"(</script><img src=x onerror=alert(1)>"'`&lt;)");
  EXPECT_EQ(*account.headers.find("Content-Type"), "application/json");
  const Reply problem = world.market().get("/v1/offers?query=%3Cscript%3E%3D1", key);
  EXPECT_EQ(problem.status, 400);
  EXPECT_EQ(*problem.headers.find("Content-Type"), "application/problem+json");
}

}  // namespace
}  // namespace fallow::server
