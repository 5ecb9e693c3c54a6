#include "runtime/init/reach.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/init/command.h"
#include "tunnel/endpoint.h"
#include "tunnel/files.h"
#include "tunnel/request.h"

namespace fallow::init {
namespace {

using tunnel::MuxEvent;
using Kind = MuxEvent::Kind;

constexpr int kFlushMs = 1'000;

// Files go in and out of these, whatever else the workload could reach.
constexpr std::string_view kFolders[] = {"/work", "/out"};

// A path of the renter's as an open folder and what lies below it.
struct Place {
  tunnel::SharedDescriptor folder;
  std::string below;  // plain, or empty: the folder itself
};

bool find_place(std::string_view path, Place& place, std::string& failure) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  std::string_view folder = kFolders[0];
  std::string_view below = path;
  if (path.starts_with('/')) {
    below = path;
    for (const std::string_view one : kFolders) {
      if (path != one && !(path.starts_with(one) && path[one.size()] == '/')) continue;
      folder = one;
      below = path == one ? std::string_view() : path.substr(one.size() + 1);
    }
  }
  if (path == ".") below = {};
  while (below.starts_with("./")) below.remove_prefix(2);
  if (!below.empty() && !tunnel::is_plain_path(below)) {
    failure = "files go in and out of /work and /out only, by paths without `..`";
    return false;
  }
  const int fd = ::open(std::string(folder).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    failure = "cannot open " + std::string(folder) + ": " + std::strerror(errno);
    return false;
  }
  place = {std::make_shared<tunnel::Descriptor>(fd), std::string(below)};
  return true;
}

class Tunnel {
 public:
  explicit Tunnel(int connection) : endpoint_(connection, tunnel::Side::kSandbox) {}
  int serve();

 private:
  void hear(const MuxEvent& event);
  void open(std::uint32_t stream, std::string_view bytes);
  void run(std::uint32_t stream, const tunnel::ExecRequest& request);
  void forward(std::uint32_t stream, std::uint32_t port, int family);
  void connected(std::uint32_t stream, tunnel::SharedDescriptor socket);
  void read_files(std::uint32_t stream, const std::string& path);
  void write_files(std::uint32_t stream, const std::string& path);
  void hear_note(const MuxEvent& event);
  void hear_entry(std::uint32_t stream, const tunnel::EntryNote& entry);
  void files_ended(std::uint32_t stream);
  void reap();

  tunnel::Endpoint endpoint_;
  std::list<Command> commands_;
  std::map<std::uint32_t, std::shared_ptr<tunnel::FileReceiver>> receivers_;
  tunnel::SharedDescriptor children_;
};

int Tunnel::serve() {
  sigset_t ended;
  ::sigemptyset(&ended);
  ::sigaddset(&ended, SIGCHLD);
  const int signals = ::signalfd(-1, &ended, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signals < 0) return 1;
  children_ = tunnel::own(signals);
  endpoint_.on_event([this](const MuxEvent& event) { hear(event); });
  endpoint_.watch(children_, POLLIN, [this] {
    reap();
    return true;
  });
  while (endpoint_.turn()) {
  }
  for (const Command& command : commands_) command.hang_up();
  endpoint_.flush(kFlushMs);
  return 0;
}

void Tunnel::hear(const MuxEvent& event) {
  switch (event.kind) {
    case Kind::kOpened:
      open(event.stream, event.bytes);
      return;
    case Kind::kNote:
      hear_note(event);
      return;
    case Kind::kEnded:
      if (receivers_.contains(event.stream)) files_ended(event.stream);
      return;
    case Kind::kReset:
      receivers_.erase(event.stream);
      for (const Command& command : commands_) {
        if (command.stream() == event.stream) command.hang_up();
      }
      return;
    default:
      return;
  }
}

void Tunnel::open(std::uint32_t stream, std::string_view bytes) {
  tunnel::Request request;
  if (!tunnel::decode_request(bytes, request)) {
    endpoint_.mux().reset(stream, "the sandbox does not know this request; is the agent older?");
    return;
  }
  if (const auto* exec = std::get_if<tunnel::ExecRequest>(&request)) {
    run(stream, *exec);
  } else if (const auto* port = std::get_if<tunnel::ForwardRequest>(&request)) {
    forward(stream, port->port, AF_INET);
  } else if (const auto* read = std::get_if<tunnel::ReadFilesRequest>(&request)) {
    read_files(stream, read->path);
  } else if (const auto* write = std::get_if<tunnel::WriteFilesRequest>(&request)) {
    write_files(stream, write->path);
  }
}

void Tunnel::run(std::uint32_t stream, const tunnel::ExecRequest& request) {
  std::string failure;
  if (!commands_.emplace_back().start(endpoint_, stream, request, failure)) {
    commands_.pop_back();
    endpoint_.mux().reset(stream, failure);
  }
}

void Tunnel::reap() {
  signalfd_siginfo info{};
  while (::read(children_->get(), &info, sizeof(info)) > 0) {
  }
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    for (Command& command : commands_) {
      if (command.pid() == pid) command.ended(endpoint_, status);
    }
  }
  commands_.remove_if(
      [this](const Command& one) { return !endpoint_.mux().is_open(one.stream()); });
}

void Tunnel::forward(std::uint32_t stream, std::uint32_t port, int family) {
  sockaddr_storage address{};
  socklen_t size = 0;
  if (family == AF_INET) {
    auto* four = reinterpret_cast<sockaddr_in*>(&address);
    four->sin_family = AF_INET;
    four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    four->sin_port = htons(static_cast<std::uint16_t>(port));
    size = sizeof(*four);
  } else {
    auto* six = reinterpret_cast<sockaddr_in6*>(&address);
    six->sin6_family = AF_INET6;
    six->sin6_addr = in6addr_loopback;
    six->sin6_port = htons(static_cast<std::uint16_t>(port));
    size = sizeof(*six);
  }
  const auto refused = [this, stream, port, family](int error) {
    // A server may listen on the one and not on the other.
    if (family == AF_INET) {
      forward(stream, port, AF_INET6);
      return;
    }
    endpoint_.mux().reset(stream, "nothing answers on port " + std::to_string(port) +
                                      " of the workload: " + std::strerror(error));
  };
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return refused(family == AF_INET6 ? ECONNREFUSED : errno);
  tunnel::SharedDescriptor socket = tunnel::own(fd);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0) {
    connected(stream, std::move(socket));
    return;
  }
  if (errno != EINPROGRESS) return refused(errno);
  endpoint_.watch(socket, POLLOUT, [this, stream, socket, refused] {
    int error = 0;
    socklen_t bytes = sizeof(error);
    ::getsockopt(socket->get(), SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error != 0) {
      refused(error);
    } else {
      connected(stream, socket);
    }
    return false;
  });
}

void Tunnel::connected(std::uint32_t stream, tunnel::SharedDescriptor socket) {
  if (!endpoint_.mux().is_open(stream)) return;
  const int on = 1;
  ::setsockopt(socket->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  endpoint_.add_source(stream, 0, socket);
  endpoint_.add_sink(stream, 0, socket, tunnel::AtEnd::kShutdown);
}

void Tunnel::read_files(std::uint32_t stream, const std::string& path) {
  Place place;
  std::string failure;
  if (!find_place(path, place, failure)) {
    endpoint_.mux().reset(stream, failure);
    return;
  }
  const int fd = tunnel::open_below(place.folder->get(), place.below, O_RDONLY | O_NONBLOCK);
  if (fd < 0) {
    const std::string why = errno == ELOOP || errno == ENOTDIR
                                ? "a link, or a file, is on the way, and links are not followed"
                                : std::strerror(errno);
    endpoint_.mux().reset(stream, "cannot read " + path + ": " + why);
    return;
  }
  const std::string name = tunnel::name_of(path);
  const auto skipped = [this, stream](const std::string& sentence) {
    endpoint_.mux().send_note(stream, tunnel::encode_note(tunnel::SkippedNote{sentence}));
  };
  const auto sender =
      std::make_shared<tunnel::FileSender>(std::make_shared<tunnel::Descriptor>(fd), name, skipped);
  endpoint_.add_producer(stream, [this, stream, sender] {
    switch (sender->step(endpoint_.mux(), stream)) {
      case tunnel::FileSender::Step::kMore:
        return true;
      case tunnel::FileSender::Step::kFailed:
        endpoint_.mux().reset(stream, sender->failure());
        return false;
      default:
        endpoint_.mux().end(stream);
        return false;
    }
  });
}

void Tunnel::write_files(std::uint32_t stream, const std::string& path) {
  Place place;
  std::string failure;
  if (!find_place(path, place, failure)) {
    endpoint_.mux().reset(stream, failure);
    return;
  }
  // Into a folder that is there, else under this name.
  std::string name;
  int fd = tunnel::open_below(place.folder->get(), place.below, O_RDONLY | O_DIRECTORY);
  if (fd < 0 && !place.below.empty() && !path.ends_with('/')) {
    const std::size_t slash = place.below.rfind('/');
    name = slash == std::string::npos ? place.below : place.below.substr(slash + 1);
    const std::string above = slash == std::string::npos ? "" : place.below.substr(0, slash);
    fd = tunnel::open_below(place.folder->get(), above, O_RDONLY | O_DIRECTORY);
  }
  if (fd < 0) {
    endpoint_.mux().reset(stream, "there is no folder for " + path + ": " + std::strerror(errno) +
                                      "; make it with `fallow exec LEASE -- mkdir -p`");
    return;
  }
  const auto receiver =
      std::make_shared<tunnel::FileReceiver>(std::make_shared<tunnel::Descriptor>(fd), name);
  receivers_[stream] = receiver;
  endpoint_.add_taker(stream, [this, stream, receiver](std::string_view bytes) {
    if (!receivers_.contains(stream) || receiver->data(bytes)) return;
    endpoint_.mux().reset(stream, receiver->failure());
    receivers_.erase(stream);
  });
}

void Tunnel::files_ended(std::uint32_t stream) {
  const auto receiver = receivers_[stream];
  receivers_.erase(stream);
  if (!receiver->finish()) {
    endpoint_.mux().reset(stream, receiver->failure());
    return;
  }
  endpoint_.mux().send_note(stream, tunnel::encode_note(tunnel::ExitNote{0, {}}));
  endpoint_.mux().end(stream);
}

void Tunnel::hear_entry(std::uint32_t stream, const tunnel::EntryNote& entry) {
  const auto found = receivers_.find(stream);
  if (found == receivers_.end() || found->second->entry(entry)) return;
  endpoint_.mux().reset(stream, found->second->failure());
  receivers_.erase(found);
}

void Tunnel::hear_note(const MuxEvent& event) {
  tunnel::Note note;
  if (!tunnel::decode_note(event.bytes, note)) return;
  if (const auto* entry = std::get_if<tunnel::EntryNote>(&note)) {
    hear_entry(event.stream, *entry);
    return;
  }
  for (const Command& command : commands_) {
    if (command.stream() != event.stream) continue;
    if (const auto* size = std::get_if<tunnel::WindowSize>(&note)) command.resize(*size);
    if (const auto* signal = std::get_if<tunnel::SignalNote>(&note)) {
      command.signal(static_cast<int>(signal->number));
    }
  }
}

}  // namespace

int serve_tunnel(int connection) { return Tunnel(connection).serve(); }

}  // namespace fallow::init
