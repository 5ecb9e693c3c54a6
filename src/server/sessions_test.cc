#include "server/sessions.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace fallow::server {
namespace {

constexpr Time kNow{1'700'000'000'000'000};

class SessionsTest : public testing::Test {
 protected:
  SessionsTest() {
    std::string folder = testing::TempDir() + "fallow-sessions-XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~SessionsTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/sessions.db"; }
  std::unique_ptr<Sessions> open(SessionLimits limits = {}, Time now = kNow) {
    auto opened = Sessions::open(path(), limits, now);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  static Digest named(std::string_view name) { return digest_of(name); }
  static Session until(Time end, std::uint64_t account = 1, std::string_view key = "key") {
    return {AccountId(account), named(key), end};
  }

  std::string folder_;
};

TEST_F(SessionsTest, TheyEndWithTheirTimeAndBySignOut) {
  const auto sessions = open();
  const Time end = kNow + hours(1);
  ASSERT_TRUE(sessions->add(named("a"), until(end), kNow));
  const auto found = sessions->find(named("a"), kNow);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->key_hash, named("key"));
  EXPECT_FALSE(sessions->find(named("b"), kNow));
  EXPECT_TRUE(sessions->find(named("a"), Time{end.us - 1}));
  EXPECT_FALSE(sessions->find(named("a"), end));
  ASSERT_TRUE(sessions->remove(named("a")));
  EXPECT_FALSE(sessions->find(named("a"), kNow));
  EXPECT_TRUE(sessions->remove(named("a")));
}

TEST_F(SessionsTest, ARestartKeepsThemAndForgetsTheExpired) {
  auto sessions = open();
  ASSERT_TRUE(sessions->add(named("short"), until(kNow + hours(1)), kNow));
  ASSERT_TRUE(sessions->add(named("long"), until(kNow + hours(9)), kNow));
  ASSERT_TRUE(sessions->add(named("gone"), until(kNow + hours(9)), kNow));
  ASSERT_TRUE(sessions->remove(named("gone")));
  sessions.reset();
  sessions = open({}, kNow + hours(2));
  EXPECT_EQ(sessions->size(), 1U);
  EXPECT_TRUE(sessions->find(named("long"), kNow + hours(2)));
  EXPECT_FALSE(sessions->find(named("gone"), kNow + hours(2)));
}

TEST_F(SessionsTest, AnAccountHasSoManyAndTheirSumIsBounded) {
  SessionLimits limits;
  limits.per_account_max = 2;
  limits.sessions_max = 3;
  const auto sessions = open(limits);
  ASSERT_TRUE(sessions->add(named("1"), until(kNow + hours(1)), kNow));
  ASSERT_TRUE(sessions->add(named("2"), until(kNow + hours(2), 1, "another of its keys"), kNow));
  ASSERT_TRUE(sessions->add(named("3"), until(kNow + hours(3)), kNow));
  EXPECT_FALSE(sessions->find(named("1"), kNow));
  EXPECT_TRUE(sessions->find(named("2"), kNow));
  ASSERT_TRUE(sessions->add(named("4"), until(kNow + hours(3), 2), kNow));
  const Status more = sessions->add(named("5"), until(kNow + hours(3), 3), kNow);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kBusy);
  // Time makes room.
  EXPECT_TRUE(sessions->add(named("5"), until(kNow + hours(9), 3), kNow + hours(3)));
  EXPECT_EQ(sessions->size(), 1U);
}

TEST_F(SessionsTest, TheFileHoldsNoSecretAndAnUnknownVersionIsNotTouched) {
  const std::string secret = "the cookie's own secret, 32 byte";
  {
    const auto sessions = open();
    ASSERT_TRUE(sessions->add(digest_of(std::string_view(secret)), until(kNow + hours(1)), kNow));
  }
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    const auto bytes = read_file(file.path().string(), 10'000'000);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(bytes->find(secret), bytes->npos) << file.path();
  }
  auto db = SqliteDb::open(path(), SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(db->exec("pragma user_version = 9"));
  const auto refused = Sessions::open(path(), {}, kNow);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("another version"), std::string::npos);
}

}  // namespace
}  // namespace fallow::server
