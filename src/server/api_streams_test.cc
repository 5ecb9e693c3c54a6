// Files that are streams: that a client hears while much is looked through, and what ends them. A
// whole Api, over a history that reads on only when the test lets it.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "net/loopback_test_support.h"
#include "server/api.h"
#include "server/key_uses.h"
#include "server/loopback_market_test.h"
#include "server/watched_market_test.h"

namespace fallow::server {
namespace {

// A number of readings, of which each finds an entry, or none does.
class HeldAudit final : public AuditSource {
 public:
  HeldAudit(std::size_t readings, bool finds) : readings_(readings), finds_(finds) {}

  Result<Page> search(const Filter& /*wanted*/, std::optional<Place> /*before*/,
                      std::size_t /*count_max*/) override {
    std::unique_lock lock(mutex_);
    ++begun_;
    changed_.notify_all();
    if (!changed_.wait_for(lock, kPatience, [this] { return begun_ <= let_; })) {
      return fail(ErrorCode::kTimedOut, "nobody lets reading {} go on", begun_);
    }
    Page page;
    if (finds_) page.entries.emplace_back().set_index(begun_);
    if (begun_ < readings_) page.next = Place{LogIndex(readings_ - begun_), 0};
    return page;
  }
  bool wait_for(LogIndex /*index*/, Duration /*wait*/) override { return true; }

  // So many readings go on, in all.
  void let(std::size_t readings) {
    const std::lock_guard lock(mutex_);
    let_ = readings;
    changed_.notify_all();
  }
  // False when so many have not begun after a time that only what hangs takes.
  bool wait_until_begun(std::size_t readings) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return begun_ >= readings; });
  }
  std::size_t begun() {
    const std::lock_guard lock(mutex_);
    return begun_;
  }

 private:
  static constexpr std::chrono::minutes kPatience{1};

  const std::size_t readings_;
  const bool finds_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t begun_ = 0;
  std::size_t let_ = 0;
};

// An Api of its own, with the operator's key.
class FileApi {
 public:
  explicit FileApi(HeldAudit& audit) : market_(found(), {&keys_}) {
    ApiEdges edges;
    edges.store = store_.get();
    edges.disk = &disk_;
    edges.console = &console_;
    edges.access_log = access_log_.get();
    edges.clock = &market_.clock();
    api_ = std::make_unique<Api>(std::move(edges), ApiLimits());
    ApiParts parts;
    parts.engine = &market_.engine();
    parts.clock = &market_.clock();
    parts.keys = &keys_;
    parts.key_uses = key_uses_.get();
    parts.audit = &audit;
    parts.disk = &disk_;
    api_->open(parts);
    http_ = std::make_unique<net::LoopbackServer>(
        [this](net::Exchange& exchange) { return api_->serve(exchange); });
  }
  // Nobody wakes a handler whose threads are gone.
  ~FileApi() {
    http_->server->stop(Duration());
    disk_.stop();
    market_.stop();
  }

  Result<net::Response> get(net::ClientRequest request) {
    request.headers.set("Authorization", "Bearer " + key_text(kOperatorSecret));
    request.response_timeout = request.stall_timeout = minutes(3);
    net::BlockingHttpClient client(http_->client_options());
    return client.send(std::move(request));
  }
  bool is_serving() const { return http_->server->connection_count() > 0; }
  // Whether all has ended by itself.
  bool stop() { return http_->server->stop(seconds(30)); }
  void revoke_key() {
    v1::Command command;
    command.mutable_revoke_key()->set_secret_hash(to_bytes(digest_of(kOperatorSecret)));
    market_.do_it(std::move(command));
    // The cache hears of it behind the answer, before whatever is looked at next.
    EXPECT_TRUE(market_.look([](const core::Machine& machine) {
      return machine.key(digest_of(kOperatorSecret)) == nullptr;
    }));
  }

 private:
  static constexpr std::string_view kOperatorSecret = "the thirty-two bytes of a secret";
  static v1::Found found() {
    v1::Found found = engine::test_found();
    found.set_operator_key_hash(to_bytes(digest_of(kOperatorSecret)));
    return found;
  }

  TemporaryFolder folder_;
  std::unique_ptr<artifacts::BlobStore> store_ =
      *artifacts::BlobStore::open(folder_.path() + "/artifacts", artifacts::StoreLimits());
  std::unique_ptr<AccessLog> access_log_ = *AccessLog::open(folder_.path() + "/access.log");
  std::unique_ptr<KeyUses> key_uses_ = *KeyUses::open(folder_.path() + "/key_uses.db");
  ConsoleFiles console_;
  KeyCache keys_;
  WatchedMarket market_;
  DiskPool disk_{1};
  std::unique_ptr<Api> api_;
  std::unique_ptr<net::LoopbackServer> http_;
};

TEST(ApiFiles, TheAnswerBeginsBeforeAllIsLookedThrough) {
  HeldAudit audit(100, false);
  FileApi api(audit);
  audit.let(50);
  net::ClientRequest request;
  request.target = "/v1/audit.ndjson";
  request.on_head = [&](const net::Response&) -> Status {
    audit.let(100);
    return {};
  };
  const auto file = api.get(std::move(request));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->status, 200) << file->body;
  EXPECT_EQ(file->body, "");
  EXPECT_EQ(audit.begun(), 100U);
}

// They find nothing for far longer than the test has patience.
TEST(ApiFiles, AClientThatIsGoneEndsThemThoughTheyFindNothing) {
  constexpr std::size_t kForLong = 100'000'000;
  HeldAudit audit(kForLong, false);
  FileApi api(audit);
  audit.let(kForLong);
  net::ClientRequest request;
  request.target = "/v1/audit.ndjson";
  request.on_head = [&](const net::Response&) -> Status {
    EXPECT_TRUE(api.is_serving());
    return fail(ErrorCode::kFailed, "enough");
  };
  EXPECT_FALSE(api.get(std::move(request)));
  EXPECT_TRUE(net::eventually([&] { return !api.is_serving(); }));
  EXPECT_LT(audit.begun(), kForLong);
}

TEST(ApiFiles, AStoppingServerEndsThemThoughTheyFindNothing) {
  constexpr std::size_t kForLong = 100'000'000;
  HeldAudit audit(kForLong, false);
  FileApi api(audit);
  audit.let(kForLong);
  std::atomic<bool> has_begun = false;
  Result<net::Response> file = net::Response();
  std::thread asking([&] {
    net::ClientRequest request;
    request.target = "/v1/audit.ndjson";
    request.on_head = [&](const net::Response&) -> Status {
      has_begun = true;
      return {};
    };
    file = api.get(std::move(request));
  });
  EXPECT_TRUE(net::eventually([&] { return has_begun.load(); }));
  EXPECT_TRUE(api.stop());
  asking.join();
  EXPECT_FALSE(file) << "it looks whole";
  EXPECT_LT(audit.begun(), kForLong);
}

TEST(ApiFiles, ARevokedKeyEndsThemWithoutAnEnd) {
  HeldAudit audit(5, true);
  FileApi api(audit);
  audit.let(1);
  std::string text;
  net::ClientRequest request;
  request.target = "/v1/audit.ndjson";
  request.sink = [&](std::string_view bytes) -> Status {
    if (text.empty()) {
      EXPECT_TRUE(audit.wait_until_begun(2));
      api.revoke_key();
      audit.let(5);
    }
    text += bytes;
    return {};
  };
  const auto file = api.get(std::move(request));
  EXPECT_FALSE(file) << "it looks whole";
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_EQ(audit.begun(), 2U);
}

}  // namespace
}  // namespace fallow::server
