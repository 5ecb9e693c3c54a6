#include "agent/owner_history.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "agent/owner_fixture_test.h"

namespace fallow::agent {
namespace {

using Kind = OwnerMomentKind;

class OwnerHistoryTest : public OwnerTreeTest {
 protected:
  static Time at(std::int64_t second) { return Time{second * 1'000'000}; }
  void set_file_time(std::int64_t second) {
    const timespec times[2] = {{second, 0}, {second, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
  }
  const std::string path_ = root_ + "/history";
};

TEST_F(OwnerHistoryTest, ALineThatNoAgentWroteIsPassedOver) {
  put("history",
      "9223372036854775807 away\n-5 away\n1000\n1000x away\n 1000 away\n1000 away far\n");
  const auto moments = read_owner_history(path_).value();
  ASSERT_EQ(moments.size(), 2U) << "one, and the end that stands for a killed agent";
  EXPECT_EQ(moments[0].at, at(1'000));
  EXPECT_EQ(moments[0].why, "far");
}

TEST_F(OwnerHistoryTest, SumsWhatWasWatched) {
  {
    auto history = OwnerHistory::open(path_, at(1'000), kDryRunRemark).value();
    ASSERT_TRUE(history.add(at(1'010), Kind::kAway, "nothing"));
    ASSERT_TRUE(history.add(at(1'100), Kind::kPresent, "program doom runs"));
    ASSERT_TRUE(history.add(at(1'200), Kind::kAway, "nothing"));
    ASSERT_TRUE(history.add(at(1'500), Kind::kPresent, "program doom\nruns"));
    ASSERT_TRUE(history.add(at(1'510), Kind::kEnded, ""));
  }
  const auto moments = read_owner_history(path_).value();
  ASSERT_EQ(moments.size(), 6U);
  const OwnerSpan all = sum_owner_span(moments, at(0), at(2'000));
  EXPECT_EQ(all.watched, seconds(510));
  EXPECT_EQ(all.away, seconds(390));
  EXPECT_EQ(all.returns, 2U);
  EXPECT_EQ(all.reasons,
            (std::vector<std::pair<std::string, std::uint32_t>>{{"program doom runs", 2}}));
  EXPECT_TRUE(all.dry_run);
  const OwnerSpan part = sum_owner_span(moments, at(1'050), at(1'300));
  EXPECT_EQ(part.watched, seconds(250));
  EXPECT_EQ(part.away, seconds(150));
  EXPECT_EQ(part.returns, 1U);
}

TEST_F(OwnerHistoryTest, AKilledAgentEndsWhenTheFileWasLastTouched) {
  {
    auto history = OwnerHistory::open(path_, at(1'000), "").value();
    ASSERT_TRUE(history.add(at(1'000), Kind::kAway, "nothing"));
  }
  std::ofstream(path_, std::ios::app) << "1060 pres";  // cut off
  set_file_time(1'100);
  EXPECT_EQ(read_owner_history(path_).value().back().at, at(1'100));
  auto history = OwnerHistory::open(path_, at(5'000), "").value();
  ASSERT_TRUE(history.add(at(5'000), Kind::kPresent, "x"));
  const auto moments = read_owner_history(path_).value();
  const OwnerSpan all = sum_owner_span(moments, at(0), at(5'000));
  EXPECT_EQ(all.watched, seconds(100));
  EXPECT_EQ(all.away, seconds(100));
  EXPECT_FALSE(all.dry_run);
}

TEST_F(OwnerHistoryTest, StaysSmall) {
  auto history = OwnerHistory::open(path_, at(1), kDryRunRemark).value();
  const std::string why(1'000, 'w');
  for (int i = 0; i < 2'000; ++i) {
    ASSERT_TRUE(history.add(at(10 + i), i % 2 == 0 ? Kind::kAway : Kind::kPresent, why));
  }
  EXPECT_LE(std::filesystem::file_size(path_), OwnerHistory::kBytesMax);
  const auto moments = read_owner_history(path_).value();
  EXPECT_GT(moments.size(), 500U);
  EXPECT_EQ(moments[moments.size() - 2].at, at(2'009)) << "the newest is kept";
  EXPECT_EQ(moments[0].kind, Kind::kBegun);
  EXPECT_EQ(moments[0].why, kDryRunRemark) << "a dry run stays one";
  EXPECT_EQ(moments[0].at, moments[1].at) << "what was watched before it is not known any more";
  EXPECT_EQ(moments[1].why.size(), 200U);
}

TEST_F(OwnerHistoryTest, NoFileIsNoHistory) {
  EXPECT_TRUE(read_owner_history(path_).value().empty());
  EXPECT_EQ(sum_owner_span({}, at(0), at(10)).watched, Duration());
}

}  // namespace
}  // namespace fallow::agent
