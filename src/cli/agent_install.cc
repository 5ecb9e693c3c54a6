// fallow agent install, uninstall: the agent as a service of systemd, and back to nothing.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "cli/agent_service.h"
#include "cli/agent_unit.h"
#include "cli/shell.h"

namespace fallow::cli {
namespace {

// An agent that has just been started tries its sandboxes and devices first.
constexpr Duration kStartMax = seconds(30);
constexpr Duration kStartStep = milliseconds(200);
constexpr std::size_t kShippedBytesMax = 64 << 10;
constexpr std::size_t kPolicyBytesMax = 1 << 20;

struct InstallOptions {
  bool user = false;
  bool keep_data = false;
  bool print = false;
  std::string root;
  std::string program;
};

// Where a file of the installed system lies: below --root, if there is one.
struct Installed {
  AgentUnit unit;
  std::string root;  // empty: this machine itself
  std::string usual_data;
  bool packaged = false;

  std::string at(const std::string& path) const { return root + path; }
};

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

Status make_folder_of(const std::string& file) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
  if (!error) return {};
  return fail(ErrorCode::kFailed, "cannot make the folder of {}: {}", file, error.message());
}

Status write_file(const std::string& path, std::string_view text, unsigned mode) {
  FALLOW_TRY(make_folder_of(path));
  return replace_file(path, text, mode);
}

void remove_file(const std::string& path) { ::unlink(path.c_str()); }

// Exit code of systemctl, whose words go to the terminal.
int systemctl(bool user, std::vector<std::string> words) {
  if (user) words.insert(words.begin(), "--user");
  words.insert(words.begin(), "systemctl");
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  int status = 0;
  std::fflush(nullptr);
  if (::posix_spawnp(&pid, "systemctl", nullptr, nullptr, argv.data(), environ) != 0) return -1;
  return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool runs_systemd(bool user) {
  if (!user) return exists("/run/systemd/system");
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr && exists(std::string(runtime) + "/systemd/private");
}

Result<Installed> places_of(const InstallOptions& options, const std::string& data) {
  Installed installed;
  FALLOW_ASSIGN(
      installed.unit,
      usual_agent_unit(options.user, options.program.empty() ? own_path() : options.program));
  installed.root = options.root;
  while (installed.root.ends_with('/')) installed.root.pop_back();
  installed.usual_data = installed.unit.data;
  if (data.empty()) {
    // Printed is the unit as it is anywhere, not as this machine has it.
    if (!options.print) installed.unit.data = installed_data(installed.unit, installed.root);
  } else {
    std::error_code error;
    installed.unit.data = std::filesystem::absolute(data, error).lexically_normal().string();
    while (installed.unit.data.ends_with('/')) installed.unit.data.pop_back();
  }
  installed.packaged = !options.user && exists(installed.at(kPackagedUnitFile));
  return installed;
}

// What stands against touching this machine; nothing for another root.
std::optional<Error> obstacle(const Installed& installed, const std::string& instead) {
  if (!installed.root.empty()) return std::nullopt;
  if (!installed.unit.user && ::geteuid() != 0) {
    return Error{ErrorCode::kDenied,
                 "a service of the whole machine needs root: use sudo, or --user for a service of "
                 "your own (its sandboxes are weaker: `fallow agent doctor` without sudo tells)"};
  }
  if (runs_systemd(installed.unit.user)) return std::nullopt;
  return Error{
      ErrorCode::kFailed,
      installed.unit.user
          ? "no systemd of yours runs here, so nothing was changed: log in properly (not by "
            "su or sudo), or " +
                instead
          : "systemd does not run here, so nothing was changed: " + instead};
}

std::string command_line(const Installed& installed, const std::vector<std::string>& words) {
  std::string line = installed.unit.program + " agent --data " + shell_quoted(installed.unit.data);
  for (const std::string& word : words) line += " " + shell_quoted(word);
  return line;
}

// Blocks until an agent holds the folder, or for kStartMax.
bool wait_for_agent(Host& host, const std::string& data) {
  for (Duration waited; waited < kStartMax; waited += kStartStep) {
    const auto state = host.node_state(data);
    if (state && state->runs && state->node != 0) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(kStartStep.value));
  }
  return false;
}

Status write_service(const Installed& installed, const std::vector<std::string>& words) {
  const AgentUnit& unit = installed.unit;
  FALLOW_ASSIGN(const std::string options, agent_options_text(words));
  FALLOW_ASSIGN(const std::string text, agent_unit_text(unit));
  FALLOW_TRY(write_file(installed.at(unit.options_file), options, 0600));
  // A package's unit is as good, if nothing is otherwise than there; one of ours would go before
  // it.
  const auto shipped = installed.packaged
                           ? read_file(installed.at(kPackagedUnitFile), kShippedBytesMax)
                           : std::string();
  if (shipped && *shipped == text) {
    remove_file(installed.at(unit.enabled_link));
    remove_file(installed.at(unit.unit_file));
  } else {
    FALLOW_TRY(write_file(installed.at(unit.unit_file), text, 0644));
  }
  std::error_code error;
  std::filesystem::create_directories(installed.at(unit.data), error);
  if (error) {
    return fail(ErrorCode::kFailed, "cannot make the agent's folder {}: {}", unit.data,
                error.message());
  }
  std::filesystem::permissions(installed.at(unit.data), std::filesystem::perms::owner_all, error);
  return {};
}

// A service stands in no folder of the caller's and sees no home: the policy goes to the agent's
// folder, where it is read without being named. Without the option one that is there stays.
Status take_policy(const Installed& installed, const std::string& file) {
  if (file.empty()) return {};
  FALLOW_ASSIGN(const std::string text, read_file(file, kPolicyBytesMax));
  return replace_file(installed.at(installed.unit.data) + "/owner-policy.toml", text, 0644);
}

// Whether an agent can be put there with what was given. Nothing was changed yet.
Status check_given(Host& host, const Installed& installed, const std::string& policy) {
  FALLOW_TRY(host.check_agent_folder(installed.at(installed.unit.data)));
  if (policy.empty()) return {};
  FALLOW_ASSIGN(const std::string words, host.check_owner_policy(policy));
  return {};
}

// As `systemctl enable` does it, for a root in which no systemd runs.
Status enable_offline(const Installed& installed) {
  const std::string link = installed.at(installed.unit.enabled_link);
  FALLOW_TRY(make_folder_of(link));
  remove_file(link);
  const bool own = exists(installed.at(installed.unit.unit_file));
  const std::string target = own ? installed.unit.unit_file : kPackagedUnitFile;
  if (::symlink(target.c_str(), link.c_str()) == 0) return {};
  return tl::unexpected(file_error("make", link, errno));
}

int install(const Context& context, Host& host, const InstallOptions& options,
            const AgentArguments& arguments, std::vector<std::string> words) {
  std::erase_if(words, [](const std::string& word) { return word.starts_with("--data="); });
  const auto installed = places_of(options, arguments.data);
  if (!installed) return report(context, installed.error());
  const AgentUnit& unit = installed->unit;
  if (options.print) {
    const auto text = agent_unit_text(unit);
    if (!text) return report(context, text.error());
    std::fwrite(text->data(), 1, text->size(), stdout);
    return kDone;
  }
  if (const auto against = obstacle(*installed, "start the agent by what starts programs here: " +
                                                    command_line(*installed, words))) {
    report(context, *against);
    return against->code == ErrorCode::kFailed ? kJobFailed : kUsage;
  }
  if (arguments.join.empty() && !exists(installed->at(unit.data + "/membership"))) {
    return report(context, Error{ErrorCode::kInvalid,
                                 unit.data + " belongs to no market yet: add --join TOKEN, which "
                                             "`fallow nodes token` prints"});
  }
  const std::string& policy = arguments.owner_policy;
  if (const auto fine = check_given(host, *installed, policy); !fine) {
    return report(context, fine.error());
  }
  std::erase_if(words, [](const std::string& word) { return word.starts_with("--owner-policy="); });
  auto done = write_service(*installed, words);
  if (done) done = take_policy(*installed, policy);
  if (!done) return report(context, done.error());
  if (!installed->root.empty()) {
    if (done = enable_offline(*installed); !done) return report(context, done.error());
    std::printf("installed below %s; it starts with that system\n", installed->root.c_str());
    return kDone;
  }
  if (systemctl(unit.user, {"daemon-reload"}) != 0 ||
      systemctl(unit.user, {"--quiet", "enable", kAgentUnitName}) != 0 ||
      systemctl(unit.user, {"restart", kAgentUnitName}) != 0 || !wait_for_agent(host, unit.data)) {
    std::fprintf(
        stderr,
        "fallow: the agent is installed but does not run; `journalctl%s -u %s -n 20` tells "
        "why\n",
        unit.user ? " --user" : "", kAgentUnitName);
    return kJobFailed;
  }
  const auto state = host.node_state(unit.data);
  if (!state) return report(context, state.error());
  std::printf("node %llu of %s runs, now and after every start of the machine\n",
              static_cast<unsigned long long>(state->node), state->url.c_str());
  if (unit.user) {
    std::printf("also while you are logged out: loginctl enable-linger\n");
  }
  return kDone;
}

// Leaves the package's own files alone; its options become none. Whoever keeps the data keeps the
// unit that names them, too, but nothing starts it any more.
Status remove_service(const Installed& installed, bool keep_data) {
  const AgentUnit& unit = installed.unit;
  remove_file(installed.at(unit.enabled_link));
  if (keep_data) return {};
  remove_file(installed.at(unit.unit_file));
  // systemd makes it, empty, for a service whose data are elsewhere, too (StateDirectory=).
  if (!unit.user) ::rmdir(installed.at(installed.usual_data).c_str());
  if (installed.packaged) {
    FALLOW_ASSIGN(const std::string none, agent_options_text({}));
    return write_file(installed.at(unit.options_file), none, 0600);
  }
  remove_file(installed.at(unit.options_file));
  // Folders that were made for these alone go, too; with anything else in it a folder stays.
  for (const std::string& file : {unit.enabled_link, unit.options_file}) {
    ::rmdir(std::filesystem::path(installed.at(file)).parent_path().c_str());
  }
  return {};
}

std::string left_words(const std::string& data, const RemovedNode& removed) {
  constexpr std::size_t kNamesShown = 3;
  std::string names;
  for (std::size_t i = 0; i < std::min(removed.left.size(), kNamesShown); ++i) {
    names += (i == 0 ? "" : ", ") + printable(removed.left[i]);
  }
  if (removed.left.size() > kNamesShown) names += ", ...";
  return "the folder " + data + " stays: " +
         (names.empty() ? "it cannot be removed itself" : "in it is what no agent made: " + names);
}

int uninstall(const Context& context, Host& host, const InstallOptions& options,
              const AgentArguments& arguments) {
  const auto installed = places_of(options, arguments.data);
  if (!installed) return report(context, installed.error());
  const AgentUnit& unit = installed->unit;
  const std::string data = installed->at(unit.data);
  const bool has_unit = exists(installed->at(unit.unit_file)) || installed->packaged;
  if (!has_unit && !exists(data)) {
    std::printf("no agent is installed here: there is neither %s nor %s\n",
                installed->at(unit.unit_file).c_str(), data.c_str());
    return kDone;
  }
  const bool live = installed->root.empty() && runs_systemd(unit.user);
  if (installed->root.empty() && !unit.user && ::geteuid() != 0) {
    return report(context,
                  Error{ErrorCode::kDenied,
                        "to remove a service of the whole machine needs root: use sudo, or "
                        "--user for one of your own"});
  }
  // A folder without a node is none's. Of a damaged node nothing is removed that could be mended.
  if (const auto known = host.node_state(data);
      !known && known.error().code != ErrorCode::kNotFound &&
      !(options.keep_data && known.error().code == ErrorCode::kCorrupt)) {
    return report(context, known.error());
  }
  if (live && has_unit &&
      systemctl(unit.user, {"--quiet", "disable", "--now", kAgentUnitName}) != 0) {
    return report(context, Error{ErrorCode::kFailed,
                                 "systemctl could not stop the agent; nothing "
                                 "was removed"});
  }
  const auto state = host.node_state(data);
  if (state && state->runs) {
    return report(context,
                  Error{ErrorCode::kBusy, "an agent still runs on " + data +
                                              ", which systemd did not start: end it first"});
  }
  RemovedNode removed;
  if (exists(data)) {
    auto done = host.remove_node(data, options.keep_data);
    if (!done) return report(context, done.error());
    removed = std::move(*done);
  }
  if (removed.workloads > 0) {
    std::printf("ended %u workload%s\n", removed.workloads, removed.workloads == 1 ? "" : "s");
  }
  if (const auto done = remove_service(*installed, options.keep_data); !done)
    return report(context, done.error());
  if (live) systemctl(unit.user, {"daemon-reload"});
  std::printf("the agent is gone%s\n",
              options.keep_data ? (", but for its folder " + data).c_str() : "");
  if (removed.folder_left) std::printf("%s\n", left_words(data, removed).c_str());
  if (state && state->node != 0 && !options.keep_data) {
    std::printf("the market still lists the node: fallow nodes remove %llu\n",
                static_cast<unsigned long long>(state->node));
  }
  if (installed->packaged)
    std::printf("the program is the package's: apt-get purge fallow-agent\n");
  return kDone;
}

}  // namespace

void add_agent_install(Parser& agent, const std::shared_ptr<AgentArguments>& arguments,
                       Context& context, Host& host) {
  auto options = std::make_shared<InstallOptions>();
  Parser* install_command = agent.add_subcommand(
      "install", "make the agent a service of systemd, with the options that stand here");
  Parser* uninstall_command =
      agent.add_subcommand("uninstall", "end it and its workloads, and remove all of it");
  for (Parser* sub : {install_command, uninstall_command}) {
    sub->fallthrough();
    sub->add_flag("--user", options->user,
                  "a service of your own instead of the machine's; needs no root");
    sub->add_option("--root", options->root,
                    "of a system in this folder, in which nothing runs, instead of this machine");
  }
  install_command->add_option("--program", options->program,
                              "the path of fallow there; default: of this one");
  install_command->add_flag("--print", options->print, "only print the unit");
  install_command->footer(
      "Examples:\n  sudo fallow agent install --join fj1.... --price 0.35\n"
      "  fallow agent install --user --join fj1.... --price 0.20");
  uninstall_command->add_flag("--keep-data", options->keep_data,
                              "leave the node's key, folder and options, to be installed again");
  const Parser* const given = &agent;
  install_command->callback([=, &context, &host] {
    context.run = [=, &context, &host] {
      return install(context, host, *options, *arguments, given->given());
    };
  });
  uninstall_command->callback([=, &context, &host] {
    context.run = [=, &context, &host] { return uninstall(context, host, *options, *arguments); };
  });
}

}  // namespace fallow::cli
