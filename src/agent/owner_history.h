// OwnerHistory: when the owner came and went, and why it was thought so, in one bounded file.
//
// One line a moment: "1795312800 present keyboard or mouse"; seconds since 1970, then begun,
// present, away or ended. When the agent was killed there is no "ended": the file's own time, which
// a running agent renews each minute, stands for it. Owned by the watch's thread; anyone may read
// the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow::agent {

enum class OwnerMomentKind : std::uint8_t { kBegun, kPresent, kAway, kEnded };
struct OwnerMoment {
  Time at;
  OwnerMomentKind kind = OwnerMomentKind::kBegun;
  std::string why;
};

class OwnerHistory {
 public:
  // The older half goes when it grows beyond this.
  static constexpr std::size_t kBytesMax = 256 << 10;

  // Takes the file up, or makes it: what an earlier agent left open is ended, and this one begun.
  // `remark` is the beginning's.
  static Result<OwnerHistory> open(std::string path, Time now, std::string_view remark);

  // At most 200 bytes of `why`, without line ends.
  Status add(Time at, OwnerMomentKind kind, std::string_view why);
  // That the agent is still there; each kTouchEvery.
  static constexpr Duration kTouchEvery = seconds(60);
  void touch() const;

 private:
  OwnerHistory(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}
  Status shorten();

  std::string path_;
  Fd file_;
};

// In the order of their time; the last is an end, if only by the file's own time. None: no file.
Result<std::vector<OwnerMoment>> read_owner_history(const std::string& path);

// What a watch that runs has seen last: present or away. Nothing: none runs, or it is a dry run's.
Result<std::optional<OwnerMoment>> seen_of_owner(const std::string& path, Time now);

// What a span of time was like.
struct OwnerSpan {
  Duration watched;
  Duration away;              // of that
  std::uint32_t returns = 0;  // how often the owner came
  // Why, and how often; the most frequent first.
  std::vector<std::pair<std::string, std::uint32_t>> reasons;
  bool dry_run = false;  // at its end
};
constexpr std::string_view kDryRunRemark = "dry run";
OwnerSpan sum_owner_span(const std::vector<OwnerMoment>& moments, Time from, Time to);

}  // namespace fallow::agent
