// fallow up: the whole market on one machine: a server, and agents as processes of their own.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "cli/command.h"
#include "cli/server_options.h"

namespace fallow::cli {
namespace {

constexpr std::size_t kKeyBytesMax = 1'024;
constexpr const char* kTestCredit = "10.00";
constexpr std::size_t kAgentLogBytesMax = std::size_t{1} << 20;
// An agent that was started wrongly ends within this.
constexpr Duration kFirstWords = milliseconds(500);

struct UpOptions {
  std::shared_ptr<ServerArguments> server;
  std::uint32_t providers = 1;
  std::string price = "0.20";
  std::vector<std::string> devices;
  bool save = false;
};

// The local agents; they end with us.
class Agents {
 public:
  ~Agents() {
    for (const Running& agent : running_) ::kill(agent.pid, SIGTERM);
    for (const Running& agent : running_) ::waitpid(agent.pid, nullptr, 0);
  }
  Status start(const std::vector<std::string>& words, const std::string& log_path) {
    std::error_code error_of_size;  // no log yet: nothing was written before
    const auto size = std::filesystem::file_size(log_path, error_of_size);
    const std::size_t log_bytes = error_of_size ? 0 : size;
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    // The server's blocked signals are not the agents'.
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid = 0;
    const int error =
        ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return tl::unexpected(file_error("start", "an agent", error));
    running_.push_back({pid, log_path, log_bytes});
    return {};
  }

  // Waits a moment: an agent that ended meanwhile has said why in its log.
  Status stand() {
    constexpr Duration kStep = milliseconds(50);
    for (Duration waited; !running_.empty() && waited < kFirstWords; waited += kStep) {
      std::this_thread::sleep_for(std::chrono::microseconds(kStep.value));
      for (std::size_t i = 0; i < running_.size(); ++i) {
        if (::waitpid(running_[i].pid, nullptr, WNOHANG) == 0) continue;
        const Running ended = running_[i];
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
        const auto log = read_file(ended.log_path, kAgentLogBytesMax);
        if (!log || log->size() <= ended.log_bytes) {
          return fail(ErrorCode::kFailed, "a local agent ended at once; see {}", ended.log_path);
        }
        return fail(
            ErrorCode::kFailed, "a local agent ended at once: {}",
            log->substr(ended.log_bytes, log->find_last_not_of('\n') + 1 - ended.log_bytes));
      }
    }
    return {};
  }

 private:
  struct Running {
    pid_t pid = 0;
    std::string log_path;
    std::size_t log_bytes = 0;  // of earlier starts
  };
  std::vector<Running> running_;
};

// An account with its key, made on the first start and kept beside the data.
client::ApiResult<std::string> account_key(client::Api& api, const std::string& path,
                                           const std::string& name, v1::Scope scope) {
  if (const auto kept = read_file(path, kKeyBytesMax)) return *kept;
  v1::CreateAccountRequest request;
  request.set_name(name);
  request.add_scopes(scope);
  const auto made = api.call<v1::CreateAccountResponse>("Accounts.CreateAccount", request);
  if (!made) return tl::unexpected(made.error());
  if (scope == v1::RENTER) {
    v1::CreateDepositRequest deposit;
    deposit.set_account(made->account().id());
    deposit.set_amount(kTestCredit);
    deposit.set_reference("first start of " + name);
    const auto wallet = api.call<v1::WalletView>("Wallets.CreateDeposit", deposit);
    if (!wallet) return tl::unexpected(wallet.error());
  }
  if (const auto kept = replace_file(path, made->api_key(), 0600); !kept) {
    return tl::unexpected(client::local_error(kept.error()));
  }
  return made->api_key();
}

client::ApiResult<std::string> join_token(const client::Config& provider, Random& random) {
  auto api = client::Api::make(provider, random);
  if (!api) return tl::unexpected(client::local_error(api.error()));
  const auto made =
      (*api)->call<v1::JoinTokenResponse>("Nodes.CreateJoinToken", v1::CreateJoinTokenRequest());
  if (!made) return tl::unexpected(made.error());
  return made->token();
}

// Accounts, agents, and the words that tell a person what to do next.
client::ApiResult<void> furnish(Context& context, const UpOptions& options,
                                const ServerStarted& started, Agents& agents) {
  const std::string& data = options.server->data;
  const auto operator_key = read_file(started.operator_key_path, kKeyBytesMax);
  if (!operator_key) return tl::unexpected(client::local_error(operator_key.error()));
  client::Config config{started.url, *operator_key, started.certificate};
  const auto api = client::Api::make(config, *context.random);
  if (!api) return tl::unexpected(client::local_error(api.error()));
  const auto renter = account_key(**api, data + "/renter.key", "renter", v1::RENTER);
  if (!renter) return tl::unexpected(renter.error());
  const auto provider = account_key(**api, data + "/provider.key", "provider", v1::PROVIDER);
  if (!provider) return tl::unexpected(provider.error());

  for (std::uint32_t i = 1; i <= options.providers; ++i) {
    const std::string folder = fmt::format("{}/agents/{}", data, i);
    std::vector<std::string> words{"fallow",  "agent",      "--data",
                                   folder,    "--name",     fmt::format("local-{}", i),
                                   "--price", options.price};
    if (!std::filesystem::exists(folder)) {
      const auto token = join_token({started.url, *provider, started.certificate}, *context.random);
      if (!token) return tl::unexpected(token.error());
      words.insert(words.end(), {"--join", *token});
    }
    std::error_code ignored;  // the agent says it better
    std::filesystem::create_directories(folder, ignored);
    if (options.devices.empty()) words.push_back("--cpu");
    for (const std::string& device : options.devices)
      words.insert(words.end(), {"--device", device});
    if (const auto spawned = agents.start(words, folder + "/agent.log"); !spawned) {
      return tl::unexpected(client::local_error(spawned.error()));
    }
  }

  if (const auto standing = agents.stand(); !standing) {
    return tl::unexpected(client::local_error(standing.error()));
  }

  config.api_key = *renter;
  if (options.save) {
    if (const auto saved = client::save_config(config); !saved) {
      return tl::unexpected(client::local_error(saved.error()));
    }
  }
  if (context.json) {
    std::printf("{\"url\":\"%s\",\"certificate\":\"%s\",\"data\":\"%s\"}\n", started.url.c_str(),
                started.certificate.c_str(), data.c_str());
  } else {
    std::printf("market at %s with %u local node%s; keys are in %s\n", started.url.c_str(),
                options.providers, options.providers == 1 ? "" : "s", data.c_str());
    std::printf("%s\n", console_words(started).c_str());
    if (options.save) {
      std::printf("your config now points to it; try, in another terminal:\n\n  fallow wallet\n");
    } else {
      std::printf("try, in another terminal:\n\n  export FALLOW_URL=%s\n", started.url.c_str());
      if (!started.certificate.empty()) {
        std::printf("  export FALLOW_CERTIFICATE=%s\n", started.certificate.c_str());
      }
      std::printf("  export FALLOW_API_KEY=$(cat %s/renter.key)\n", data.c_str());
    }
    std::printf(
        "  fallow offers 'device_kind in [gpu,cpu]'\n"
        "  fallow run 'device_kind in [gpu,cpu]' -- echo hello\n\n");
  }
  std::fflush(stdout);
  return {};
}

int up(Context& context, Host& host, const UpOptions& options) {
  Agents agents;
  int failure = kDone;
  const int ended = host.serve(*options.server, [&](const ServerStarted& started) {
    if (const auto done = furnish(context, options, started, agents); !done) {
      failure = report(context, done.error());
      ::kill(::getpid(), SIGTERM);  // ends serve() the ordinary way
    }
  });
  return ended == kDone ? failure : ended;
}

}  // namespace

void add_up(Parser& app, Context& context, Host& host) {
  auto options = std::make_shared<UpOptions>();
  Parser* command = app.add_subcommand("up", "the whole market on this machine, until Ctrl-C");
  options->server = add_server_options(*command);
  command->get_option("--data")->required(false);
  options->server->data = "fallow-data";
  command->add_option("--providers", options->providers, "local agents")->capture_default_str();
  command->add_option("--price", options->price, "of their devices, per hour")
      ->capture_default_str();
  command->add_option("--device", options->devices,
                      "declare devices for tests (see `fallow agent`)");
  command->add_flag("--save", options->save, "point your own config file to this market");
  command->footer("Example:\n  fallow up --data ./market --providers 2 --save");
  command->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return up(context, host, *options); };
  });
}

}  // namespace fallow::cli
