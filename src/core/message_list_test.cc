#include "core/message_list.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "fallow/v1/events.pb.h"

namespace fallow::core {
namespace {

v1::Event named(const std::string& text) {
  v1::Event event;
  event.mutable_refused()->set_message(text);
  return event;
}

TEST(MessageList, KeepsOrderAndGivesViews) {
  MessageList<v1::Event> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.begin(), list.end());
  for (int i = 0; i < 5'000; ++i) list.push_back(named(std::string(100, 'a') + std::to_string(i)));
  ASSERT_EQ(list.size(), 5'000U);
  EXPECT_EQ(list.front().refused().message(), std::string(100, 'a') + "0");
  EXPECT_EQ(list.back().refused().message(), std::string(100, 'a') + "4999");
  int at = 10;
  for (const v1::Event& event : list.view().subspan(10, 20)) {
    EXPECT_EQ(event.refused().message(), std::string(100, 'a') + std::to_string(at++));
  }
  EXPECT_EQ(at, 30);
  EXPECT_TRUE(list.view().subspan(5'000).empty());
  EXPECT_EQ(list.view().subspan(4'999)[0].refused().message(), list.at(4'999).refused().message());
}

TEST(MessageList, IsEmptyAndOfUseAfterClear) {
  MessageList<v1::Event> list;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 1'000; ++i) list.emplace_back().mutable_refused()->set_message("told");
    EXPECT_EQ(std::accumulate(list.begin(), list.end(), std::size_t{0},
                              [](std::size_t sum, const v1::Event& event) {
                                return sum + event.refused().message().size();
                              }),
              4'000U);
    list.clear();
    EXPECT_TRUE(list.empty());
  }
}

TEST(MessageList, MovesWithWhatItHolds) {
  MessageList<v1::Event> list;
  list.push_back(named("first"));
  const v1::Event& first = list.front();
  MessageList<v1::Event> other = std::move(list);
  EXPECT_EQ(&other.front(), &first);
  EXPECT_EQ(other.front().refused().message(), "first");
}

}  // namespace
}  // namespace fallow::core
