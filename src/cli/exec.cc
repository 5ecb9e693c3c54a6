// fallow exec: a command in the sandbox of a running lease.
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "cli/command.h"
#include "cli/reach.h"
#include "tunnel/request.h"

namespace fallow::cli {
namespace {

// As a shell says of who was killed by SIGPIPE.
constexpr int kOutputClosedCode = 128 + SIGPIPE;
constexpr int kAskedMax = 3;

struct ExecOptions {
  std::uint64_t lease = 0;
  bool terminal = false;
  bool no_terminal = false;
  std::vector<std::string> environment;
};

tunnel::WindowSize window_size() {
  winsize window{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_row == 0) return {};
  return {window.ws_row, window.ws_col};
}

// The person's terminal hands every key on; the other one, inside, makes sense of them.
class RawTerminal {
 public:
  RawTerminal() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    is_raw_ = true;
    termios raw = before_;
    ::cfmakeraw(&raw);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~RawTerminal() {
    if (is_raw_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool is_raw_ = false;
};

// Follows one command to its end.
class Running {
 public:
  Running(Reach& reach, const tunnel::ExecRequest& request) : reach_(reach) {
    stream_ = reach.mux().open(tunnel::encode_request(request));
    tunnel::Endpoint& endpoint = reach.endpoint();
    endpoint.on_event([this](const tunnel::MuxEvent& event) { hear(event); });
    endpoint.add_source(stream_, 0, tunnel::borrow(STDIN_FILENO));
    // Whoever reads no more (`| head`) wants no more.
    const auto at_deaf = [this](int error) { output_closed_ |= error == EPIPE; };
    endpoint.add_sink(stream_, tunnel::kOut, tunnel::borrow(STDOUT_FILENO), tunnel::AtEnd::kClose,
                      at_deaf);
    endpoint.add_sink(stream_, tunnel::kErr, tunnel::borrow(STDERR_FILENO), tunnel::AtEnd::kClose);
  }

  void hear_signal(int signal) {
    if (signal == SIGWINCH) {
      reach_.mux().send_note(stream_, tunnel::encode_note(window_size()));
      return;
    }
    // The command may want to end in its own way; whoever asks again does not wait for that.
    // What is left of its output then goes unread, too.
    ++asked_;
    is_enough_ = is_over_ || asked_ >= kAskedMax;
    is_over_ |= is_enough_;
    const tunnel::SignalNote note{static_cast<std::uint32_t>(signal)};
    reach_.mux().send_note(stream_, tunnel::encode_note(note));
  }

  bool is_over() const { return is_over_ || output_closed_; }
  // Not even its output is waited for.
  bool is_enough() const { return is_enough_ || output_closed_; }
  bool output_closed() const { return output_closed_; }
  const std::optional<std::uint32_t>& code() const { return code_; }
  const std::string& refusal() const { return refusal_; }

 private:
  void hear(const tunnel::MuxEvent& event) {
    using Kind = tunnel::MuxEvent::Kind;
    if (event.stream != stream_) return;
    tunnel::Note note;
    if (event.kind == Kind::kNote && tunnel::decode_note(event.bytes, note)) {
      if (const auto* exit = std::get_if<tunnel::ExitNote>(&note)) code_ = exit->code;
    }
    if (event.kind == Kind::kReset) refusal_ = event.bytes;
    is_over_ |= event.kind == Kind::kReset || event.kind == Kind::kEnded;
  }

  Reach& reach_;
  std::uint32_t stream_ = 0;
  bool is_over_ = false;
  bool is_enough_ = false;
  bool output_closed_ = false;
  int asked_ = 0;
  std::optional<std::uint32_t> code_;
  std::string refusal_;
};

int exec(const Context& context, const ExecOptions& options) {
  tunnel::ExecRequest request;
  request.command = context.command;
  for (const std::string& one : options.environment) {
    const std::size_t equals = one.find('=');
    request.environment.emplace_back(one.substr(0, equals), one.substr(equals + 1));
  }
  request.has_terminal = options.terminal || (!options.no_terminal && ::isatty(STDIN_FILENO) == 1 &&
                                              ::isatty(STDOUT_FILENO) == 1);
  if (request.has_terminal) {
    request.size = window_size();
    const char* kind = std::getenv("TERM");
    request.environment.emplace_back("TERM", kind != nullptr ? kind : "xterm");
  }
  if (tunnel::encode_request(request).size() > tunnel::kPayloadBytesMax) {
    return report(context, Error{ErrorCode::kInvalid,
                                 "the command and its environment are longer than 32 KiB; put them "
                                 "into a script and copy that with `fallow cp`"});
  }
  int exit_code = kDone;
  const auto reach = Reach::open(context, options.lease, exit_code);
  if (!reach) return exit_code;
  HeardSignals signals;
  Running running(*reach, request);
  {
    std::optional<RawTerminal> raw;
    if (request.has_terminal) raw.emplace();
    signals.listen(reach->endpoint(), [&](int signal) { running.hear_signal(signal); });
    while (!running.is_over() && reach->endpoint().turn()) {
    }
    reach->endpoint().drain([&] { return running.is_enough(); });
  }
  if (running.output_closed() && !running.code()) return kOutputClosedCode;
  if (running.code()) return static_cast<int>(*running.code());
  if (!running.refusal().empty()) {
    report(context, Error{ErrorCode::kFailed, printable(running.refusal())});
    return kWayLostCode;
  }
  if (running.is_over()) {
    reach->endpoint().flush(kFlushMs);
    return kWayLostCode;
  }
  return reach->ended(context, kWayLostCode);
}

}  // namespace

void add_exec(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<ExecOptions>();
  Parser* command =
      app.add_subcommand("exec", "run a command in the sandbox of a running lease, or a shell");
  command->add_option("lease", options->lease, "the lease; `fallow leases --open` lists them")
      ->required();
  command->add_flag("-t,--terminal", options->terminal,
                    "give it a terminal; without it, when both ends here are terminals");
  command->add_flag("-T,--no-terminal", options->no_terminal, "give it none")->excludes("-t");
  command->add_option("-e,--env", options->environment, "NAME=VALUE, may be given again")
      ->check([](const std::string& text) {
        return text.find('=') == std::string::npos || text[0] == '='
                   ? std::string("write NAME=VALUE")
                   : std::string();
      });
  command->takes_command("[-- COMMAND...]");
  command->footer(
      "Everything behind -- is the command; without one it is the login shell.\n"
      "The command runs beside the workload, as confined as that is, and may be left behind with\n"
      "nohup until the lease ends. Its exit code is this program's; 255: the way there was lost.\n"
      "Examples:\n"
      "  fallow exec 17 -- nvidia-smi\n"
      "  fallow exec 17                                # a shell\n"
      "  tar c data | fallow exec 17 -- tar x -C /work\n");
  command->callback([options, &context] {
    context.run = [options, &context] { return exec(context, *options); };
  });
}

}  // namespace fallow::cli
