// Folders out of a store whose connections break, and whose bytes may be wrong.
#include "client/transfer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/env.h"
#include "base/file.h"
#include "base/number.h"
#include "net/loopback_test_support.h"

namespace fallow::client {
namespace {

// Has blobs; cuts the first answers with one of them in the middle.
class CuttingStore {
 public:
  explicit CuttingStore(bool knows_ranges = true)
      : knows_ranges_(knows_ranges),
        loopback_([this](net::Exchange& exchange) { return answer(exchange); }) {}

  std::string add(std::string bytes, int cuts = 0) {
    const std::string digest = to_hex(digest_of(bytes));
    set(digest, std::move(bytes), cuts);
    return digest;
  }
  void set(const std::string& digest, std::string bytes, int cuts) {
    const std::lock_guard lock(mutex_);
    blobs_[digest] = {std::move(bytes), cuts};
  }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::unique_ptr<Api> api() {
    Config config;
    config.url = "http://127.0.0.1:" + std::to_string(loopback_.server->port());
    return Api::make(config, *random_).value();
  }

 private:
  struct Held {
    std::string bytes;
    int cuts = 0;
  };

  net::Task<void> answer(net::Exchange& exchange) {
    const std::string& target = exchange.request().target;
    const std::string digest = target.substr(target.rfind('/') + 1);
    const std::string* const range = exchange.request().headers.find("Range");
    std::string bytes;
    bool is_cut = false;
    bool is_there = false;
    {
      const std::lock_guard lock(mutex_);
      ++asked_;
      const auto found = blobs_.find(digest);
      is_there = found != blobs_.end();
      if (is_there) {
        bytes = found->second.bytes;
        is_cut = found->second.cuts > 0;
        if (is_cut) --found->second.cuts;
      }
    }
    if (!is_there) {
      co_await exchange.respond_problem(404, "there is none");
      co_return;
    }
    int status = 200;
    if (range != nullptr && knows_ranges_) {
      const std::string_view from =
          std::string_view(*range).substr(std::string_view("bytes=").size());
      bytes.erase(0, parse_number<std::size_t>(from.substr(0, from.size() - 1)).value());
      status = 206;
    }
    net::Headers headers;
    const Status begun = co_await exchange.start(status, std::move(headers), bytes.size());
    if (!begun) co_return;
    if (is_cut) bytes.resize(bytes.size() / 2);
    const Status written = co_await exchange.write(bytes);
    if (written && !is_cut) co_await exchange.finish();
  }

  const bool knows_ranges_;
  const std::unique_ptr<Random> random_ = system_random();
  std::mutex mutex_;
  std::map<std::string, Held> blobs_;
  int asked_ = 0;
  net::LoopbackServer loopback_;
};

// Takes blobs as the market's store does, and goes on where an upload was cut off; its server may
// be ended and begun again at the same port. Takes no more than a piece of an upload as long as
// there are cuts left; with `holds_first` it keeps the first of these waiting until the server
// ends.
class TakingStore {
 public:
  explicit TakingStore(int cuts, bool holds_first = false)
      : cuts_(cuts), holds_first_(holds_first) {
    begin();
  }

  void begin() {
    net::HttpServerOptions options;
    options.port = port_;
    loopback_.emplace([this](net::Exchange& exchange) { return answer(exchange); }, false,
                      std::move(options));
    port_ = loopback_->server->port();
  }
  void end() { loopback_.reset(); }

  std::unique_ptr<Api> api() {
    Config config;
    config.url = "http://127.0.0.1:" + std::to_string(port_);
    return Api::make(config, *random_).value();
  }
  std::string bytes_of(const std::string& content) {
    const std::lock_guard lock(mutex_);
    return blobs_[to_hex(digest_of(content))];
  }
  bool is_holding() const { return is_holding_; }

 private:
  std::string& blob_of(const net::Exchange& exchange) {
    const std::string& target = exchange.request().target;
    return blobs_[target.substr(target.rfind('/') + 1)];
  }

  net::Task<void> answer(net::Exchange& exchange) {
    const std::string method = exchange.request().method;
    net::Response response{method == "HEAD" ? 404 : 201, {}, {}};
    if (method == "POST") {
      const std::lock_guard lock(mutex_);
      response.headers.set("Upload-Offset", std::to_string(blob_of(exchange).size()));
    }
    if (method == "PUT" || method == "PATCH") {
      const bool whole = co_await take(exchange, method == "PUT");
      if (!whole) co_return;
    }
    co_await exchange.respond(std::move(response));
  }

  // False: it was cut off.
  net::Task<bool> take(net::Exchange& exchange, bool from_start) {
    if (from_start) {
      const std::lock_guard lock(mutex_);
      blob_of(exchange).clear();
    }
    for (;;) {
      const auto piece = co_await exchange.read_body_some();
      if (!piece) co_return false;
      if (piece->empty()) co_return true;
      bool is_cut = false;
      {
        const std::lock_guard lock(mutex_);
        blob_of(exchange) += *piece;
        is_cut = cuts_ > 0;
        if (is_cut) --cuts_;
      }
      if (!is_cut) continue;
      if (holds_first_.exchange(false)) {
        is_holding_ = true;
        const net::Notifier nobody(exchange.executor());
        co_await exchange.wait(nobody, seconds(60));
      }
      net::Headers headers;
      const Status begun = co_await exchange.start(200, std::move(headers), 10);
      (void)begun;  // an answer that has no end
      co_return false;
    }
  }

  const std::unique_ptr<Random> random_ = system_random();
  std::mutex mutex_;
  std::map<std::string, std::string> blobs_;
  int cuts_;
  std::atomic<bool> holds_first_;
  std::atomic<bool> is_holding_ = false;
  std::uint16_t port_ = 0;
  std::optional<net::LoopbackServer> loopback_;
};

class TransferTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_transfer_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string manifest_of(const std::string& path, const std::string& bytes) {
    return artifacts::Manifest::make({{path, false, bytes.size(), digest_of(bytes)}}, {})
        .value()
        .text();
  }
  ApiResult<std::size_t> download(CuttingStore& store, const std::string& manifest,
                                  artifacts::Layout layout = artifacts::Layout::kPieces,
                                  artifacts::Existing existing = artifacts::Existing::kRefuse) {
    TransferRules rules;
    rules.layout = layout;
    rules.existing = existing;
    return download_folder(*store.api(), manifest, folder_, rules);
  }

  std::string folder_;
};

TEST_F(TransferTest, GoesOnWhereAnAnswerBrokeOff) {
  const std::string bytes = "the weights after a week";
  for (const auto layout : {artifacts::Layout::kPieces, artifacts::Layout::kFiles}) {
    CuttingStore store;
    const bool in_pieces = layout == artifacts::Layout::kPieces;
    const std::string name = in_pieces ? "state" : "input";
    store.add(bytes, 2);
    const std::string manifest =
        store.add(manifest_of(in_pieces ? name + "/00000000" : name, bytes), 3);
    const auto got = download(store, manifest, layout);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, 1U);
    EXPECT_EQ(read_file(folder_ + "/" + name, 1'000).value(), bytes);
    EXPECT_EQ(store.asked(), 7);
  }
}

// Of another object, and after longer than one tries: what had come is not asked for again.
TEST_F(TransferTest, GoesOnInTheFolderOfADownloadThatBrokeOff) {
  const std::string bytes(64, 'x');
  CuttingStore store;
  store.add(bytes, 1'000);
  const std::string manifest = store.add(manifest_of("input", bytes));
  const auto go_on = [&] {
    return download(store, manifest, artifacts::Layout::kFiles, artifacts::Existing::kGoOn);
  };
  // Each answer is cut in its middle, and one that is down to nothing brings nothing.
  EXPECT_EQ(go_on().error().kind, ApiError::Kind::kUnreachable);
  EXPECT_EQ(read_file(folder_ + "/input", 1'000).value(), std::string(63, 'x'));
  store.set(to_hex(digest_of(bytes)), bytes, 0);
  const int asked = store.asked();
  const auto got = go_on();
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(read_file(folder_ + "/input", 1'000).value(), bytes);
  EXPECT_EQ(store.asked(), asked + 2) << "the manifest, and what was missing";
  EXPECT_EQ(plain_error(download(store, manifest, artifacts::Layout::kFiles).error()).code,
            ErrorCode::kInvalid)
      << "a person's files are not touched";
}

TEST_F(TransferTest, NothingIsGivenOutTwice) {
  CuttingStore store(false);
  const std::string manifest = store.add(manifest_of("state/00000000", "x"), 1);
  const auto got = download(store, manifest);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ApiError::Kind::kUnreachable) << "another try may do";
  EXPECT_EQ(plain_error(got.error()).code, ErrorCode::kUnreachable);
  EXPECT_EQ(store.asked(), 2);
}

// What would be wrong everywhere is told from what another try, or another node, may do.
TEST_F(TransferTest, ErrorsSayWhatIsAtFault) {
  CuttingStore store;
  const std::string digest = to_hex(digest_of("the manifest that was asked for"));
  store.set(digest, manifest_of("state/00000000", "x"), 0);
  const auto other = download(store, digest);
  ASSERT_FALSE(other);
  EXPECT_EQ(plain_error(other.error()).code, ErrorCode::kCorrupt);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));

  const std::string manifest = store.add(manifest_of("state/00000000", "right"));
  store.set(to_hex(digest_of("right")), "wrong", 0);
  EXPECT_EQ(plain_error(download(store, manifest).error()).code, ErrorCode::kCorrupt);
  store.set(to_hex(digest_of("right")), "too much of it", 0);
  const int asked = store.asked();
  EXPECT_EQ(plain_error(download(store, manifest).error()).code, ErrorCode::kCorrupt);
  EXPECT_EQ(store.asked(), asked + 2) << "it is not asked for again";

  const std::string nameless = store.add(manifest_of("state/00000000", "nowhere"));
  EXPECT_EQ(plain_error(download(store, nameless).error()).code, ErrorCode::kNotFound);

  // This side's folder is gone, or its disk is full: the checkpoint is as good as ever.
  std::filesystem::remove_all(folder_);
  EXPECT_EQ(plain_error(download(store, manifest).error()).code, ErrorCode::kFailed);
}

TEST_F(TransferTest, AnUploadGoesOnHoweverOftenItBreaksOff) {
  const std::string content(700'000, 'x');  // in pieces of 64 KiB
  ASSERT_TRUE(replace_file(folder_ + "/output", content, 0644));
  TakingStore store(8);
  const auto sent = upload_folder(*store.api(), folder_);
  ASSERT_TRUE(sent) << sent.error().message;
  EXPECT_EQ(sent->bytes_sent, content.size());
  EXPECT_EQ(store.bytes_of(content), content);
}

TEST_F(TransferTest, AnUploadGoesOnWhenTheMarketIsThereAgain) {
  const std::string content(300'000, 'x');
  ASSERT_TRUE(replace_file(folder_ + "/output", content, 0644));
  TakingStore store(1, true);
  std::thread operating([&store] {
    EXPECT_TRUE(net::eventually([&store] { return store.is_holding(); }));
    store.end();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    store.begin();
  });
  const auto api = store.api();
  const auto sent = upload_folder(*api, folder_);
  operating.join();
  ASSERT_TRUE(sent) << sent.error().message;
  EXPECT_EQ(store.bytes_of(content), content);
}

TEST_F(TransferTest, AnUploadThatWaitsForTheMarketEndsWhenItIsCancelled) {
  ASSERT_TRUE(replace_file(folder_ + "/output", std::string(300'000, 'x'), 0644));
  TakingStore store(1, true);
  std::atomic<bool> cancelled = false;
  std::thread operating([&] {
    EXPECT_TRUE(net::eventually([&store] { return store.is_holding(); }));
    store.end();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    cancelled = true;
  });
  TransferRules rules;
  rules.cancelled = &cancelled;
  const auto api = store.api();
  const auto sent = upload_folder(*api, folder_, rules);
  operating.join();
  ASSERT_FALSE(sent);
  EXPECT_EQ(plain_error(sent.error()).code, ErrorCode::kTimedOut) << sent.error().message;
}

TEST_F(TransferTest, AMarketThatIsNotThereIsToldOfAtOnce) {
  ASSERT_TRUE(replace_file(folder_ + "/output", "x", 0644));
  TakingStore store(0);
  store.end();
  const auto sent = upload_folder(*store.api(), folder_);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ApiError::Kind::kUnreachable);
}

TEST_F(TransferTest, AnUploadEndsInTimeWhileItReads) {
  CuttingStore store;
  ASSERT_TRUE(replace_file(folder_ + "/state", "x", 0644));
  TransferRules rules;
  rules.until = std::chrono::steady_clock::now();
  for (const auto layout : {artifacts::Layout::kPieces, artifacts::Layout::kFiles}) {
    rules.layout = layout;
    const auto sent = upload_folder(*store.api(), folder_, rules);
    ASSERT_FALSE(sent);
    EXPECT_EQ(plain_error(sent.error()).code, ErrorCode::kTimedOut);
    EXPECT_EQ(store.asked(), 0);
  }
}

TEST_F(TransferTest, AnUploadMayTakeAsLongAsItsPaceSays) {
  CuttingStore store;
  const std::string content(3'000, 'x');
  ASSERT_TRUE(replace_file(folder_ + "/state", content, 0644));
  store.add(content);
  TransferRules rules;
  // Over by a second for its 3,000 bytes, and not yet over for them.
  const auto from = std::chrono::steady_clock::now() - std::chrono::seconds(4);
  rules.pace = {from, 1'000};
  const auto slow = upload_folder(*store.api(), folder_, rules);
  ASSERT_FALSE(slow);
  EXPECT_EQ(plain_error(slow.error()).code, ErrorCode::kTimedOut);
  EXPECT_EQ(store.asked(), 0);
  rules.pace = {from, 1};
  const auto sent = upload_folder(*store.api(), folder_, rules);
  EXPECT_TRUE(sent || plain_error(sent.error()).code != ErrorCode::kTimedOut);
  EXPECT_GT(store.asked(), 0);
}

}  // namespace
}  // namespace fallow::client
