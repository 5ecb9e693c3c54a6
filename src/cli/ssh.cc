// fallow ssh: a stock ssh client into a running lease.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "cli/command.h"
#include "cli/reach.h"
#include "cli/shell.h"
#include "cli/ssh_keys.h"
#include "cli/ssh_server.h"

namespace fallow::cli {
namespace {

struct SshOptions {
  std::uint64_t lease = 0;
  bool proxy = false;
  bool config = false;
};

void carry(int from, int to, bool is_last) {
  std::array<char, 64 * 1024> buffer{};
  for (ssize_t n = 0; (n = ::read(from, buffer.data(), buffer.size())) > 0;) {
    for (ssize_t at = 0; at < n;) {
      const ssize_t put = ::write(to, buffer.data() + at, static_cast<std::size_t>(n - at));
      if (put < 0) return;
      at += put;
    }
  }
  if (is_last) ::shutdown(to, SHUT_WR);
}

// What ssh starts as its ProxyCommand: SSH on the standard input and output.
int proxy(const Context& context, const SshOptions& options, const SshKeys& keys) {
  ::signal(SIGPIPE, SIG_IGN);
  int exit_code = kDone;
  const auto reach = Reach::open(context, options.lease, exit_code);
  if (!reach) return exit_code;
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return report(context, file_error("make", "a pair of sockets", errno));
  }
  // libssh speaks on one descriptor; a ProxyCommand has two.
  std::thread in([&] { carry(STDIN_FILENO, ends[1], true); });
  std::thread out([&] { carry(ends[1], STDOUT_FILENO, false); });
  const Status served = serve_ssh(*reach, keys, Fd(ends[0]));
  if (!served) {
    exit_code = served.error().code == ErrorCode::kClosed ? reach->ended(context, kWayLostCode)
                                                          : report(context, served.error());
  }
  out.join();
  // It may wait for a client that stays silent; the process ends with it.
  in.detach();
  std::fflush(nullptr);
  ::_exit(exit_code);
}

int ssh(const Context& context, const SshOptions& options) {
  const auto market = context.config();
  if (!market) return report(context, market.error());
  const auto keys = ssh_keys_of(market->url, options.lease);
  if (!keys) return report(context, keys.error());
  if (options.proxy) return proxy(context, options, *keys);
  // Who asks for settings to keep gets the market in them that was meant, but never a key.
  std::string named;
  if (options.config) {
    named = " --url " + shell_quoted(market->url);
    if (!market->certificate.empty())
      named += " --certificate " + shell_quoted(market->certificate);
  }
  const std::string command =
      shell_quoted(own_path()) + named + " ssh --proxy " + std::to_string(options.lease);
  const std::vector<std::pair<std::string, std::string>> settings = {
      {"ProxyCommand", command},          {"User", "worker"},
      {"HostKeyAlias", keys->host_alias}, {"UserKnownHostsFile", "\"" + keys->known_hosts + "\""},
      {"StrictHostKeyChecking", "yes"},   {"IdentityFile", "\"" + keys->identity + "\""},
      {"IdentitiesOnly", "yes"}};
  if (options.config) {
    std::printf("Host %s\n", keys->host_alias.c_str());
    for (const auto& [name, value] : settings) {
      std::printf("  %s %s\n", name.c_str(), value.c_str());
    }
    return kDone;
  }
  // Said here it is one sentence; ssh would add its own about a connection that was closed.
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::GetLeaseRequest lease;
  lease.set_lease(options.lease);
  const auto found = api->call<v1::LeaseView>("Leases.GetLease", lease);
  if (!found) return report(context, found.error());
  // The proxy is to reach the same market, whatever this command line said.
  ::setenv("FALLOW_URL", market->url.c_str(), 1);
  ::setenv("FALLOW_API_KEY", market->api_key.c_str(), 1);
  ::setenv("FALLOW_CERTIFICATE", market->certificate.c_str(), 1);
  ::setenv("FALLOW_TEAM", market->team.c_str(), 1);
  std::vector<std::string> words = {"ssh", "-F", "none"};
  for (const auto& [name, value] : settings) {
    words.emplace_back("-o");
    words.push_back(name + "=" + value);
  }
  words.push_back(keys->host_alias);
  words.insert(words.end(), context.command.begin(), context.command.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp("ssh", argv.data());
  return report(context, fail(ErrorCode::kNotFound,
                              "cannot run ssh: {}; install openssh-client, or use `fallow exec {}`",
                              std::strerror(errno), options.lease)
                             .value());
}

}  // namespace

void add_ssh(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<SshOptions>();
  Parser* command = app.add_subcommand("ssh", "a stock ssh client into a running lease");
  command->add_option("lease", options->lease, "the lease; `fallow leases --open` lists them")
      ->required();
  command->add_flag("--config", options->config,
                    "print what ~/.ssh/config needs, for editors, rsync and git");
  command->add_flag("--proxy", options->proxy, "speak SSH here, as a ProxyCommand does")
      ->excludes("--config");
  command->takes_command("[-- SSH_WORDS...]");
  command->footer(
      "Behind -- stands what ssh gets: options and a command. The keys are the lease's own, made "
      "on\n"
      "first use. `ssh -L` reaches the lease's own ports. scp and sftp need an sftp-server in the\n"
      "image; `fallow cp` needs none.\n"
      "Examples:\n"
      "  fallow ssh 17\n"
      "  fallow ssh 17 -- -L 6006:localhost:6006 tensorboard --logdir /out\n"
      "  fallow ssh --config 17 >> ~/.ssh/config && rsync -r data lease-17:/work\n");
  command->callback([options, &context] {
    context.run = [options, &context] { return ssh(context, *options); };
  });
}

}  // namespace fallow::cli
