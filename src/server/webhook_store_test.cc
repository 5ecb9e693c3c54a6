// How far webhooks are: a place that moves only from where it was seen.
#include "server/webhook_store.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace fallow::server {
namespace {

constexpr core::WebhookId kOne(4'096);
constexpr core::WebhookId kTwo(8'192);
constexpr EventPlace kBegin{LogIndex(7), 0};

EventPlace at(std::uint64_t index, std::uint32_t ordinal = 0) { return {LogIndex(index), ordinal}; }

class WebhookStoreTest : public testing::Test {
 protected:
  WebhookStoreTest() {
    std::string folder = testing::TempDir() + "fallow-webhooks-XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    open();
  }
  ~WebhookStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void open() {
    store_.reset();
    auto opened = WebhookStore::open(folder_ + "/webhooks.db");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  WebhookStore::Progress progress(core::WebhookId id = kOne) {
    return store_->progress(id, kBegin).value();
  }
  static WebhookStore::Attempt attempt(EventPlace place, bool delivered,
                                       std::int64_t tried_us = 1) {
    WebhookStore::Attempt done;
    done.place = place;
    done.kind = "order_ended";
    done.happened_at = Time{1};
    done.tried_at = Time{tried_us};
    done.delivered = delivered;
    done.status = delivered ? 200 : 500;
    done.trouble = delivered ? "" : "it answered 500";
    return done;
  }
  // Delivered: on to the next event.
  bool deliver(EventPlace place) {
    WebhookStore::Progress to;
    to.next = at(place.index.value, place.ordinal + 1);
    return store_->record(kOne, attempt(place, true), progress(), to).value();
  }

  std::string folder_;
  std::unique_ptr<WebhookStore> store_;
};

TEST_F(WebhookStoreTest, ItBeginsWhereItIsToldAndGoesOnAfterARestart) {
  EXPECT_EQ(progress().next, kBegin);
  EXPECT_TRUE(deliver(at(7, 2)));
  EXPECT_TRUE(store_->pass(kOne, at(7, 3), at(20)).value());
  open();
  EXPECT_EQ(progress().next, at(20));
  EXPECT_EQ(progress(kTwo).next, kBegin);
}

TEST_F(WebhookStoreTest, WhoeverWasMovedMeanwhileDoesNotMoveOn) {
  const WebhookStore::Progress seen = progress();
  ASSERT_TRUE(store_->move_back(kOne, at(3)));
  WebhookStore::Progress to;
  to.next = at(8);
  EXPECT_FALSE(store_->record(kOne, attempt(at(7), true), seen, to).value());
  EXPECT_FALSE(store_->pass(kOne, at(7), at(9)).value());
  EXPECT_EQ(progress().next, at(3));
  // What was sent was sent all the same.
  EXPECT_EQ(store_->deliveries(kOne, 0, 10)->deliveries.size(), 1U);
}

TEST_F(WebhookStoreTest, GoingBackPassesOverNothingThatWasNotSentYet) {
  WebhookStore::Progress failed = progress();
  failed.attempts = 3;
  failed.retry_at = Time{9};
  ASSERT_TRUE(store_->record(kOne, attempt(kBegin, false), progress(), failed).value());
  ASSERT_TRUE(store_->move_back(kOne, at(kBegin.index.value, kBegin.ordinal + 1)));
  EXPECT_EQ(progress().next, kBegin);
  EXPECT_EQ(progress().retry_at, Time()) << "it is tried again at once";
  ASSERT_TRUE(store_->move_back(kOne, at(kBegin.index.value + 13)));
  EXPECT_EQ(progress().next, kBegin);
  ASSERT_TRUE(store_->move_back(kTwo, at(1'000))) << "not known yet: it begins at its beginning";
  EXPECT_EQ(progress(kTwo).next, kBegin);
  ASSERT_TRUE(store_->move_back(kOne, at(3)));
  EXPECT_EQ(progress().next, at(3));
}

TEST_F(WebhookStoreTest, AFailureStaysAndIsForgiven) {
  WebhookStore::Progress failed = progress();
  failed.attempts = 3;
  failed.failing_since = Time{5};
  failed.retry_at = Time{9};
  EXPECT_TRUE(store_->record(kOne, attempt(kBegin, false), progress(), failed).value());
  open();
  EXPECT_EQ(progress().next, kBegin);
  EXPECT_EQ(progress().attempts, 3U);
  EXPECT_EQ(progress().failing_since, Time{5});
  EXPECT_EQ(progress().retry_at, Time{9});
  ASSERT_TRUE(store_->forgive(kOne));
  EXPECT_EQ(progress().retry_at, Time());
  EXPECT_EQ(progress().next, kBegin);
}

TEST_F(WebhookStoreTest, AttemptsOfOneDeliveryAreOneLine) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(store_->record(kOne, attempt(kBegin, i == 2, 10 + i), progress(), progress()));
  }
  const auto page = store_->deliveries(kOne, 0, 10);
  ASSERT_EQ(page->deliveries.size(), 1U);
  const v1::DeliveryView& view = page->deliveries[0];
  EXPECT_EQ(view.id(), "msg_4096_7_0");
  EXPECT_EQ(view.attempts(), 3U);
  EXPECT_TRUE(view.delivered());
  EXPECT_EQ(view.status(), 200U);
  EXPECT_EQ(view.trouble(), "");
}

TEST_F(WebhookStoreTest, TheNewestAreKeptAndPaged) {
  constexpr std::uint64_t kMore = 50;
  const std::uint64_t last = 7 + WebhookStore::kDeliveriesKept + kMore - 1;
  for (std::uint64_t index = 7; index <= last; ++index) ASSERT_TRUE(deliver(at(index)));
  std::uint64_t expected = last;
  std::size_t pages = 0;
  for (std::uint64_t before = 0; pages == 0 || before != 0; ++pages) {
    const auto page = store_->deliveries(kOne, before, 90);
    for (const v1::DeliveryView& view : page->deliveries) EXPECT_EQ(view.index(), expected--);
    before = page->next;
  }
  EXPECT_EQ(pages, 3U);
  EXPECT_EQ(expected, last - WebhookStore::kDeliveriesKept);
}

TEST_F(WebhookStoreTest, ReplaysWaitInOrderAndEndHoweverTheyWent) {
  ASSERT_TRUE(store_->add_replay(kOne, at(9)));
  ASSERT_TRUE(store_->add_replay(kOne, at(8)));
  ASSERT_TRUE(store_->add_replay(kOne, at(9)));
  EXPECT_EQ(store_->next_replay(kTwo).value(), std::nullopt);
  open();
  EXPECT_EQ(store_->next_replay(kOne).value(), at(9));
  ASSERT_TRUE(store_->record_replay(kOne, attempt(at(9), false)));
  EXPECT_EQ(store_->next_replay(kOne).value(), at(8));
  ASSERT_TRUE(store_->record_replay(kOne, attempt(at(8), true)));
  EXPECT_EQ(store_->next_replay(kOne).value(), std::nullopt);
  for (std::uint64_t i = 0; i < WebhookStore::kReplaysMax; ++i) {
    ASSERT_TRUE(store_->add_replay(kOne, at(100 + i)));
  }
  EXPECT_EQ(store_->add_replay(kOne, at(99)).error().code, ErrorCode::kBusy);
}

TEST_F(WebhookStoreTest, WhatIsBehindTheLogsEndIsTakenBackToIt) {
  ASSERT_TRUE(deliver(at(7)));
  ASSERT_TRUE(deliver(at(30)));
  ASSERT_TRUE(store_->add_replay(kOne, at(7)));
  ASSERT_TRUE(store_->add_replay(kOne, at(30)));
  ASSERT_TRUE(store_->progress(kTwo, at(12)));
  // Right behind the last command is where one stands who was sent everything.
  EXPECT_EQ(store_->end_with(LogIndex(30)).value(), 0U);
  EXPECT_EQ(progress().next, at(30, 1));
  EXPECT_EQ(store_->end_with(LogIndex(29)).value(), 1U);
  EXPECT_EQ(progress().next, at(30));
  EXPECT_EQ(store_->end_with(LogIndex(11)).value(), 1U);
  EXPECT_EQ(progress().next, at(12));
  EXPECT_EQ(progress(kTwo).next, at(12));
  // The next command 30 will be another.
  const auto page = store_->deliveries(kOne, 0, 10);
  ASSERT_EQ(page->deliveries.size(), 1U);
  EXPECT_EQ(page->deliveries[0].index(), 7U);
  EXPECT_EQ(store_->next_replay(kOne).value(), at(7));
  ASSERT_TRUE(store_->record_replay(kOne, attempt(at(7), true)));
  EXPECT_EQ(store_->next_replay(kOne).value(), std::nullopt);
}

TEST_F(WebhookStoreTest, OneThatIsRemovedLeavesNothing) {
  ASSERT_TRUE(deliver(at(9)));
  ASSERT_TRUE(store_->add_replay(kOne, at(9)));
  store_->remove(kOne);
  EXPECT_EQ(progress().next, kBegin);
  EXPECT_EQ(store_->next_replay(kOne).value(), std::nullopt);
  EXPECT_TRUE(store_->deliveries(kOne, 0, 10)->deliveries.empty());
}

}  // namespace
}  // namespace fallow::server
