// Names that nobody answers for: whom they hold up, and whom not.
#include "net/name_lookups.h"

#include <gtest/gtest.h>
#include <netdb.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "net/io_pool.h"

namespace fallow::net {
namespace {

constexpr Duration kSoon = milliseconds(50);
constexpr Duration kLong = seconds(30);

class NameLookupsTest : public testing::Test {
 protected:
  // Threads that were written off use this test's own.
  ~NameLookupsTest() override {
    release();
    wait_until_running(0);
  }

  // A resolver for which names that begin with "slow" are without an answer until release().
  void begin(NameLookupLimits limits) {
    names_ = std::make_unique<NameLookups>(
        limits, [this](const std::string& host) -> Result<std::vector<std::string>> {
          std::unique_lock lock(mutex_);
          asked_.push_back(host);
          if (host.starts_with("slow")) released_.wait(lock, [this] { return is_released_; });
          if (host == "unknown") return fail(ErrorCode::kUnreachable, "nobody knows it");
          return std::vector<std::string>{"192.0.2.1"};
        });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    is_released_ = true;
    released_.notify_all();
  }
  Result<std::vector<std::string>> find(const std::string& host, std::uint64_t asker,
                                        Duration timeout) {
    return block_on(pool_.executor(0), names_->find(host, asker, timeout));
  }
  ErrorCode failure_of(const std::string& host, std::uint64_t asker) {
    const auto found = find(host, asker, kSoon);
    EXPECT_FALSE(found) << host << " was found";
    return found ? ErrorCode::kFailed : found.error().code;
  }
  void wait_until_running(std::size_t count) {
    if (!names_) return;
    for (int i = 0; i < 2'000 && names_->counts().running != count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(names_->counts().running, count);
  }
  std::ptrdiff_t times_asked(const std::string& host) {
    const std::lock_guard lock(mutex_);
    return std::count(asked_.begin(), asked_.end(), host);
  }

  std::mutex mutex_;
  std::condition_variable released_;
  bool is_released_ = false;
  std::vector<std::string> asked_;
  IoPool pool_{1};
  std::unique_ptr<NameLookups> names_;
};

TEST_F(NameLookupsTest, ASlowNameHoldsUpNobodyElse) {
  begin({});
  EXPECT_EQ(failure_of("slow", 1), ErrorCode::kTimedOut);
  EXPECT_EQ(names_->counts().running, 1U);
  EXPECT_EQ(names_->counts().written_off, 1U);
  EXPECT_EQ(find("quick", 1, kLong).value(), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(find("quick", 2, kLong).value(), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(find("unknown", 2, kLong).error().code, ErrorCode::kUnreachable);
  release();
  wait_until_running(0);
  EXPECT_EQ(names_->counts().written_off, 0U);
  EXPECT_TRUE(find("slow", 1, kLong));
}

TEST_F(NameLookupsTest, ANameThatIsAskedForAgainTakesNoSecondThread) {
  begin({});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(failure_of("slow", 1), ErrorCode::kTimedOut);
  EXPECT_EQ(names_->counts().running, 1U);
  EXPECT_EQ(times_asked("slow"), 1);
  // What still waits when the first comes back is asked for then.
  std::thread releases([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    release();
  });
  EXPECT_TRUE(find("slow", 1, kLong));
  releases.join();
  EXPECT_EQ(times_asked("slow"), 2);
}

TEST_F(NameLookupsTest, WhoAsksForManySlowNamesWaitsForHisOwn) {
  begin({.threads_max = 8, .threads_per_asker_max = 2});
  EXPECT_EQ(failure_of("slow-1", 1), ErrorCode::kTimedOut);
  EXPECT_EQ(failure_of("slow-2", 1), ErrorCode::kTimedOut);
  EXPECT_EQ(failure_of("slow-3", 1), ErrorCode::kTimedOut);
  EXPECT_EQ(failure_of("quick", 1), ErrorCode::kTimedOut);
  EXPECT_EQ(names_->counts().running, 2U);
  EXPECT_EQ(times_asked("slow-3"), 0) << "nobody waited for it any more";
  EXPECT_TRUE(find("quick", 2, kLong));
}

TEST_F(NameLookupsTest, ThereAreNeverMoreThreadsThanItsLimit) {
  begin({.threads_max = 2, .waiting_max = 0});
  EXPECT_EQ(failure_of("quick", 1), ErrorCode::kBusy);
  begin({.threads_max = 2});
  EXPECT_EQ(failure_of("slow-1", 1), ErrorCode::kTimedOut);
  EXPECT_EQ(failure_of("slow-2", 2), ErrorCode::kTimedOut);
  EXPECT_EQ(failure_of("quick", 3), ErrorCode::kTimedOut);
  EXPECT_EQ(names_->counts().running, 2U);
  EXPECT_EQ(names_->counts().written_off, 2U);
  std::thread releases([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    release();
  });
  EXPECT_TRUE(find("quick", 3, kLong)) << "the threads that were written off serve again";
  releases.join();
}

// The asker's loop is gone by the time the thread comes back.
TEST_F(NameLookupsTest, WhoeverAskedMayBeGone) {
  begin({});
  {
    IoPool pool(1);
    const auto ask = [](NameLookups& names) -> Task<void> {
      (void)co_await names.find("slow", 1, kLong);
    };
    spawn(pool.executor(0), ask(*names_));
    wait_until_running(1);
  }
  EXPECT_EQ(names_->counts().written_off, 1U);
  release();
  wait_until_running(0);
}

TEST_F(NameLookupsTest, TheSystemKnowsThisMachine) {
  addrinfo* known = nullptr;
  if (::getaddrinfo("localhost", nullptr, nullptr, &known) != 0) {
    GTEST_SKIP() << "this system knows no localhost: it has no line for it in /etc/hosts";
  }
  ::freeaddrinfo(known);
  NameLookups names{NameLookupLimits()};
  const auto found = block_on(pool_.executor(0), names.find("localhost", 1, kLong));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_TRUE(std::any_of(found->begin(), found->end(), [](const std::string& address) {
    return address == "127.0.0.1" || address == "::1";
  }));
}

}  // namespace
}  // namespace fallow::net
