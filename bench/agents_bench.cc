// agents_bench: what an idle agent's connection (TLS, WebSocket, the hub's session) costs the
// server in memory. The agents are in a process of their own, so that the server's memory is its
// alone.
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/env.h"
#include "base/file.h"
#include "base/signing.h"
#include "bench_folder.h"
#include "bench_provider.h"
#include "bench_report.h"
#include "log/sqlite_log.h"
#include "net/io_pool.h"
#include "net/tls.h"
#include "net/websocket.h"
#include "server/server.h"

namespace fallow::bench {
namespace {

constexpr std::string_view kHelloPrefix = "fallow agent hello v1";
constexpr std::size_t kFilesForOthers = 500;  // of a process: log, history, pipes
constexpr std::size_t kAtOnce = 64;           // handshakes under way
constexpr Duration kReportEvery = seconds(8);

// Both processes make the same keys.
std::vector<SigningKey> keys_of(std::size_t count) {
  const std::unique_ptr<Random> random = seeded_random(11);
  std::vector<SigningKey> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back(SigningKey::generate(*random));
  return keys;
}

// What the parent tells the agents' process, and how they answer: by lines on a socket.
class Line {
 public:
  explicit Line(int fd) : fd_(fd) {}
  void write(const std::string& text) {
    const std::string line = text + "\n";
    FALLOW_CHECK(::write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size()),
                 "the other process is gone");
  }
  // Whether something came within `time`, or the other one has gone.
  bool waits(Duration time) {
    pollfd readable{fd_, POLLIN, 0};
    return ::poll(&readable, 1, static_cast<int>(time.value / 1'000)) == 1;
  }
  // Empty when the other one has gone.
  std::string read() {
    std::string line;
    for (char c = 0; ::read(fd_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

 private:
  int fd_;
};

// ---- the agents
// ----------------------------------------------------------------------------------

struct Fleet {
  net::Url url;
  std::shared_ptr<const net::TlsClient> tls;
  std::vector<SigningKey> keys;
  std::vector<std::uint64_t> nodes;
  std::atomic<std::size_t> next = 0;

  std::mutex mutex;
  std::vector<std::shared_ptr<net::WebSocket>> welcomed;
};

// Connects, proves its key, and from then on only listens.
net::Task<void> live(Fleet* fleet, std::size_t i);

net::Task<void> connect_next(Fleet* fleet) {
  const std::size_t i = fleet->next++;
  if (i < fleet->keys.size()) co_await live(fleet, i);
}

net::Task<void> live(Fleet* fleet, std::size_t i) {
  auto connected = co_await net::connect_websocket(fleet->url, fleet->tls, {},
                                                   net::WebSocketOptions(), seconds(30));
  const std::shared_ptr<net::WebSocket> socket = must(std::move(connected));
  for (;;) {
    auto received = co_await socket->receive();
    if (!received) break;
    v1::HubMessage message;
    FALLOW_CHECK(message.ParseFromString(received->data), "agent {} was told nonsense", i);
    if (message.has_challenge()) {
      v1::AgentMessage answer;
      v1::Hello& hello = *answer.mutable_hello();
      hello.set_node(fleet->nodes[i]);
      hello.set_signature(
          to_bytes(fleet->keys[i].sign(std::string(kHelloPrefix) + message.challenge().nonce())));
      *hello.mutable_facts() = bench_facts(i);
      FALLOW_CHECK(socket->try_send(answer.SerializeAsString()), "agent {} cannot answer", i);
    }
    if (message.has_welcome()) {
      const std::lock_guard lock(fleet->mutex);
      fleet->welcomed.push_back(socket);
      net::spawn(socket->executor(), connect_next(fleet));
    }
  }
}

int run_agents(Line parent, std::size_t count) {
  Fleet fleet;
  fleet.keys = keys_of(count);
  fleet.url = must(net::parse_url(parent.read()));
  fleet.url.target = "/v1/agent";
  fleet.tls = must(net::TlsClient::pinned(must(digest_from_hex(parent.read()))));
  for (std::size_t i = 0; i < count; ++i) fleet.nodes.push_back(std::stoull(parent.read()));
  net::IoPool pool(1);
  for (std::size_t i = 0; i < kAtOnce; ++i) net::spawn(pool.next(), connect_next(&fleet));
  // Everybody reports that nothing runs, as often as the hub wants to hear of them.
  std::uint64_t sequence = 0;
  for (bool told = false;;) {
    v1::AgentMessage report;
    report.mutable_observed()->set_sequence(++sequence);
    report.mutable_observed()->set_owner(v1::OWNER_AWAY);
    report.mutable_observed()->set_complete(true);
    const std::string bytes = report.SerializeAsString();
    {
      const std::lock_guard lock(fleet.mutex);
      for (const auto& socket : fleet.welcomed) {
        FALLOW_CHECK(socket->try_send(bytes), "a connection was lost");
      }
      if (!std::exchange(told, fleet.welcomed.size() == count) && told) parent.write("connected");
    }
    if (parent.waits(kReportEvery)) std::_Exit(0);  // it has measured
  }
}

// ---- the server
// ----------------------------------------------------------------------------------

double resident_kib() {
  const std::string text = must(read_file("/proc/self/statm", 200));
  const std::size_t pages = std::stoull(text.substr(text.find(' ') + 1));
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1024;
}

std::vector<std::uint64_t> join_nodes(engine::Engine& engine, std::size_t count) {
  Provider provider(engine, static_cast<std::uint32_t>(count));
  std::vector<std::uint64_t> nodes;
  for (const SigningKey& key : keys_of(count)) {
    nodes.push_back(provider.join(nodes.size(), to_bytes(key.public_key())));
  }
  return nodes;
}

std::size_t connected(engine::Engine& engine) {
  std::promise<std::size_t> promise;
  must(engine
           .read([&promise](const core::Machine& machine) {
             promise.set_value(machine.counts().nodes_connected);
           })
           .map([] { return 0; }));
  return promise.get_future().get();
}

void run_server(Line agents, std::size_t count, bool json) {
  const Folder folder(".");
  const std::unique_ptr<Clock> clock = system_clock();
  const std::unique_ptr<Random> random = system_random();
  const auto log = must(log::SqliteLog::open(folder.path() + "/log"));
  server::ServerOptions options;
  options.port = 0;
  options.api.per_peer = {};
  server::ServerParts parts;
  parts.engine.log = log.get();
  parts.engine.clock = clock.get();
  parts.random = random.get();
  const auto server =
      must(server::Server::start(must(server::DataFolder::open(folder.path())), options, parts));
  const std::vector<std::uint64_t> nodes = join_nodes(server->engine(), count);
  const double before_kib = resident_kib();
  agents.write(server->url());
  agents.write(to_hex(server->certificate()));
  for (const std::uint64_t node : nodes) agents.write(std::to_string(node));
  FALLOW_CHECK(agents.read() == "connected", "the agents did not connect");
  std::this_thread::sleep_for(std::chrono::seconds(3));
  const double after_kib = resident_kib();
  const std::size_t there = connected(server->engine());
  FALLOW_CHECK(there == count, "{} of {} agents are connected", there, count);
  Report report;
  report.add(fmt::format("{} idle agents over TLS, server memory each", count),
             (after_kib - before_kib) / static_cast<double>(count), "KiB",
             "target: under 24 KiB all in");
  report.print(json);
  agents.write("measured");
}

}  // namespace
}  // namespace fallow::bench

int main(int argc, char** argv) {
  CLI::App app("What an idle agent's connection costs the server in memory");
  bool json = false;
  std::size_t count = 2'000;
  app.add_flag("--json", json, "print one JSON object");
  app.add_option("--agents", count, "how many; 0: as many as open files allow");
  CLI11_PARSE(app, argc, argv);
  rlimit files{};
  FALLOW_CHECK(::getrlimit(RLIMIT_NOFILE, &files) == 0, "no limit of open files");
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::size_t most = files.rlim_cur - fallow::bench::kFilesForOthers;
  count = count == 0 ? most : std::min(count, most);
  int ends[2] = {};
  FALLOW_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "no socket pair");
  const pid_t agents = ::fork();  // before there is any thread
  FALLOW_CHECK(agents >= 0, "no second process");
  if (agents == 0) {
    ::close(ends[0]);
    return fallow::bench::run_agents(fallow::bench::Line(ends[1]), count);
  }
  ::close(ends[1]);
  fallow::bench::run_server(fallow::bench::Line(ends[0]), count, json);
  ::waitpid(agents, nullptr, 0);
  return 0;
}
