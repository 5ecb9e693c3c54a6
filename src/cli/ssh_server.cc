#include "cli/ssh_server.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <deque>
#include <list>
#include <optional>
#include <string_view>
#include <utility>

#include "tunnel/request.h"

namespace fallow::cli {
namespace {

using tunnel::MuxEvent;
using Kind = MuxEvent::Kind;

// Written to the client at once; the rest waits, and holds back the tunnel's stream.
constexpr std::size_t kPieceBytes = 32 * 1024;
constexpr std::size_t kChannelsMax = 32;
// Where Debian keeps the program behind sftp and scp; others may have it elsewhere.
constexpr const char* kSftpCommand =
    "for p in /usr/lib/openssh/sftp-server /usr/libexec/sftp-server /usr/lib/ssh/sftp-server "
    "/usr/libexec/openssh/sftp-server; do [ -x $p ] && exec $p; done; "
    "echo 'the sandbox has no sftp-server; use fallow cp' >&2; exit 127";

// As RFC 4254 names them.
constexpr std::pair<std::string_view, int> kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"KILL", SIGKILL}, {"QUIT", SIGQUIT},
    {"TERM", SIGTERM}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}};

class SshServer;

// One channel of the client's, and the stream that it became.
struct Channel {
  SshServer* server = nullptr;
  ssh_channel channel = nullptr;
  ssh_channel_callbacks_struct callbacks{};
  tunnel::ExecRequest request;  // of a session, as it comes together
  std::uint32_t stream = 0;     // 0: nothing was asked for yet
  struct Piece {
    bool is_error = false;
    std::string bytes;
  };
  std::deque<Piece> pieces;  // for the client; at most the stream's window
  bool input_over = false;
  bool output_over = false;
  std::optional<int> exit_code;
  bool closed = false;
};

class SshServer {
 public:
  SshServer(Reach& reach, const SshKeys& keys) : reach_(reach), keys_(keys) {}
  ~SshServer();
  SshServer(const SshServer&) = delete;
  SshServer& operator=(const SshServer&) = delete;

  Status greet(Fd client);
  Status serve();

 private:
  friend struct Callbacks;
  bool is_alive() const;
  Channel* add_channel(ssh_channel channel);
  bool start(Channel& channel, const tunnel::Request& request);
  void hear(const MuxEvent& event);
  void move_bytes(Channel& channel);
  void read_client(Channel& channel);
  void write_client(Channel& channel);
  void forget_closed();
  Channel* find(std::uint32_t stream);

  Reach& reach_;
  const SshKeys& keys_;
  ssh_bind bind_ = nullptr;
  ssh_session session_ = nullptr;
  ssh_event event_ = nullptr;
  ssh_server_callbacks_struct callbacks_{};
  std::list<Channel> channels_;  // at most kChannelsMax
  bool let_in_ = false;
};

// What libssh calls; `user` is the server or the channel.
struct Callbacks {
  static int let_in(ssh_session, const char*, ssh_key_struct* key, char state, void* user) {
    auto& server = *static_cast<SshServer*>(user);
    char* base64 = nullptr;
    if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK) return SSH_AUTH_DENIED;
    const std::string text = std::string(ssh_key_type_to_char(ssh_key_type(key))) + " " + base64;
    ssh_string_free_char(base64);
    if (text != server.keys_.client_key) return SSH_AUTH_DENIED;
    if (state == SSH_PUBLICKEY_STATE_NONE) return SSH_AUTH_SUCCESS;  // "would it do?"
    if (state != SSH_PUBLICKEY_STATE_VALID) return SSH_AUTH_DENIED;
    server.let_in_ = true;
    return SSH_AUTH_SUCCESS;
  }
  static ssh_channel open_session(ssh_session session, void* user) {
    auto& server = *static_cast<SshServer*>(user);
    if (!server.let_in_ || server.channels_.size() >= kChannelsMax) return nullptr;
    const Channel* added = server.add_channel(ssh_channel_new(session));
    return added == nullptr ? nullptr : added->channel;
  }
  static int terminal(ssh_session, ssh_channel, const char* kind, int columns, int rows, int, int,
                      void* user) {
    auto& channel = *static_cast<Channel*>(user);
    channel.request.has_terminal = true;
    channel.request.size = {static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(columns)};
    channel.request.environment.emplace_back("TERM", kind);
    return 0;
  }
  static int environment(ssh_session, ssh_channel, const char* name, const char* value,
                         void* user) {
    auto& environment = static_cast<Channel*>(user)->request.environment;
    // As sshd's own default: how a person reads, and nothing that changes what runs.
    const std::string_view wanted = name;
    if (wanted != "LANG" && !wanted.starts_with("LC_") && wanted != "COLORTERM") return 1;
    if (environment.size() < 32) environment.emplace_back(name, value);
    return 0;
  }
  static int resize(ssh_session, ssh_channel, int columns, int rows, int, int, void* user) {
    auto& channel = *static_cast<Channel*>(user);
    const tunnel::WindowSize size{static_cast<std::uint32_t>(rows),
                                  static_cast<std::uint32_t>(columns)};
    channel.server->reach_.mux().send_note(channel.stream, tunnel::encode_note(size));
    return 0;
  }
  static void signal(ssh_session, ssh_channel, const char* name, void* user) {
    auto& channel = *static_cast<Channel*>(user);
    for (const auto& [known, number] : kSignals) {
      if (known != name) continue;
      const tunnel::SignalNote note{static_cast<std::uint32_t>(number)};
      channel.server->reach_.mux().send_note(channel.stream, tunnel::encode_note(note));
    }
  }
  static int run(Channel& channel, std::vector<std::string> command) {
    if (channel.stream != 0) return 1;
    channel.request.command = std::move(command);
    return channel.server->start(channel, channel.request) ? 0 : 1;
  }
  static int shell(ssh_session, ssh_channel, void* user) {
    return run(*static_cast<Channel*>(user), {});
  }
  static int exec(ssh_session, ssh_channel, const char* command, void* user) {
    return run(*static_cast<Channel*>(user), {"/bin/sh", "-c", command});
  }
  static int subsystem(ssh_session, ssh_channel, const char* name, void* user) {
    if (std::string_view(name) != "sftp") return 1;
    return run(*static_cast<Channel*>(user), {"/bin/sh", "-c", kSftpCommand});
  }
  // Ports (`ssh -L`): the only thing left that a client may open. 0: it was answered.
  static int message(ssh_session, ssh_message message, void* user) {
    auto& server = *static_cast<SshServer*>(user);
    if (!server.let_in_ || server.channels_.size() >= kChannelsMax ||
        ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN ||
        ssh_message_subtype(message) != SSH_CHANNEL_DIRECT_TCPIP) {
      return 1;
    }
    const std::string_view host = ssh_message_channel_request_open_destination(message);
    const int port = ssh_message_channel_request_open_destination_port(message);
    // Its own ports, and nothing that its network may lead to.
    if (host != "localhost" && host != "127.0.0.1" && host != "::1") return 1;
    Channel* channel = server.add_channel(ssh_message_channel_request_open_reply_accept(message));
    if (channel == nullptr) return 1;
    if (!server.start(*channel, tunnel::ForwardRequest{static_cast<std::uint32_t>(port)})) {
      channel->output_over = true;
    }
    return 0;
  }
};

SshServer::~SshServer() {
  if (event_ != nullptr) ssh_event_free(event_);
  if (session_ != nullptr) {
    ssh_disconnect(session_);
    ssh_free(session_);
  }
  if (bind_ != nullptr) ssh_bind_free(bind_);
}

Status SshServer::greet(Fd client) {
  bind_ = ssh_bind_new();
  session_ = ssh_new();
  event_ = ssh_event_new();
  if (bind_ == nullptr || session_ == nullptr || event_ == nullptr) {
    return fail(ErrorCode::kFailed, "libssh has no memory");
  }
  ssh_bind_options_set(bind_, SSH_BIND_OPTIONS_HOSTKEY, keys_.host_key.c_str());
  callbacks_.size = sizeof(callbacks_);
  callbacks_.userdata = this;
  callbacks_.auth_pubkey_function = Callbacks::let_in;
  callbacks_.channel_open_request_session_function = Callbacks::open_session;
  ssh_set_server_callbacks(session_, &callbacks_);
  ssh_set_message_callback(session_, Callbacks::message, this);
  ssh_set_auth_methods(session_, SSH_AUTH_METHOD_PUBLICKEY);
  // libssh closes it with the session.
  if (ssh_bind_accept_fd(bind_, session_, client.release()) != SSH_OK) {
    return fail(ErrorCode::kFailed, "no SSH with the client: {}", ssh_get_error(bind_));
  }
  if (ssh_handle_key_exchange(session_) != SSH_OK) {
    return fail(ErrorCode::kFailed, "no SSH with the client: {}", ssh_get_error(session_));
  }
  ssh_set_blocking(session_, 0);
  ssh_event_add_session(event_, session_);
  return {};
}

bool SshServer::is_alive() const {
  return (ssh_get_status(session_) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
}

Channel* SshServer::add_channel(ssh_channel channel) {
  if (channel == nullptr) return nullptr;
  Channel& added = channels_.emplace_back();
  added.server = this;
  added.channel = channel;
  added.callbacks.size = sizeof(added.callbacks);
  added.callbacks.userdata = &added;
  added.callbacks.channel_pty_request_function = Callbacks::terminal;
  added.callbacks.channel_env_request_function = Callbacks::environment;
  added.callbacks.channel_pty_window_change_function = Callbacks::resize;
  added.callbacks.channel_signal_function = Callbacks::signal;
  added.callbacks.channel_shell_request_function = Callbacks::shell;
  added.callbacks.channel_exec_request_function = Callbacks::exec;
  added.callbacks.channel_subsystem_request_function = Callbacks::subsystem;
  ssh_set_channel_callbacks(channel, &added.callbacks);
  return &added;
}

bool SshServer::start(Channel& channel, const tunnel::Request& request) {
  channel.stream = reach_.mux().open(tunnel::encode_request(request));
  if (channel.stream == 0) return false;
  reach_.endpoint().add_keeper(
      channel.stream, [&channel](std::uint8_t kind, std::string_view bytes) {
        channel.pieces.push_back({kind == tunnel::kErr, std::string(bytes)});
      });
  return true;
}

Channel* SshServer::find(std::uint32_t stream) {
  const auto found = std::find_if(channels_.begin(), channels_.end(), [stream](const Channel& one) {
    return one.stream == stream && stream != 0;
  });
  return found == channels_.end() ? nullptr : &*found;
}

void SshServer::hear(const MuxEvent& event) {
  Channel* channel = find(event.stream);
  if (channel == nullptr) return;
  tunnel::Note note;
  if (event.kind == Kind::kNote && tunnel::decode_note(event.bytes, note)) {
    if (const auto* exit = std::get_if<tunnel::ExitNote>(&note)) {
      channel->exit_code = static_cast<int>(exit->code);
    }
  }
  if (event.kind == Kind::kReset && event.bytes != tunnel::kClosedReason) {
    channel->pieces.push_back({true, "fallow: " + printable(event.bytes) + "\r\n"});
    channel->exit_code = 255;
  }
  channel->output_over |= event.kind == Kind::kReset || event.kind == Kind::kEnded;
}

void SshServer::read_client(Channel& channel) {
  std::array<char, kPieceBytes> buffer{};
  while (!channel.input_over) {
    const std::size_t room = std::min(reach_.mux().room(channel.stream), buffer.size());
    if (room == 0) return;
    const int n = ssh_channel_read_nonblocking(channel.channel, buffer.data(),
                                               static_cast<std::uint32_t>(room), 0);
    if (n > 0) {
      reach_.mux().send(channel.stream, 0, {buffer.data(), static_cast<std::size_t>(n)});
      continue;
    }
    if (n == 0 && ssh_channel_is_eof(channel.channel) == 0) return;
    channel.input_over = true;
    reach_.mux().end(channel.stream);
  }
}

void SshServer::write_client(Channel& channel) {
  while (!channel.pieces.empty() && (ssh_get_poll_flags(session_) & SSH_WRITE_PENDING) == 0) {
    Channel::Piece& piece = channel.pieces.front();
    const std::size_t window = ssh_channel_window_size(channel.channel);
    const auto count = static_cast<std::uint32_t>(std::min(piece.bytes.size(), window));
    if (count == 0) return;
    const int n = piece.is_error
                      ? ssh_channel_write_stderr(channel.channel, piece.bytes.data(), count)
                      : ssh_channel_write(channel.channel, piece.bytes.data(), count);
    if (n <= 0) return;
    reach_.mux().consumed(channel.stream, static_cast<std::size_t>(n));
    piece.bytes.erase(0, static_cast<std::size_t>(n));
    if (piece.bytes.empty()) channel.pieces.pop_front();
  }
}

void SshServer::move_bytes(Channel& channel) {
  if (channel.closed) return;
  if (ssh_channel_is_closed(channel.channel) != 0) {
    channel.closed = true;
    reach_.mux().reset(channel.stream, tunnel::kClosedReason);
    return;
  }
  if (channel.stream != 0) read_client(channel);
  write_client(channel);
  if (!channel.output_over || !channel.pieces.empty()) return;
  channel.closed = true;
  if (channel.exit_code) ssh_channel_request_send_exit_status(channel.channel, *channel.exit_code);
  ssh_channel_send_eof(channel.channel);
  ssh_channel_close(channel.channel);
  // Whatever the client still has to say is for nobody.
  reach_.mux().reset(channel.stream, tunnel::kClosedReason);
}

void SshServer::forget_closed() {
  channels_.remove_if([](Channel& channel) {
    if (!channel.closed) return false;
    ssh_remove_channel_callbacks(channel.channel, &channel.callbacks);
    ssh_channel_free(channel.channel);
    return true;
  });
}

Status SshServer::serve() {
  const auto events = [this]() -> short {
    const bool writes = (ssh_get_poll_flags(session_) & SSH_WRITE_PENDING) != 0;
    return static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN);
  };
  reach_.endpoint().on_event([this](const MuxEvent& event) { hear(event); });
  reach_.endpoint().watch(tunnel::borrow(ssh_get_fd(session_)), events, [] { return true; });
  while (is_alive()) {
    // What came is read here, whoever is polled first.
    if (ssh_event_dopoll(event_, 0) == SSH_ERROR) break;
    for (Channel& channel : channels_) move_bytes(channel);
    forget_closed();
    if (!is_alive()) break;
    if (!reach_.endpoint().turn()) {
      return fail(ErrorCode::kClosed, "the tunnel ended");
    }
  }
  if (!let_in_) return fail(ErrorCode::kDenied, "the ssh client did not show the lease's key");
  return {};
}

}  // namespace

Status serve_ssh(Reach& reach, const SshKeys& keys, Fd client) {
  SshServer server(reach, keys);
  FALLOW_TRY(server.greet(std::move(client)));
  return server.serve();
}

}  // namespace fallow::cli
