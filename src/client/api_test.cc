// Blobs to a store, and streams of a server, that answer what a test wants them to answer.
#include "client/api.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/env.h"
#include "net/loopback_test_support.h"
#include "net/sse.h"

namespace fallow::client {
namespace {

// Answers with these statuses, one after the other, and then as if all were well.
class Store {
 public:
  explicit Store(std::vector<int> statuses)
      : statuses_(std::move(statuses)),
        loopback_([this](net::Exchange& exchange) { return answer(exchange); }) {}

  // Sends a blob of so many bytes.
  bool put(std::uint64_t bytes) {
    const auto random = system_random();
    Config config;
    config.url = "http://127.0.0.1:" + std::to_string(loopback_.server->port());
    const auto api = Api::make(config, *random).value();
    const auto source = [bytes](std::uint64_t offset, std::span<char> into) -> Result<std::size_t> {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes - offset, 5));
      std::fill_n(into.begin(), count, 'x');
      return count;
    };
    return api->put_blob(std::string(64, 'a'), bytes, source).has_value();
  }
  // The methods of the requests, with a blank behind each.
  std::string seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  net::Task<void> answer(net::Exchange& exchange) {
    const std::string method = exchange.request().method;
    const auto body = co_await exchange.read_body(std::size_t{4} << 20);
    net::Response response;
    {
      const std::lock_guard lock(mutex_);
      seen_ += method + " ";
      response.status = 201;
      if (!statuses_.empty()) {
        response.status = statuses_.front();
        statuses_.erase(statuses_.begin());
      }
    }
    if (method == "POST") response.headers.set("Upload-Offset", "0");
    co_await exchange.respond(std::move(response));
  }

  std::mutex mutex_;
  std::string seen_;
  std::vector<int> statuses_;
  net::LoopbackServer loopback_;
};

TEST(Api, BeginsABlobAnewOnceWhenWhatWasThereIsWrong) {
  Store first({422});
  EXPECT_TRUE(first.put(5));
  EXPECT_EQ(first.seen(), "PUT POST PUT ");

  constexpr std::uint64_t kAskedFirst = (std::uint64_t{1} << 20) + 1;
  Store begun({422});  // all of it had come before, and was wrong
  EXPECT_TRUE(begun.put(kAskedFirst));
  EXPECT_EQ(begun.seen(), "POST POST PUT ");

  Store always({422, 201, 422});
  EXPECT_FALSE(always.put(5)) << "what is sent is wrong itself";
  EXPECT_EQ(always.seen(), "PUT POST PUT ");

  Store refused({403});
  EXPECT_FALSE(refused.put(5));
  EXPECT_EQ(refused.seen(), "PUT ");
}

// Whose fault it is that an output cannot be stored hangs on it.
TEST(ApiErrors, WhatTheStoreRefusesIsToldApart) {
  const auto code = [](std::uint32_t status, const std::string& word) {
    ApiError error{ApiError::Kind::kRefused, "no", {}};
    error.problem.set_status(status);
    error.problem.set_code(word);
    return plain_error(error).code;
  };
  EXPECT_EQ(code(413, "too_large"), ErrorCode::kTooLarge);
  EXPECT_EQ(code(507, "store_full"), ErrorCode::kFull);
  EXPECT_EQ(code(404, "not_found"), ErrorCode::kNotFound);
  EXPECT_EQ(code(413, "http_413"), ErrorCode::kFailed) << "of a proxy before the market";
  EXPECT_EQ(code(500, "failed"), ErrorCode::kFailed);
}

// Sends each asker the next of these texts as a stream, and finishes it as a server that stops.
class Streamer {
 public:
  explicit Streamer(std::vector<std::string> texts)
      : texts_(std::move(texts)),
        loopback_([this](net::Exchange& exchange) { return answer(exchange); }) {}

  // The data of the messages, with a blank behind each; then "end", or the problem's code.
  std::string follow() {
    const auto random = system_random();
    Config config;
    config.url = "http://127.0.0.1:" + std::to_string(loopback_.server->port());
    const auto api = Api::make(config, *random).value();
    std::string heard;
    const std::function<bool(const v1::LogLine&)> each = [&](const v1::LogLine& line) {
      heard += line.data() + " ";
      return true;
    };
    const auto done =
        api->stream<v1::LogLine>("Orders.FollowOrderLogs", v1::FollowOrderLogsRequest(), each);
    return heard + (done ? "end" : done.error().problem.code());
  }
  // The Last-Event-ID of each request, "-" for none, with a blank behind each.
  std::string asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  net::Task<void> answer(net::Exchange& exchange) {
    std::string text;
    {
      const std::lock_guard lock(mutex_);
      const std::string* id = exchange.request().headers.find("Last-Event-ID");
      asked_ += (id == nullptr ? "-" : *id) + " ";
      if (!texts_.empty()) {
        text = texts_.front();
        texts_.erase(texts_.begin());
      }
    }
    const Status begun = co_await exchange.start_sse();
    if (!begun) co_return;
    const Status written = co_await exchange.write(text);
    if (!written) co_return;
    co_await exchange.finish();
  }

  std::mutex mutex_;
  std::string asked_;
  std::vector<std::string> texts_;
  net::LoopbackServer loopback_;
};

std::string said(const std::string& data, const std::string& id) {
  v1::LogLine line;
  line.set_data(data);
  std::string json;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(line, &json).ok());
  return net::format_sse({{}, json, id});
}

TEST(Api, FollowsAStreamUntilTheServerSaysThatItHasEnded) {
  const std::string end = net::format_sse({"end", "{}", {}});
  Streamer stopped({said("a", "1"), said("b", "2"), said("c", "3") + end});
  EXPECT_EQ(stopped.follow(), "a b c end");
  EXPECT_EQ(stopped.asked(), "- 1 2 ") << "goes on behind what came";

  Streamer early({net::format_sse_id("5"), said("a", "6") + end});
  EXPECT_EQ(early.follow(), "a end");
  EXPECT_EQ(early.asked(), "- 5 ") << "where it began, before anything came";

  std::vector<std::string> quiet(7, std::string(net::kSseKeepAlive));
  quiet.push_back(end);
  Streamer silent(std::move(quiet));
  EXPECT_EQ(silent.follow(), "end") << "a heartbeat says that the server is there again";

  Streamer empty({"", "", "", "", "", end});
  EXPECT_EQ(empty.follow(), "") << "what never stands is given up";
}

TEST(Api, AProblemInsideAStreamIsNoMessageOfIt) {
  const auto problem = [](int status, const std::string& code) {
    return net::format_sse(
        {"error",
         fmt::format(R"({{"status": {}, "code": "{}", "detail": "why"}})", status, code),
         {}});
  };
  Streamer gone({said("a", "1") + problem(410, "events_gone"), said("b", "2")});
  EXPECT_EQ(gone.follow(), "a events_gone");
  EXPECT_EQ(gone.asked(), "- ");
  Streamer busy({problem(503, "busy"), said("a", "1") + net::format_sse({"end", "{}", {}})});
  EXPECT_EQ(busy.follow(), "a end") << "what may pass is asked for again";
}

TEST(Api, AServerThatBreaksEveryStreamOffIsGivenUp) {
  const std::string busy =
      net::format_sse({"error", R"({"status": 503, "code": "busy", "detail": "why"})", {}});
  Streamer always(std::vector<std::string>(6, busy));
  EXPECT_EQ(always.follow(), "busy");
  EXPECT_EQ(always.asked(), "- - - - - ");

  // Where it would begin is said at once, by whoever says nothing else, too.
  Streamer beginning(std::vector<std::string>(6, net::format_sse_id("7") + busy));
  EXPECT_EQ(beginning.follow(), "busy");
  Streamer silent(std::vector<std::string>(6, net::format_sse_id("7")));
  EXPECT_EQ(silent.follow(), "");
  EXPECT_EQ(silent.asked(), "- 7 7 7 7 ");
}

TEST(Api, WhatIsNoStreamOfEventsIsNotAskedForAgain) {
  std::atomic<int> asked = 0;
  net::LoopbackServer portal([&asked](net::Exchange& exchange) -> net::Task<void> {
    ++asked;
    net::Response page{200, {{"Content-Type", "text/html; charset=utf-8"}}, "<p>Please log in"};
    co_await exchange.respond(std::move(page));
  });
  const auto random = system_random();
  Config config;
  config.url = "http://127.0.0.1:" + std::to_string(portal.server->port());
  const std::function<bool(const v1::LogLine&)> each = [](const v1::LogLine&) { return true; };
  const auto done =
      Api::make(config, *random)
          .value()
          ->stream<v1::LogLine>("Orders.FollowOrderLogs", v1::FollowOrderLogsRequest(), each);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ApiError::Kind::kUnreachable);
  EXPECT_NE(done.error().message.find("text/html"), std::string::npos) << done.error().message;
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace fallow::client
