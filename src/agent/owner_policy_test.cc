#include "agent/owner_policy.h"

#include <gtest/gtest.h>

namespace fallow::agent {
namespace {

TEST(OwnerPolicy, TheTextThatExplainsItSaysWhatHoldsWithoutIt) {
  const auto read = parse_owner_policy(default_owner_policy(), "default");
  ASSERT_TRUE(read) << read.error().message;
  const OwnerPolicy none = parse_owner_policy("", "empty").value();
  EXPECT_EQ(describe(*read), describe(none));
  EXPECT_EQ(read->programs, none.programs);
  EXPECT_EQ(read->dry_run, none.dry_run);
  EXPECT_EQ(read->battery, none.battery);
  EXPECT_TRUE(read->schedule.is_always());
}

TEST(OwnerPolicy, ReadsEverySetting) {
  const auto read = parse_owner_policy(R"(
dry_run = true
away_after = "90s"
[return]
ask_after = "1s"
kill_after = "1500ms"
[signs]
desktop = false
input = false
terminals = false
battery = false
programs = ["doom"]
[gpu]
memory_mb = 0
percent = 7
[processor]
cores = 1.5
[schedule]
lend = ["daily 01:00-02:00"]
zone = "Asia/Tokyo"
)",
                                       "file");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->dry_run);
  EXPECT_EQ(read->away_after, seconds(90));
  EXPECT_EQ(read->ask_after, seconds(1));
  EXPECT_EQ(read->kill_after, milliseconds(1500));
  EXPECT_FALSE(read->desktop || read->input || read->terminals || read->battery);
  EXPECT_EQ(read->programs, std::vector<std::string>{"doom"});
  EXPECT_EQ(read->gpu_memory_mb, 0U);
  EXPECT_EQ(read->gpu_percent, 7U);
  EXPECT_EQ(read->processor_cores, 1.5);
  EXPECT_FALSE(read->schedule.is_always());
  EXPECT_EQ(read->zone, "Asia/Tokyo");
}

TEST(OwnerPolicy, WhatIsWrongIsNamedWithItsLine) {
  struct Case {
    const char* text;
    const char* place;
    const char* words;
  };
  for (const Case& one : {
           Case{"dry_run = 1", "line 1", "true or false"},
           Case{"\naway_afer = \"1m\"", "line 2", "\"away_afer\" is no setting here"},
           Case{"[signs]\n\ninputs = true", "line 3", "\"inputs\" is no setting here"},
           Case{"away_after = 10", "line 1", "\"10m\""},
           Case{"away_after = \"10 minutes\"", "line 1", "\"10m\""},
           Case{"away_after = \"25h\"", "line 1", "up to a day"},
           Case{"away_after = \"-1m\"", "line 1", "up to a day"},
           Case{"signs = true", "line 1", "write [signs]"},
           Case{"[signs]\nprograms = \"doom\"", "line 2", "a list"},
           Case{"[signs]\nprograms = [\"doom\", \"\"]", "line 2", "none of them empty"},
           Case{"[gpu]\npercent = 101", "line 2", "0 to 100"},
           Case{"[gpu]\npercent = 1.5", "line 2", "0 to 100"},
           Case{"[gpu]\nmemory_mb = -1", "line 2", "a number"},
           Case{"[return]\nask_after = \"5s\"", "line 1", "not before"},
           Case{"[schedule]\nlend = [\"mon 7-9\"]", "line 2", "mon-fri 19:00-07:00"},
           Case{"[schedule]\nzone = \"Mars\"", "line 2", "no time zone"},
           Case{"dry_run = ", "line 1", ""},
       }) {
    const auto answer = parse_owner_policy(one.text, "owner.toml");
    ASSERT_FALSE(answer) << one.text;
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalid);
    const std::string& message = answer.error().message;
    EXPECT_EQ(message.find("owner.toml, " + std::string(one.place) + ":"), 0U) << message;
    EXPECT_NE(message.find(one.words), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace fallow::agent
