// Listener: a TCP port, and the connections that come in on it.
//
// Owned by the coroutine that accepts; used on one executor's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/task.h"

namespace fallow::net {

class Listener {
 public:
  // A connected, non-blocking socket that whoever gets it must close or hand to Stream::adopt.
  struct Accepted {
    int fd = -1;
    std::string peer;
  };

  // Binds and listens. Port 0 takes a free one. kFailed when the port is taken or not permitted.
  static Result<std::unique_ptr<Listener>> bind(const Executor& executor,
                                                const std::string& address, std::uint16_t port);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // The next connection. kBusy when the process or the system is out of descriptors or memory: wait
  // a moment before the next call. kClosed after close().
  Task<Result<Accepted>> accept();
  // Stops listening; connections in the backlog are reset.
  void close();
  std::uint16_t port() const { return port_; }

 private:
  struct Reactor;
  Listener(const Executor& executor, int fd, std::uint16_t port);

  std::unique_ptr<Reactor> reactor_;
  std::uint16_t port_;
};

}  // namespace fallow::net
