#include "agent/owner_history.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "base/number.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kWhyBytesMax = 200;
constexpr Duration kUntouchedMax = minutes(3);          // some of OwnerHistory::kTouchEvery
constexpr std::int64_t kSecondMax = 1'000'000'000'000;  // of a file that was tampered with
constexpr std::array<std::string_view, 4> kMomentWords{"begun", "present", "away", "ended"};

std::optional<OwnerMoment> moment_of(std::string_view line) {
  OwnerMoment moment;
  const std::string_view first = line.substr(0, line.find(' '));
  const auto second = parse_number<std::int64_t>(first);
  if (!second || *second < 0 || *second > kSecondMax || first.size() == line.size()) {
    return std::nullopt;
  }
  line.remove_prefix(first.size() + 1);
  const std::string_view word = line.substr(0, line.find(' '));
  const auto kind = std::find(kMomentWords.begin(), kMomentWords.end(), word);
  if (kind == kMomentWords.end()) return std::nullopt;
  moment.at = Time{*second * 1'000'000};
  moment.kind = static_cast<OwnerMomentKind>(kind - kMomentWords.begin());
  moment.why = line.substr(std::min(line.size(), word.size() + 1));
  return moment;
}

std::string line_of(const OwnerMoment& moment) {
  return fmt::format("{} {}{}{}\n", moment.at.us / 1'000'000,
                     kMomentWords[static_cast<std::size_t>(moment.kind)],
                     moment.why.empty() ? "" : " ", moment.why);
}

}  // namespace

Result<OwnerHistory> OwnerHistory::open(std::string path, Time now, std::string_view remark) {
  FALLOW_ASSIGN(const auto moments, read_owner_history(path));
  FALLOW_ASSIGN(Fd file, open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0644));
  OwnerHistory history(std::move(path), std::move(file));
  // Also ends a line that was cut off.
  FALLOW_TRY(write_all(history.file_, "\n", history.path_));
  if (!moments.empty()) {
    FALLOW_TRY(history.add(std::min(moments.back().at, now), OwnerMomentKind::kEnded, ""));
  }
  FALLOW_TRY(history.add(now, OwnerMomentKind::kBegun, remark));
  return history;
}

Status OwnerHistory::add(Time at, OwnerMomentKind kind, std::string_view why) {
  std::string text(why.substr(0, kWhyBytesMax));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  FALLOW_TRY(write_all(file_, line_of({at, kind, std::move(text)}), path_));
  struct stat info {};
  if (::fstat(file_.get(), &info) == 0 && static_cast<std::size_t>(info.st_size) > kBytesMax) {
    return shorten();
  }
  return {};
}

void OwnerHistory::touch() const { ::futimens(file_.get(), nullptr); }

Status OwnerHistory::shorten() {
  FALLOW_ASSIGN(const std::string text, read_file(path_, 2 * kBytesMax));
  const std::size_t cut = text.find('\n', text.size() / 2) + 1;
  // What is kept still says how the run began that it is of: a dry one is none.
  std::optional<OwnerMoment> begun;
  std::optional<OwnerMoment> first;
  for (std::size_t at = 0; at < text.size() && !first;) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    auto moment = moment_of(std::string_view(text).substr(at, end - at));
    if (moment && at >= cut)
      first = std::move(moment);
    else if (moment && moment->kind == OwnerMomentKind::kBegun)
      begun = std::move(moment);
    at = end + 1;
  }
  std::string kept = text.substr(cut);
  if (begun && first && first->kind != OwnerMomentKind::kBegun) {
    begun->at = first->at;
    kept.insert(0, line_of(*begun));
  }
  FALLOW_TRY(replace_file(path_, kept, 0644));
  FALLOW_ASSIGN(file_, open_file(path_, O_WRONLY | O_APPEND));
  return {};
}

namespace {

// As the file has them.
Result<std::vector<OwnerMoment>> read_moments(const std::string& path) {
  std::vector<OwnerMoment> moments;
  const auto text = read_file(path, 2 * OwnerHistory::kBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) return moments;
  if (!text) return tl::unexpected(text.error());
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (auto moment = moment_of(line)) moments.push_back(std::move(*moment));
  }
  return moments;
}

std::optional<Time> touched_at(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return Time{std::int64_t{info.st_mtim.tv_sec} * 1'000'000};
}

}  // namespace

Result<std::vector<OwnerMoment>> read_owner_history(const std::string& path) {
  FALLOW_ASSIGN(auto moments, read_moments(path));
  if (moments.empty() || moments.back().kind == OwnerMomentKind::kEnded) return moments;
  if (const auto touched = touched_at(path)) {
    moments.push_back({std::max(*touched, moments.back().at), OwnerMomentKind::kEnded, ""});
  }
  return moments;
}

Result<std::optional<OwnerMoment>> seen_of_owner(const std::string& path, Time now) {
  FALLOW_ASSIGN(const auto moments, read_moments(path));
  const auto touched = touched_at(path);
  // An agent that was killed, and started again without a policy, left a file that nobody touches.
  if (!touched || now - *touched > kUntouchedMax) {
    return std::optional<OwnerMoment>();
  }
  std::optional<OwnerMoment> seen;
  for (auto it = moments.rbegin(); it != moments.rend(); ++it) {
    if (it->kind == OwnerMomentKind::kEnded) return std::optional<OwnerMoment>();
    if (it->kind == OwnerMomentKind::kBegun) {
      return it->why == kDryRunRemark ? std::optional<OwnerMoment>() : seen;
    }
    if (!seen) seen = *it;
  }
  // The file's older half, with the beginning in it, is gone.
  return seen;
}

OwnerSpan sum_owner_span(const std::vector<OwnerMoment>& moments, Time from, Time to) {
  OwnerSpan span;
  std::map<std::string, std::uint32_t> reasons;
  for (std::size_t i = 0; i < moments.size(); ++i) {
    const OwnerMoment& moment = moments[i];
    if (moment.kind == OwnerMomentKind::kBegun && moment.at <= to) {
      span.dry_run = moment.why == kDryRunRemark;
    }
    if (moment.kind == OwnerMomentKind::kPresent && moment.at >= from && moment.at <= to) {
      ++span.returns;
      ++reasons[moment.why];
    }
    if (moment.kind == OwnerMomentKind::kEnded || i + 1 == moments.size()) continue;
    const Time begin = std::clamp(moment.at, from, to);
    const Time end = std::clamp(moments[i + 1].at, from, to);
    if (end <= begin) continue;
    span.watched += end - begin;
    if (moment.kind == OwnerMomentKind::kAway) span.away += end - begin;
  }
  span.reasons.assign(reasons.begin(), reasons.end());
  std::sort(span.reasons.begin(), span.reasons.end(), [](const auto& a, const auto& b) {
    return std::tie(b.second, a.first) < std::tie(a.second, b.first);
  });
  return span;
}

}  // namespace fallow::agent
