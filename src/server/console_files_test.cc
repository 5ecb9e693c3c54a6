#include "server/console_files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "net/url.h"

namespace fallow::server {
namespace {

namespace fs = std::filesystem;

class ConsoleFilesTest : public testing::Test {
 protected:
  ConsoleFilesTest() {
    std::string folder = testing::TempDir() + "fallow-console-XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    outside_ = folder;
    folder_ = folder + "/dist";
    fs::create_directories(folder_ + "/assets");
    write("/index.html", "<html>the console</html>");
    write("/favicon.svg", "<svg/>");
    write("/assets/index-1a2b.js", "plain script");
    write("/assets/index-1a2b.js.br", "brotli");
    write("/assets/index-1a2b.js.gz", "gzip");
    EXPECT_TRUE(replace_file(outside_ + "/secret", "not to be served"));
    fs::create_symlink(outside_ + "/secret", folder_ + "/assets/link.js");
  }
  ~ConsoleFilesTest() override { fs::remove_all(outside_); }

  void write(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(replace_file(folder_ + name, bytes));
  }
  static std::optional<net::Response> get(const ConsoleFiles& console, const std::string& target,
                                          net::Headers headers = {}) {
    net::Request request;
    request.method = "GET";
    request.target = target;
    auto parts = net::parse_target(target);
    if (!parts) return std::nullopt;  // the server answers 400 before anybody is asked
    request.parts = std::move(*parts);
    request.headers = std::move(headers);
    return console.find(request);
  }
  ConsoleFiles load() {
    auto loaded = ConsoleFiles::load(folder_);
    EXPECT_TRUE(loaded) << loaded.error().message;
    return std::move(*loaded);
  }

  std::string outside_, folder_;
};

TEST_F(ConsoleFilesTest, PagesGiveTheIndexAndAreNeverKept) {
  const ConsoleFiles console = load();
  for (const char* page :
       {"/", "/market", "/jobs", "/jobs/4096", "/wallet?tab=budget", "/teams", "/index.html"}) {
    const auto answer = get(console, page);
    ASSERT_TRUE(answer) << page;
    EXPECT_EQ(answer->status, 200) << page;
    EXPECT_EQ(answer->body, "<html>the console</html>") << page;
    EXPECT_EQ(*answer->headers.find("Cache-Control"), "no-store") << page;
    EXPECT_EQ(*answer->headers.find("Content-Type"), "text/html; charset=utf-8") << page;
  }
  for (const char* other : {"/v1", "/v1/orders", "/healthz", "/marketing", "/nothing", "/assets/",
                            "/assets/gone.js", "/index.htm"}) {
    EXPECT_FALSE(get(console, other)) << other;
  }
}

TEST_F(ConsoleFilesTest, HashedFilesAreKeptForEverAndOthersAskedFor) {
  const ConsoleFiles console = load();
  const auto script = get(console, "/assets/index-1a2b.js");
  ASSERT_TRUE(script);
  EXPECT_EQ(*script->headers.find("Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(*script->headers.find("Content-Type"), "text/javascript; charset=utf-8");
  const auto icon = get(console, "/favicon.svg");
  ASSERT_TRUE(icon);
  EXPECT_EQ(*icon->headers.find("Cache-Control"), "no-cache");
  const auto again = get(console, "/favicon.svg", {{"If-None-Match", *icon->headers.find("ETag")}});
  EXPECT_EQ(again->status, 304);
  EXPECT_EQ(again->body, "");
  EXPECT_EQ(get(console, "/favicon.svg", {{"If-None-Match", "\"older\""}})->status, 200);
}

TEST_F(ConsoleFilesTest, TheBestCodingThatTheBrowserTakes) {
  const ConsoleFiles console = load();
  const auto body = [&](const char* accepted) {
    return get(console, "/assets/index-1a2b.js", {{"Accept-Encoding", accepted}})->body;
  };
  EXPECT_EQ(body("gzip, deflate, br"), "brotli");
  EXPECT_EQ(body("gzip;q=0.5"), "gzip");
  EXPECT_EQ(body("br;q=0, gzip"), "gzip");
  EXPECT_EQ(body("identity"), "plain script");
  EXPECT_EQ(body("broccoli"), "plain script");
  const auto answer = get(console, "/assets/index-1a2b.js", {{"Accept-Encoding", "br"}});
  EXPECT_EQ(*answer->headers.find("Content-Encoding"), "br");
  EXPECT_EQ(*answer->headers.find("Vary"), "Accept-Encoding");
}

TEST_F(ConsoleFilesTest, NothingOutsideTheFolderIsServed) {
  const ConsoleFiles console = load();
  for (const char* path :
       {"/assets/link.js", "/../secret", "/assets/../../secret", "/assets/%2e%2e/%2e%2e/secret",
        "/..%2fsecret", "/assets/..%2f..%2fsecret", "//secret", "/assets//index-1a2b.js",
        "/assets/index-1a2b.js/", "/assets/index-1a2b.js.br", "/assets%2findex-1a2b.js%00"}) {
    const auto answer = get(console, path);
    EXPECT_TRUE(!answer || answer->body != "not to be served") << path;
    EXPECT_FALSE(answer) << path;
  }
}

TEST_F(ConsoleFilesTest, EveryAnswerIsGuarded) {
  const ConsoleFiles console = load();
  for (const auto& answer :
       {get(console, "/"), get(console, "/assets/index-1a2b.js"), get(ConsoleFiles(), "/market")}) {
    ASSERT_TRUE(answer);
    const std::string* policy = answer->headers.find("Content-Security-Policy");
    ASSERT_NE(policy, nullptr);
    EXPECT_NE(policy->find("default-src 'none'"), policy->npos);
    EXPECT_NE(policy->find("script-src 'self';"), policy->npos);
    EXPECT_NE(policy->find("frame-ancestors 'none'"), policy->npos);
    EXPECT_EQ(policy->find("unsafe"), policy->npos);
    EXPECT_EQ(*answer->headers.find("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(*answer->headers.find("Referrer-Policy"), "no-referrer");
  }
}

TEST_F(ConsoleFilesTest, WithoutAConsoleAPageSaysHowToBuildIt) {
  const ConsoleFiles none;
  const auto page = get(none, "/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 404);
  EXPECT_NE(page->body.find("make web"), page->body.npos);
  EXPECT_FALSE(get(none, "/assets/index-1a2b.js"));
  const auto missing = ConsoleFiles::load(outside_ + "/nothing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  const auto without_index = ConsoleFiles::load(folder_ + "/assets");
  ASSERT_FALSE(without_index);
  EXPECT_NE(without_index.error().message.find("make web"), std::string::npos);
  ConsoleLimits limits;
  limits.files_max = 2;
  EXPECT_EQ(ConsoleFiles::load(folder_, limits).error().code, ErrorCode::kTooLarge);
  limits = {};
  limits.bytes_max = 10;
  EXPECT_EQ(ConsoleFiles::load(folder_, limits).error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace fallow::server
