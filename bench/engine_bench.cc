// engine_bench: what the engine and its log cost, on the disk of --dir.
//
//   throughput   durable commands per second, as many as go through, beside raw SQLite appending
//                the same bytes in the same run, in batches of 1,024 and of the engine's size
//   latency      from submit to answer at a paced rate, also while a snapshot is made
//   restart      from the start of the process's work to ready, with and without a snapshot
#include <sqlite3.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "bench_folder.h"
#include "bench_market.h"
#include "bench_report.h"
#include "engine/engine.h"
#include "log/folder_snapshots.h"
#include "log/sqlite_log.h"
#include "log/sqlite_log_reader.h"

namespace fallow::bench {
namespace {

using Steady = std::chrono::steady_clock;

double seconds_since(Steady::time_point began) {
  return std::chrono::duration<double>(Steady::now() - began).count();
}

struct Settings {
  std::string dir = ".";
  bool json = false;
  std::uint64_t commands = 300'000;  // of a throughput run
  std::uint64_t rate = 20'000;       // of the paced runs, per second
  double paced_seconds = 5;
  std::uint64_t entries = 1'000'000;  // of the restart run
  std::uint32_t offers = 100'000;     // of the snapshot run
};

// The engine over a folder, as the server wires it.
struct Running {
  Running(const std::string& folder, const engine::EngineOptions& options) {
    auto opened = log::SqliteLog::open(folder);
    FALLOW_CHECK(opened.has_value(), "{}", opened.error().message);
    log = std::move(*opened);
    auto store = log::FolderSnapshots::open(folder + "/snapshots", 2);
    FALLOW_CHECK(store.has_value(), "{}", store.error().message);
    snapshots = std::move(*store);
    engine::EngineParts parts;
    parts.log = log.get();
    parts.snapshots = snapshots.get();
    parts.open_reader = [folder]() -> Result<std::unique_ptr<log::LogReader>> {
      return log::SqliteLogReader::open(folder);
    };
    parts.clock = clock.get();
    auto started = engine::Engine::start(std::move(parts), options, bench_found());
    FALLOW_CHECK(started.has_value(), "{}", started.error().message);
    engine = std::move(*started);
  }

  std::unique_ptr<Clock> clock = system_clock();
  std::unique_ptr<log::SqliteLog> log;
  std::unique_ptr<log::FolderSnapshots> snapshots;
  std::unique_ptr<engine::Engine> engine;
};

engine::EngineOptions without_snapshots() {
  engine::EngineOptions options;
  options.snapshots.commands_between_min = UINT64_MAX;
  options.snapshot_at_stop_commands_min = 0;
  return options;
}

void fill(BenchMarket& market, const std::string& folder, std::size_t commands_per_entry,
          std::uint64_t mixed) {
  LogFiller filler(folder, commands_per_entry);
  market.open(system_clock()->now(),
              [&](const v1::Command& command) { filler.add(command, market.now()); });
  for (std::uint64_t i = 0; i < mixed; ++i) filler.add(market.mixed(i), market.now());
  filler.finish();
}

// Submits all as fast as the queue takes them and waits for the last answer. Commands per second.
double submit_all(engine::Engine& engine, const std::vector<v1::Command>& commands) {
  struct Run {
    std::mutex mutex;
    std::condition_variable all_answered;
    // In a line of its own: the market's thread counts beside what this one writes.
    alignas(128) std::atomic<std::size_t> left;
    std::atomic<std::size_t> refused = 0;
  };
  Run run{.left = commands.size()};
  // One pointer, for which std::function needs no memory.
  const auto answered = [&run](const Result<engine::Applied>& applied, const core::Machine&) {
    if (!applied || (!applied->events.empty() && applied->events.front().has_refused())) {
      ++run.refused;
    }
    if (--run.left > 0) return;
    const std::lock_guard lock(run.mutex);
    run.all_answered.notify_one();
  };
  const auto began = Steady::now();
  for (const v1::Command& command : commands) {
    while (!engine.submit(command, answered)) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  std::unique_lock lock(run.mutex);
  run.all_answered.wait(lock, [&] { return run.left == 0; });
  const double rate = static_cast<double>(commands.size()) / seconds_since(began);
  FALLOW_CHECK(run.refused == 0, "{} commands were refused", run.refused.load());
  return rate;
}

// The same bytes into a table of blobs, a transaction a batch. Commands per second.
double raw_append(const std::string& folder, const std::vector<std::string>& payloads,
                  std::size_t batch_commands) {
  sqlite3* db = nullptr;
  sqlite3_stmt* insert = nullptr;
  FALLOW_CHECK(
      sqlite3_open((folder + "/raw.db").c_str(), &db) == SQLITE_OK &&
          sqlite3_exec(db,
                       "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                       "CREATE TABLE IF NOT EXISTS raw (id INTEGER PRIMARY KEY, body BLOB)",
                       nullptr, nullptr, nullptr) == SQLITE_OK &&
          sqlite3_prepare_v2(db, "INSERT INTO raw (body) VALUES (?1)", -1, &insert, nullptr) ==
              SQLITE_OK,
      "raw SQLite: {}", sqlite3_errmsg(db));
  const auto began = Steady::now();
  std::string body;
  for (std::size_t i = 0; i < payloads.size();) {
    body.clear();
    for (std::size_t n = 0; n < batch_commands && i < payloads.size(); ++n) body += payloads[i++];
    sqlite3_bind_blob64(insert, 1, body.data(), body.size(), SQLITE_STATIC);
    FALLOW_CHECK(sqlite3_step(insert) == SQLITE_DONE, "raw SQLite: {}", sqlite3_errmsg(db));
    sqlite3_reset(insert);
  }
  const double rate = static_cast<double>(payloads.size()) / seconds_since(began);
  sqlite3_finalize(insert);
  sqlite3_close(db);
  return rate;
}

void throughput(const Settings& settings, Report& report) {
  constexpr int kRounds = 5;
  std::vector<double> engine_rates;
  std::vector<double> raw_rates;       // in batches of the engine's size
  std::vector<double> raw_1024_rates;  // in batches of 1,024
  // Of each round, one behind the other: what the machine does besides changes within seconds.
  std::vector<double> of_raw;
  std::vector<double> of_raw_1024;
  std::vector<double> batches;
  double bytes = 0;
  for (int round = 0; round < kRounds; ++round) {
    const Folder folder(settings.dir);
    BenchMarket market({});
    fill(market, folder.path(), 1'024, 0);
    std::vector<v1::Command> commands;
    std::vector<std::string> payloads;
    for (std::uint64_t i = 0; i < settings.commands; ++i) {
      commands.push_back(market.mixed(i));
      payloads.push_back(commands.back().SerializeAsString());
    }
    {
      const Running running(folder.path(), without_snapshots());
      submit_all(*running.engine, market.links());
      const auto before = running.engine->stats().sequencer;
      engine_rates.push_back(submit_all(*running.engine, commands));
      const auto after = running.engine->stats().sequencer;
      const auto made = static_cast<double>(after.commands - before.commands);
      batches.push_back(made / static_cast<double>(after.batches - before.batches));
      bytes = static_cast<double>(after.bytes - before.bytes) / made;
    }
    const Folder raw(settings.dir);
    raw_rates.push_back(raw_append(raw.path(), payloads, static_cast<std::size_t>(batches.back())));
    const Folder raw_1024(settings.dir);
    raw_1024_rates.push_back(raw_append(raw_1024.path(), payloads, 1'024));
    of_raw.push_back(engine_rates.back() / raw_rates.back());
    of_raw_1024.push_back(engine_rates.back() / raw_1024_rates.back());
  }
  const auto range = [](std::vector<double>& ratios) {
    return fmt::format("median of the rounds', {:.2f} to {:.2f}", quantile(ratios, 0),
                       quantile(ratios, 1));
  };
  report.add("durable commands through engine and log", quantile(engine_rates, 0.5), "1/s",
             fmt::format("median of {} runs; {:.0f} bytes each, {:.0f} a batch", kRounds, bytes,
                         quantile(batches, 0.5)));
  report.add("raw SQLite, same bytes, 1024 a batch", quantile(raw_1024_rates, 0.5), "1/s", "");
  report.add("engine / that", quantile(of_raw_1024, 0.5), "",
             range(of_raw_1024) + "; target: at least 0.5");
  report.add("raw SQLite, same bytes, the engine's batches", quantile(raw_rates, 0.5), "1/s", "");
  report.add("engine / that", quantile(of_raw, 0.5), "", range(of_raw));
}

struct Paced {
  std::vector<double> answer_ms;  // from submit to answer
  std::vector<double> read_ms;    // from read() to the look at the machine
};

// Submits `rate` a second, a handful each millisecond, and looks at the machine once each.
Paced pace(engine::Engine& engine, BenchMarket& market, std::uint64_t& next, std::uint64_t rate,
           const std::function<bool(double)>& go_on) {
  Paced paced;
  std::atomic<std::uint64_t> open = 0;
  const auto began = Steady::now();
  auto due = began;
  std::uint64_t sent = 0;
  while (go_on(seconds_since(began))) {
    due += std::chrono::milliseconds(1);
    std::this_thread::sleep_until(due);
    const auto until = static_cast<std::uint64_t>(
        static_cast<double>(rate) * std::chrono::duration<double>(due - began).count());
    for (; sent < until; ++sent) {
      const auto at = Steady::now();
      ++open;
      const Status queued = engine.submit(market.mixed(next++),
                                          [&paced, &open, at](const auto&, const core::Machine&) {
                                            paced.answer_ms.push_back(seconds_since(at) * 1e3);
                                            --open;
                                          });
      FALLOW_CHECK(queued.has_value(), "{} commands a second are too many here", rate);
    }
    const auto at = Steady::now();
    ++open;
    const Status looked = engine.read([&paced, &open, at](const core::Machine&) {
      paced.read_ms.push_back(seconds_since(at) * 1e3);
      --open;
    });
    FALLOW_CHECK(looked.has_value(), "{}", looked.error().message);
  }
  while (open > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return paced;
}

void report_paced(Report& report, const std::string& when, Paced& paced) {
  report.add("answer p50" + when, quantile(paced.answer_ms, 0.5), "ms", "target: under 5 ms");
  report.add("answer p99" + when, quantile(paced.answer_ms, 0.99), "ms");
  report.add("answer max" + when, quantile(paced.answer_ms, 1), "ms");
  report.add("read p99" + when, quantile(paced.read_ms, 0.99), "ms");
  report.add("read max" + when, quantile(paced.read_ms, 1), "ms",
             "the market thread's longest stall");
}

void latency(const Settings& settings, Report& report) {
  const Folder folder(settings.dir);
  BenchMarket market({});
  fill(market, folder.path(), 1'024, 0);
  const Running running(folder.path(), without_snapshots());
  submit_all(*running.engine, market.links());
  std::uint64_t next = 0;
  Paced paced = pace(*running.engine, market, next, settings.rate,
                     [&](double elapsed) { return elapsed < settings.paced_seconds; });
  report_paced(report, fmt::format(", {} commands/s", settings.rate), paced);
}

void snapshot_beside(const Settings& settings, Report& report) {
  const Folder folder(settings.dir);
  BenchMarket market({.nodes = settings.offers, .leases = 1'000});
  fill(market, folder.path(), 1'024, 0);
  engine::EngineOptions options = without_snapshots();
  std::uint64_t next = 0;
  {
    const Running quiet(folder.path(), options);
    submit_all(*quiet.engine, market.links());
    Paced paced = pace(*quiet.engine, market, next, settings.rate,
                       [&](double elapsed) { return elapsed < settings.paced_seconds; });
    report_paced(report, fmt::format(", {} offers, no snapshot", settings.offers), paced);
  }
  options.snapshots.commands_between_min = 1;
  options.snapshots.time_between_min = hours(1);
  const Running running(folder.path(), options);
  Paced paced = pace(*running.engine, market, next, settings.rate, [&](double) {
    const engine::SnapshotStats stats = running.engine->stats().snapshots;
    FALLOW_CHECK(stats.last_error.empty(), "{}", stats.last_error);
    return stats.taken == 0;
  });
  report_paced(report, fmt::format(", {} offers, during a snapshot", settings.offers), paced);
  const engine::SnapshotStats stats = running.engine->stats().snapshots;
  report.add("the snapshot took", static_cast<double>(stats.last_took.value) / 1e6, "s",
             "beside the market: the whole log replayed, the state written");
  const auto began = Steady::now();
  std::uint64_t bytes = 0;
  market.machine().snapshot([&bytes](std::string_view piece) { bytes += piece.size(); });
  report.add("stopping the market would cost", seconds_since(began) * 1e3, "ms",
             "only to encode the state, without a disk");
  FALLOW_CHECK(bytes > 0, "the state is empty");
  report.add("the snapshot's size", static_cast<double>(stats.last_bytes) / 1e6, "MB");
}

void restart(const Settings& settings, Report& report) {
  const Folder folder(settings.dir);
  BenchMarket market({});
  fill(market, folder.path(), 1, settings.entries);
  engine::EngineOptions options = without_snapshots();
  auto began = Steady::now();
  {
    options.snapshot_at_stop_commands_min = 1;
    const Running running(folder.path(), options);
    report.add(fmt::format("restart, {} log entries, no snapshot", settings.entries),
               seconds_since(began), "s",
               fmt::format("{} commands replayed", running.engine->replayed()));
  }
  began = Steady::now();
  const Running running(folder.path(), options);
  report.add(fmt::format("restart, {} log entries, with a snapshot", settings.entries),
             seconds_since(began), "s",
             fmt::format("{} commands replayed", running.engine->replayed()));
}

}  // namespace
}  // namespace fallow::bench

int main(int argc, char** argv) {
  using fallow::bench::Report;
  fallow::bench::Settings settings;
  std::vector<std::string> parts{"throughput", "latency", "snapshot", "restart"};
  CLI::App app("What the engine and its log cost");
  app.add_option("--dir", settings.dir, "a folder on the disk to measure; default: this one");
  app.add_flag("--json", settings.json, "print one JSON object");
  app.add_option("--commands", settings.commands, "commands of a throughput run");
  app.add_option("--rate", settings.rate, "commands a second of the paced runs");
  app.add_option("--seconds", settings.paced_seconds, "length of a paced run");
  app.add_option("--entries", settings.entries, "log entries of the restart run");
  app.add_option("--offers", settings.offers, "offers of the snapshot run");
  app.add_option("--parts", parts, "throughput, latency, snapshot, restart; default: all");
  CLI11_PARSE(app, argc, argv);

  Report report;
  for (const std::string& part : parts) {
    if (part == "throughput") fallow::bench::throughput(settings, report);
    if (part == "latency") fallow::bench::latency(settings, report);
    if (part == "snapshot") fallow::bench::snapshot_beside(settings, report);
    if (part == "restart") fallow::bench::restart(settings, report);
  }
  report.print(settings.json);
  return 0;
}
