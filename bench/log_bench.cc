// log_bench: what the log alone appends in a second, on the disk of --dir, beside raw SQLite with
// the same settings that appends the same bytes, a transaction a batch; and how fast it is read
// back.
#include <CLI/CLI.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/env.h"
#include "base/sqlite_db.h"
#include "bench_folder.h"
#include "bench_provider.h"
#include "bench_report.h"
#include "log/sqlite_log.h"
#include "log/verify.h"

namespace fallow::bench {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::size_t kCommandBytes = 200;

double seconds_since(Steady::time_point began) {
  return std::chrono::duration<double>(Steady::now() - began).count();
}

// Calls a second over `seconds`.
template <class Call>
double rate_of(double seconds, Call&& call) {
  const Steady::time_point began = Steady::now();
  std::uint64_t calls = 0;
  for (; seconds_since(began) < seconds; ++calls) call();
  return static_cast<double>(calls) / seconds_since(began);
}

// Bytes that do not compress, as signatures do not.
std::string command() {
  const std::unique_ptr<Random> random = seeded_random(3);
  std::string bytes(kCommandBytes, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random->below(256));
  return bytes;
}

double raw_rate(const std::string& dir, const std::vector<std::string_view>& batch,
                double seconds) {
  const Folder folder(dir);
  SqliteDb db =
      must(SqliteDb::open(folder.path() + "/raw.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  FALLOW_CHECK(db.exec("PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                       "CREATE TABLE raw (id INTEGER PRIMARY KEY, body BLOB)")
                   .has_value(),
               "raw SQLite does not open");
  SqliteStatement insert = must(db.prepare("INSERT INTO raw (body) VALUES (?1)"));
  std::string body;
  for (const std::string_view payload : batch) body += payload;
  return rate_of(seconds, [&] {
    insert.bind(1, body);
    FALLOW_CHECK(insert.step() == SQLITE_DONE, "raw SQLite does not append");
    insert.reset();
  });
}

void measure(const std::string& dir, std::size_t batch_commands, double seconds, Report& report) {
  const std::string payload = command();
  const std::vector<std::string_view> batch(batch_commands, payload);
  const auto commands = static_cast<double>(batch_commands);
  const Folder folder(dir);
  const auto log = must(log::SqliteLog::open(folder.path() + "/log"));
  Time now;
  const double ours = commands * rate_of(seconds, [&] {
                        now = now + microseconds(1);
                        must(log->append(batch, now));
                      });
  const double raw = commands * raw_rate(dir, batch, seconds);
  report.add(fmt::format("log append, {} a batch", batch_commands), ours, "1/s",
             fmt::format("raw SQLite {:.6g}/s, ratio {:.2f}", raw, ours / raw));
  const Steady::time_point began = Steady::now();
  const log::Head head = must(log::verify(*log));
  report.add(fmt::format("read back and verified, {} a batch", batch_commands),
             static_cast<double>(head.last.value) / seconds_since(began), "1/s");
}

}  // namespace
}  // namespace fallow::bench

int main(int argc, char** argv) {
  CLI::App app("What the log alone appends and reads back");
  bool json = false;
  double seconds = 2;
  std::string dir = ".";
  app.add_flag("--json", json, "print one JSON object");
  app.add_option("--seconds", seconds, "of each measurement");
  app.add_option("--dir", dir, "a folder on the disk to measure; default: this one");
  CLI11_PARSE(app, argc, argv);
  fallow::bench::Report report;
  for (const std::size_t batch : {std::size_t{1}, std::size_t{64}, std::size_t{1'024}}) {
    fallow::bench::measure(dir, batch, seconds, report);
  }
  report.print(json);
  return 0;
}
