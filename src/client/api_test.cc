// Blobs to a store that answers what a test wants it to answer.
#include "client/api.h"

#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <vector>

#include "base/env.h"
#include "net/loopback_test_support.h"

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

}  // namespace
}  // namespace fallow::client
