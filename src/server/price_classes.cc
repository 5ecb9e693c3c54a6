// History's list of classes: the newest interval of each. Beside history.cc because it walks the
// index in leaps instead of reading it.
#include "server/history.h"

namespace fallow::server {
namespace {

// A class is found behind the one before it, so the cost is a few steps down the index each,
// however many intervals are kept.
constexpr const char* kNextClass =
    "select model, region from prices where (model, region) > (?1, ?2) order by model, region "
    "limit 1";
constexpr const char* kNewest =
    "select view from prices where model = ?1 and region = ?2 order by id desc limit 1";

}  // namespace

Result<std::vector<v1::PriceView>> History::classes(std::size_t count_max) {
  const std::lock_guard lock(reader_mutex_);
  FALLOW_ASSIGN(SqliteStatement next, reader_.prepare(kNextClass));
  FALLOW_ASSIGN(SqliteStatement newest, reader_.prepare(kNewest));
  std::vector<v1::PriceView> views;
  std::string model;
  std::string region;
  while (views.size() < count_max) {
    next.bind(1, model);
    next.bind(2, region);
    const int code = next.step();
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) return tl::unexpected(reader_.error(code, "read"));
    std::string next_model(next.blob(0));
    region = next.blob(1);
    model = std::move(next_model);
    next.reset();
    newest.bind(1, model);
    newest.bind(2, region);
    const int found = newest.step();
    if (found != SQLITE_ROW) return tl::unexpected(reader_.error(found, "read"));
    const std::string_view bytes = newest.blob(0);
    if (!views.emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return fail(
          ErrorCode::kCorrupt,
          "{} holds a price that cannot be read; stop the server, delete the file and start "
          "again: it is made anew from the log",
          reader_.path());
    }
    newest.reset();
  }
  return views;
}

}  // namespace fallow::server
